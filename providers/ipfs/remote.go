package ipfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
)

// sample is how many objects are fetched back from a pinning service after it said that it has everything.
const sample = 4

// errUnverified says that a pinning service does not have what it says.
var errUnverified = errors.New("the pinning service says that it has everything, and its gateway does not give it")

// remote is what a pinning service was asked for.
type remote struct {
	asked    string               // root
	verified string               // root that it has
	old      map[string]time.Time // other roots of this device, since when they are not needed
}

// pinRemotely has the published head pinned by a service, and what it holds of older ones let go after the grace time. Its
// word is not taken for it: objects are fetched back through its gateway.
func (s *Store) pinRemotely(ctx context.Context) error {
	s.mu.Lock()
	root := s.self.published
	s.mu.Unlock()
	if s.o.PinService == "" || root == "" {
		return nil
	}
	if root != s.remote.asked {
		_, err := s.node.call(ctx, "pin/remote/add", query("arg", "/ipfs/"+root, "service", s.o.PinService, "name", s.keyName(), "background", "true"), nil, 1<<20)
		if err != nil {
			return fmt.Errorf("pinning service: %w", err)
		}
		s.remote.asked = root
	}
	pinned, err := s.remotePins(ctx)
	if err != nil {
		return fmt.Errorf("pinning service: %w", err)
	}
	if !pinned[root] {
		return nil // not yet: asked again later
	}
	if s.remote.verified != root {
		if err := s.verify(ctx); err != nil {
			return fmt.Errorf("pinning service: %w", err)
		}
		s.remote.verified = root
		s.o.Log.Info("the pinning service has what is published", "fetched back", s.o.PinGateway != "")
	}
	return s.unpinRemotely(ctx, root, pinned)
}

// remotePins are the roots that the service says it has of this device.
func (s *Store) remotePins(ctx context.Context) (map[string]bool, error) {
	answer, err := s.node.call(ctx, "pin/remote/ls", query("service", s.o.PinService, "name", s.keyName(), "status", "pinned"), nil, mostAnswer)
	if err != nil {
		return nil, err
	}
	pinned := make(map[string]bool)
	lines := json.NewDecoder(bytes.NewReader(answer))
	for {
		var line struct{ Cid, Message string }
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return pinned, nil
		}
		if err != nil || line.Cid == "" {
			return nil, describe("pin/remote/ls", &commandError{status: http.StatusInternalServerError, message: line.Message})
		}
		pinned[line.Cid] = true
	}
}

// unpinRemotely lets go of what the service holds of older heads, when the newest was there for the grace time.
func (s *Store) unpinRemotely(ctx context.Context, root string, pinned map[string]bool) error {
	if s.remote.old == nil {
		s.remote.old = make(map[string]time.Time)
	}
	delete(s.remote.old, root)
	for cid := range pinned {
		since, known := s.remote.old[cid]
		switch {
		case cid == root:
		case !known:
			s.remote.old[cid] = s.o.Now()
		case s.o.Now().Sub(since) >= s.o.UnpinAfter:
			if _, err := s.node.call(ctx, "pin/remote/rm", query("service", s.o.PinService, "cid", cid, "force", "true"), nil, 1<<20); err != nil {
				return fmt.Errorf("pinning service: %w", err)
			}
			delete(s.remote.old, cid)
		}
	}
	return nil
}

// verify fetches some of this device's objects, drawn at random, from the pinning service's gateway. The node itself can't
// tell: it would answer from what it has.
func (s *Store) verify(ctx context.Context) error {
	if s.o.PinGateway == "" {
		return nil
	}
	objects, err := s.node.stat(ctx, s.paths.objects)
	if err != nil {
		return err
	}
	folders, err := s.node.list(ctx, false, "/ipfs/"+objects)
	if err != nil {
		return err
	}
	for range min(sample, len(folders[0])) {
		folder, err := s.pick(folders[0])
		if err != nil {
			return err
		}
		files, err := s.node.list(ctx, false, "/ipfs/"+folder.Hash)
		if err != nil {
			return err
		}
		if len(files[0]) == 0 {
			continue
		}
		file, err := s.pick(files[0])
		if err != nil {
			return err
		}
		if err := s.fetchBack(ctx, file.Hash); err != nil {
			return fmt.Errorf("%w: %w", errUnverified, err)
		}
	}
	return nil
}

func (s *Store) pick(lines []child) (child, error) {
	random := make([]byte, 8)
	if _, err := io.ReadFull(s.o.Random, random); err != nil {
		return child{}, fmt.Errorf("ipfs: randomness: %w", err)
	}
	index := new(big.Int).Mod(new(big.Int).SetBytes(random), big.NewInt(int64(len(lines))))
	return lines[index.Int64()], nil
}

// fetchBack asks the gateway for one block, and compares it with its identifier: a gateway's word counts for nothing.
func (s *Store) fetchBack(ctx context.Context, cid string) error {
	want, err := digest(cid)
	if err != nil {
		return err
	}
	inner, dog := transport.Watch(ctx, s.node.transport, s.o.Patience)
	defer dog.Stop()
	request, err := http.NewRequestWithContext(inner, http.MethodGet, strings.TrimSuffix(s.o.PinGateway, "/")+"/ipfs/"+cid+"?format=raw", nil)
	if err != nil {
		return errors.New("the gateway is not an address")
	}
	request.Header.Set("Accept", "application/vnd.ipld.raw")
	answer, err := s.node.client.Do(request)
	if err != nil {
		var failure *url.Error
		if errors.As(err, &failure) {
			err = failure.Err // without the address
		}
		return dog.Explain(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	block, err := dog.Read(answer.Body, answer.ContentLength, 4*blockSize)
	if err != nil {
		return err
	}
	if sha256.Sum256(block) != want {
		return errors.New("the gateway gives other bytes")
	}
	return nil
}

// digest is the SHA-256 that a content identifier of version 1 in base 32 names.
func digest(cid string) (sum [32]byte, err error) {
	text, ok := strings.CutPrefix(cid, "b")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(text))
	// version 1, codec (one byte for all that Kubo makes of files), SHA-256, 32 bytes
	if !ok || err != nil || len(raw) != 36 || raw[0] != 1 || raw[2] != 0x12 || raw[3] != 32 {
		return sum, fmt.Errorf("an identifier that is not SHA-256 in base 32: %s", cid)
	}
	return [32]byte(raw[4:]), nil
}
