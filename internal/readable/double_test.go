package readable_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var errBroken = errors.New("broken")

func crcOf(data []byte) uint32 { return crc32.ChecksumIEEE(data) }

// history is a source with conversations in memory, as the engine gives them.
type history struct {
	t         *testing.T
	messages  map[string][]container.Envelope
	reasons   map[string][]string
	err       map[string]error
	reads     int
	mostBytes int // that one read gave
}

func newHistory(t *testing.T) *history {
	return &history{t: t, messages: map[string][]container.Envelope{}, reasons: map[string][]string{}, err: map[string]error{}}
}

// said is a message of a test.
type said struct {
	from, kind, text string
	at               int64
	about            container.MessageHash
	attachments      []map[string]string
}

// say adds a message to a conversation and returns its hash.
func (h *history) say(contact string, s said) container.MessageHash {
	h.t.Helper()
	metadata := map[string]any{"from": s.from, "to": "x", "type": s.kind, "timestamp": s.at}
	if s.about != (container.MessageHash{}) {
		metadata["referenceMessageHash"] = s.about.String()
	}
	sum := sha256.Sum256([]byte(s.from + s.text))
	message := map[string]any{"message": s.text, "metadata": metadata, "signature": base64.StdEncoding.EncodeToString(append(sum[:], sum[:]...))}
	if s.attachments != nil {
		message["attachments"] = s.attachments
	}
	text, err := json.Marshal(map[string]any{"message": message})
	if err != nil {
		h.t.Fatal(err)
	}
	envelope, _, err := container.ParseEnvelope(text)
	if err != nil {
		h.t.Fatal(err)
	}
	at, _ := slices.BinarySearchFunc(h.messages[contact], envelope, container.Envelope.Compare)
	h.messages[contact] = slices.Insert(h.messages[contact], at, envelope)
	return envelope.Hash
}

// Messages implements readable.Source.
func (h *history) Messages(ctx context.Context, contact string, r engine.Range) (page engine.Page, err error) {
	h.reads++
	if err := h.err[contact]; err != nil {
		return page, err
	}
	size := 0
	for _, m := range h.messages[contact] {
		if m.Timestamp >= r.From && (r.To == 0 || m.Timestamp < r.To) {
			page.Messages = append(page.Messages, m)
		}
	}
	if n := len(page.Messages); r.Last > 0 && n > r.Last {
		page.Messages = page.Messages[n-r.Last:]
	}
	for _, m := range page.Messages {
		size += len(m.JSON)
	}
	h.mostBytes = max(h.mostBytes, size)
	page.Reasons = h.reasons[contact]
	page.Provisional = len(page.Reasons) > 0
	return page, ctx.Err()
}

// options exports everything as alice.eth.
func (h *history) options(format readable.Format, folder string) readable.Options {
	o := readable.Options{Source: h, Account: "alice.eth", Own: []string{"alice.eth", "0xa.addr.dm3.eth"}, Format: format, Folder: folder,
		Now: time.UnixMilli(1_800_000_000_000)}
	for contact, messages := range h.messages {
		o.Conversations = append(o.Conversations, engine.Conversation{Contact: contact, Messages: len(messages)})
	}
	return o
}

// export exports and returns what lies in the folder then, without the marker and the lock.
func export(t *testing.T, o readable.Options) (readable.Result, map[string]string) {
	t.Helper()
	result, err := readable.Export(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result, files(t, o.Folder)
}

// files reads a folder, and checks that nobody else can.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || entry.IsDir() || name == "dm3sync-export.txt" || name == ".dm3sync-export.lock" {
			return err
		}
		data, err := os.ReadFile(path)
		found[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
