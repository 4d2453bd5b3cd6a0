package ipfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// mostAnswer bounds answers that are no objects: the listing of a folder.
const mostAnswer = 256 << 20

// blockSize is the largest block that objects are cut into; what is larger becomes a tree of them. Nodes exchange blocks of
// up to 2 MiB.
const blockSize = 1 << 20

// node is Kubo's RPC.
type node struct {
	base             *url.URL
	transport        *http.Transport
	client           *http.Client
	username, secret string
	patience         time.Duration
	// tree is held by the one call that reads or changes the node's own tree: Kubo's tree can lose what two calls do in it
	// at once, though it acknowledges both.
	tree chan struct{}
}

// arguments of a call, as pairs of name and value.
func query(pairs ...string) url.Values {
	values := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

// call makes one request; the answer's body is at most limit bytes. File, if not nil, is sent as one file.
func (n *node) call(ctx context.Context, command string, values url.Values, file []byte, limit int64) ([]byte, error) {
	return n.callFor(ctx, n.patience, n.patience, command, values, file, limit)
}

// callFor is call for commands that may take longer: the node gives up after the whole time, and this side when nothing moved
// for a little more than silence.
func (n *node) callFor(ctx context.Context, whole, silence time.Duration, command string, values url.Values, file []byte, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("ipfs: %s: %w", command, err)
	}
	if strings.HasPrefix(command, "files/") {
		select {
		case n.tree <- struct{}{}:
			defer func() { <-n.tree }()
		case <-ctx.Done():
			return nil, fmt.Errorf("ipfs: %s: %w", command, ctx.Err())
		}
	}
	inner, dog := transport.Watch(ctx, n.transport, silence+15*time.Second)
	defer dog.Stop()
	data, err := n.ask(inner, dog, whole, command, values, file, limit)
	if err == nil {
		return data, nil
	}
	if ended := ctx.Err(); ended != nil {
		return nil, fmt.Errorf("ipfs: %s: %w", command, ended)
	}
	return nil, describe(command, dog.Explain(err))
}

func (n *node) ask(ctx context.Context, dog *transport.Watchdog, patience time.Duration, command string, values url.Values, file []byte, limit int64) ([]byte, error) {
	values.Set("timeout", patience.String())
	address := n.base.JoinPath("api/v0", command)
	address.RawQuery = values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), nil)
	if err != nil {
		return nil, errors.New("the endpoint is not an address")
	}
	request.Header["Idempotency-Key"] = nil // not sent: it lets net/http repeat what an idle connection swallowed
	if file != nil {
		n.attach(request, dog, file)
	}
	switch {
	case n.username != "":
		request.SetBasicAuth(n.username, n.secret)
	case n.secret != "":
		request.Header.Set("Authorization", "Bearer "+n.secret)
	}
	answer, err := n.client.Do(request)
	if err != nil {
		var failure *url.Error
		if errors.As(err, &failure) {
			err = failure.Err // without the address
		}
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		data, err := dog.Read(answer.Body, answer.ContentLength, limit)
		if message := answer.Trailer.Get("X-Stream-Error"); err == nil && message != "" {
			err = &commandError{status: http.StatusInternalServerError, message: message}
		}
		return data, err
	}
	text, err := dog.Read(answer.Body, answer.ContentLength, 1<<16)
	if err != nil {
		return nil, err
	}
	failure := &commandError{status: answer.StatusCode, wait: transport.RetryAfter(answer.Header)}
	var told struct{ Message, Type string }
	if json.Unmarshal(text, &told) == nil {
		failure.message = told.Message
	}
	return nil, failure
}

// attach makes file the request's body, with a length, as multipart/form-data.
func (n *node) attach(request *http.Request, dog *transport.Watchdog, file []byte) {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	_, _ = form.CreateFormFile("file", "file") // a buffer takes everything
	begin := bytes.Clone(frame.Bytes())
	frame.Reset()
	_ = form.Close() // as above
	end := frame.Bytes()
	body := func() (io.ReadCloser, error) {
		whole := io.MultiReader(bytes.NewReader(begin), bytes.NewReader(file), bytes.NewReader(end))
		return dog.Body(io.NopCloser(whole), -1), nil
	}
	request.Body, _ = body()
	request.GetBody = body
	request.ContentLength = int64(len(begin) + len(file) + len(end))
	request.Header.Set("Content-Type", form.FormDataContentType())
}

