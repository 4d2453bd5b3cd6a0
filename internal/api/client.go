package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// dialWait bounds how long Dial waits for an agent's first answer.
const dialWait = 5 * time.Second

// Client talks to a running agent. It is safe for concurrent use. Its errors
// match the same sentinels as those of the agent itself (see [Error]).
type Client struct {
	http   *http.Client
	socket string
}

// Dial connects to the agent that listens on socket, a path; of a folder, the
// socket of the usual name in it. It fails with [ErrNoAgent] when nobody
// listens there, and with another error when somebody does but gives no answer.
func Dial(socket string) (*Client, error) {
	if info, err := os.Stat(socket); err == nil && info.IsDir() {
		socket = filepath.Join(socket, SocketName)
	}
	c := &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialSocket(ctx, socket)
		},
	}}}
	ctx, cancel := context.WithTimeout(context.Background(), dialWait)
	defer cancel()
	if _, err := c.Status(ctx); err != nil {
		_ = c.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("api: an agent listens on %s but gives no answer; if it is suspended, let it go on, else end it: %w", socket, err)
		}
		return nil, err
	}
	return c, nil
}

// Close lets the connections go. It returns nil, always.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status returns the state of the agent and of all its accounts.
func (c *Client) Status(ctx context.Context) (status Status, err error) {
	return status, c.get(ctx, "/v1/status", nil, &status)
}

// Append sends NDJSON from r; contact may be empty. Everything that the summary
// calls accepted is durable, also beside an error.
func (c *Client) Append(ctx context.Context, account, contact string, r io.Reader) (summary history.Summary, err error) {
	path := pathOf(pathAppend, account)
	if contact != "" {
		path = pathOf(pathAppendHere, account, contact)
	}
	err = c.exchange(ctx, call{method: http.MethodPost, path: path, body: r, kind: linesMedia, read: decodeInto(&summary)})
	if wire := (*Error)(nil); errors.As(err, &wire) && wire.Summary != nil {
		summary = *wire.Summary
	}
	return summary, err
}

// Sync runs one pass; progress may be nil and is called in this goroutine.
func (c *Client) Sync(ctx context.Context, account string, w engine.Work, progress func(engine.Progress)) (report engine.Report, err error) {
	return report, c.work(ctx, pathOf(pathPasses, account), syncRequest(w), progress, &report)
}

// Verify checks what is at the provider; progress may be nil and is called in
// this goroutine.
func (c *Client) Verify(ctx context.Context, account string, o engine.VerifyOptions, progress func(engine.Progress)) (v engine.Verification, err error) {
	return v, c.work(ctx, pathOf(pathVerifications, account), verifyRequest(o), progress, &v)
}

// Forget starts anew with the provider.
func (c *Client) Forget(ctx context.Context, account string) error {
	var in forgetInput
	in.Body.Confirm = accountWord(account)
	return c.send(ctx, http.MethodPost, pathOf(pathForget, account), in.Body, nothingToRead)
}

// Conversations lists what the agent knows locally.
func (c *Client) Conversations(ctx context.Context, account string) (list []engine.Conversation, err error) {
	query := url.Values{"hidden": {"include"}, "limit": {strconv.Itoa(maxConversations)}}
	for {
		var out conversationsOutput
		if err := c.get(ctx, pathOf(pathConversations, account), query, &out.Body); err != nil {
			return nil, err
		}
		list = append(list, out.Body.Conversations...)
		if out.Body.More == "" {
			return list, nil
		}
		query.Set("cursor", out.Body.More)
	}
}

// Messages returns a range of one conversation.
func (c *Client) Messages(ctx context.Context, account, contact string, r engine.Range) (page engine.Page, err error) {
	query := url.Values{
		"contact": {contact}, "from": {strconv.FormatInt(r.From, 10)}, "to": {strconv.FormatInt(r.To, 10)}, "last": {strconv.Itoa(r.Last)},
	}
	read := func(r io.Reader) error {
		page, err = history.ReadPage(r)
		return err
	}
	return page, c.do(ctx, http.MethodGet, pathOf(pathRange, account), query, nil, read)
}