// run is call for answers in JSON, which go into result, if not nil.
func (n *node) run(ctx context.Context, command string, values url.Values, result any) error {
	data, err := n.call(ctx, command, values, nil, mostAnswer)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(data, result); err != nil {
		return fmt.Errorf("ipfs: %s: %w: the answer is not Kubo's: %w", command, providers.ErrTransient, err)
	}
	return nil
}

// slowest is the speed, in bytes a second, below which an object is given up.
const slowest = 32 << 10

// forBytes is how long so many bytes may take.
func (n *node) forBytes(count int64) time.Duration {
	return n.patience + time.Duration(count/slowest)*time.Second
}

// add stores bytes as blocks, referred to by nothing yet.
func (n *node) add(ctx context.Context, data []byte) (cid string, err error) {
	if data == nil {
		data = []byte{}
	}
	answer, err := n.callFor(ctx, n.forBytes(int64(len(data))), n.patience, "add", query("pin", "false", "cid-version", "1", "raw-leaves", "true", "quieter", "true",
		"progress", "false", "chunker", "size-"+strconv.Itoa(blockSize)), data, 1<<16)
	if err != nil {
		return "", err
	}
	var last struct{ Hash, Message string }
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Hash == "" {
		return "", describe("add", &commandError{status: http.StatusInternalServerError, message: last.Message})
	}
	return last.Hash, nil
}

// link gives content a name in the node's tree; the node writes it down before it answers. errExists: there is one of the name.
func (n *node) link(ctx context.Context, cid, path string) error {
	return n.run(ctx, "files/cp", query("arg", "/ipfs/"+cid, "arg", path, "parents", "true"), nil)
}

// unlink removes names from the node's tree, absent ones too.
func (n *node) unlink(ctx context.Context, paths ...string) error {
	const most = 100
	for len(paths) > 0 {
		values := query("recursive", "true", "force", "true")
		count := min(most, len(paths))
		for _, path := range paths[:count] {
			values.Add("arg", path)
		}
		if err := n.run(ctx, "files/rm", values, nil); err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		paths = paths[count:]
	}
	return nil
}

// stat is the content identifier of a path in the node's tree; errAbsent where there is none.
func (n *node) stat(ctx context.Context, path string) (cid string, err error) {
	var found struct{ Hash string }
	err = n.run(ctx, "files/stat", query("arg", path), &found)
	if err == nil && found.Hash == "" {
		err = fmt.Errorf("ipfs: files/stat: %w: the answer is not Kubo's", providers.ErrTransient)
	}
	return found.Hash, err
}

// child is one line of a folder.
type child struct {
	Name, Hash string
	Size       int64
	Type       int // 2: a file
}

const isFile = 2

// list lists folders by their paths (/ipfs/…), in one request, in their order; errAbsent where one of them does not exist.
// Without details only names and identifiers are right, and no block of a child is needed.
func (n *node) list(ctx context.Context, details bool, folders ...string) ([][]child, error) {
	text := strconv.FormatBool(details)
	values := query("size", text, "resolve-type", text)
	for _, folder := range folders {
		values.Add("arg", folder)
	}
	var answer struct{ Objects []struct{ Links []child } }
	if err := n.run(ctx, "ls", values, &answer); err != nil {
		return nil, err
	}
	if len(answer.Objects) != len(folders) {
		return nil, fmt.Errorf("ipfs: ls: %w: %d answers to %d questions", providers.ErrTransient, len(answer.Objects), len(folders))
	}
	found := make([][]child, len(folders))
	for i, object := range answer.Objects {
		found[i] = object.Links
	}
	return found, nil
}

// resolve follows an IPNS name, past all caches, to an identifier; errNoName where nobody is known to publish it. After most
// of the patience the node answers with the newest record that it found by then.
func (n *node) resolve(ctx context.Context, name string) (cid string, err error) {
	var found struct{ Path string }
	if err := n.run(ctx, "name/resolve", query("arg", name, "nocache", "true", "dht-timeout", (n.patience*3/4).String()), &found); err != nil {
		return "", err
	}
	cid, ok := strings.CutPrefix(found.Path, "/ipfs/")
	if !ok || cid == "" || strings.Contains(cid, "/") {
		return "", fmt.Errorf("ipfs: name/resolve: %w: the answer is not a content identifier", providers.ErrTransient)
	}
	return cid, nil
}