// Delete deletes messages for ever, or counts them only.
func (c *Client) Delete(ctx context.Context, account string, s history.Selection) (d history.Deletion, err error) {
	if s.Contact == "" {
		return d, fmt.Errorf("api: reading the contact: %w", history.ErrName)
	}
	var in deletionInput
	b := &in.Body
	b.Hashes, b.From, b.To, b.All, b.DryRun = s.Hashes, s.From, s.To, s.All, s.DryRun
	return d, c.send(ctx, http.MethodPost, pathOf(pathDeletions, account, s.Contact), b, decodeInto(&d))
}

// Hide hides a conversation (true), or shows it again.
func (c *Client) Hide(ctx context.Context, account, contact string, hidden bool) error {
	if contact == "" {
		return fmt.Errorf("api: reading the contact: %w", history.ErrName)
	}
	var in changeInput
	in.Body.Hidden = hidden
	return c.send(ctx, http.MethodPatch, pathOf(pathConversation, account, contact), in.Body, nothingToRead)
}

// Pause stops (true) or resumes (false) passes that nobody asked for.
func (c *Client) Pause(ctx context.Context, account string, paused bool) error {
	var in pauseInput
	in.Body.Paused = paused
	return c.send(ctx, http.MethodPut, pathOf(pathPause, account), in.Body, nothingToRead)
}

// PauseFor stops passes that nobody asked for, for this long, in whole seconds, and returns until when.
func (c *Client) PauseFor(ctx context.Context, account string, wait time.Duration) (time.Time, error) {
	var in pauseInput
	in.Body.Paused, in.Body.Seconds = true, max(int64(wait/time.Second), 1)
	var out pauseOutput
	err := c.send(ctx, http.MethodPut, pathOf(pathPause, account), in.Body, decodeInto(&out.Body))
	return out.Body.Until, err
}

func decodeInto(result any) func(io.Reader) error {
	return func(r io.Reader) error {
		if err := json.NewDecoder(r).Decode(result); err != nil {
			return fmt.Errorf("api: reading the agent's answer: %w", err)
		}
		return nil
	}
}

func nothingToRead(io.Reader) error { return nil }

// pathOf fills in the names of a path, percent-encoded; an account without a name is the only one.
func pathOf(path, account string, contact ...string) string {
	path = strings.Replace(path, "{account}", escaped(accountWord(account)), 1)
	for _, name := range contact {
		path = strings.Replace(path, "{contact}", escaped(name), 1)
	}
	return path
}

func accountWord(name string) string {
	if name == "" {
		return onlyAccount
	}
	return name
}

// escaped is a name as a segment of a path. Dots alone would be taken for steps.
func escaped(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// call is one request.
type call struct {
	method, path string
	query        url.Values
	body         io.Reader
	kind         string // media type of body
	read         func(io.Reader) error
}

func (c *Client) get(ctx context.Context, path string, query url.Values, result any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, decodeInto(result))
}

// send sends a JSON document.
func (c *Client) send(ctx context.Context, method, path string, value any, read func(io.Reader) error) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("api: writing request: %w", err)
	}
	return c.exchange(ctx, call{method: method, path: path, body: bytes.NewReader(body), kind: jsonMedia, read: read})
}

// work sends a JSON document and reads an answer of lines.
func (c *Client) work(ctx context.Context, path string, value any, progress func(engine.Progress), result any) error {
	return c.send(ctx, http.MethodPost, path, value, func(r io.Reader) error { return readStream(r, progress, result) })
}

// do sends one request without a media type.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader, read func(io.Reader) error) error {
	return c.exchange(ctx, call{method: method, path: path, query: query, body: body, read: read})
}

// exchange sends one request and gives a good answer's body to read.
func (c *Client) exchange(ctx context.Context, o call) error {
	// The host is never looked up: every connection goes to the socket.
	request, err := http.NewRequestWithContext(ctx, o.method, "http://agent"+o.path+"?"+o.query.Encode(), o.body)
	if err != nil {
		return fmt.Errorf("api: writing request: %w", err)
	}
	if o.kind != "" {
		request.Header.Set("Content-Type", o.kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.connectError(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 2 {
		return o.read(response.Body)
	}
	wire := &Error{}
	if json.NewDecoder(response.Body).Decode(wire) != nil || wire.Text == "" {
		return fmt.Errorf("api: the agent answered %s; if it is of another version than this program, restart it", response.Status)
	}
	return wire
}

// connectError tells "nobody listens" from everything else.
func (c *Client) connectError(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats the query, which holds names
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("api: %w on %s", ErrNoAgent, c.socket)
	}
	return fmt.Errorf("api: talking to the agent on %s: %w", c.socket, err)
}
