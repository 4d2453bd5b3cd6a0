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
	dialer := &net.Dialer{}
	c := &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
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
	return status, c.get(ctx, pathStatus, nil, &status)
}

// Append sends NDJSON from r; contact may be empty. Everything that the summary
// calls accepted is durable, also beside an error.
func (c *Client) Append(ctx context.Context, account, contact string, r io.Reader) (history.Summary, error) {
	query := url.Values{"account": {account}, "contact": {contact}}
	var result appendAnswer
	if err := c.do(ctx, http.MethodPost, pathAppend, query, r, decodeInto(&result)); err != nil {
		return history.Summary{}, err
	}
	return result.Summary, result.Error.asError()
}

// Sync runs one pass; progress may be nil and is called in this goroutine.
func (c *Client) Sync(ctx context.Context, account string, w engine.Work, progress func(engine.Progress)) (report engine.Report, err error) {
	body, err := json.Marshal(syncRequest(w))
	if err != nil {
		return report, fmt.Errorf("api: writing request: %w", err)
	}
	read := func(r io.Reader) error { return readStream(r, progress, &report) }
	return report, c.do(ctx, http.MethodPost, pathSync, url.Values{"account": {account}}, bytes.NewReader(body), read)
}

// Verify checks what is at the provider; progress may be nil and is called in
// this goroutine.
func (c *Client) Verify(ctx context.Context, account string, o engine.VerifyOptions, progress func(engine.Progress)) (v engine.Verification, err error) {
	body, err := json.Marshal(verifyRequest(o))
	if err != nil {
		return v, fmt.Errorf("api: writing request: %w", err)
	}
	read := func(r io.Reader) error { return readStream(r, progress, &v) }
	return v, c.do(ctx, http.MethodPost, pathVerify, url.Values{"account": {account}}, bytes.NewReader(body), read)
}

// Forget starts anew with the provider.
func (c *Client) Forget(ctx context.Context, account string) error {
	return c.do(ctx, http.MethodPost, pathForget, url.Values{"account": {account}}, nil, func(io.Reader) error { return nil })
}

// Conversations lists what the agent knows locally.
func (c *Client) Conversations(ctx context.Context, account string) (list []engine.Conversation, err error) {
	return list, c.get(ctx, pathConversations, url.Values{"account": {account}}, &list)
}

// Messages returns a range of one conversation.
func (c *Client) Messages(ctx context.Context, account, contact string, r engine.Range) (page engine.Page, err error) {
	query := url.Values{
		"account": {account}, "contact": {contact},
		"from": {strconv.FormatInt(r.From, 10)}, "to": {strconv.FormatInt(r.To, 10)}, "last": {strconv.Itoa(r.Last)},
	}
	read := func(r io.Reader) error {
		page, err = history.ReadPage(r)
		return err
	}
	return page, c.do(ctx, http.MethodGet, pathMessages, query, nil, read)
}

// Delete deletes messages for ever, or counts them only.
func (c *Client) Delete(ctx context.Context, account string, s history.Selection) (d history.Deletion, err error) {
	body, err := json.Marshal(s)
	if err != nil {
		return d, fmt.Errorf("api: writing request: %w", err)
	}
	return d, c.do(ctx, http.MethodPost, pathDelete, url.Values{"account": {account}}, bytes.NewReader(body), decodeInto(&d))
}

// Hide hides a conversation (true), or shows it again.
func (c *Client) Hide(ctx context.Context, account, contact string, hidden bool) error {
	query := url.Values{"account": {account}, "contact": {contact}, "hidden": {strconv.FormatBool(hidden)}}
	return c.do(ctx, http.MethodPost, pathHide, query, nil, func(io.Reader) error { return nil })
}

// Pause stops (true) or resumes (false) passes that nobody asked for.
func (c *Client) Pause(ctx context.Context, account string, paused bool) error {
	query := url.Values{"account": {account}, "paused": {strconv.FormatBool(paused)}}
	return c.do(ctx, http.MethodPost, pathPause, query, nil, func(io.Reader) error { return nil })
}

func (c *Client) get(ctx context.Context, path string, query url.Values, result any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, decodeInto(result))
}

func decodeInto(result any) func(io.Reader) error {
	return func(r io.Reader) error {
		if err := json.NewDecoder(r).Decode(result); err != nil {
			return fmt.Errorf("api: reading the agent's answer: %w", err)
		}
		return nil
	}
}

// do sends one request and gives a good answer's body to read.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader, read func(io.Reader) error) error {
	// The host is never looked up: every connection goes to the socket.
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+path+"?"+query.Encode(), body)
	if err != nil {
		return fmt.Errorf("api: writing request: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.connectError(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return read(response.Body)
	}
	wire := &Error{}
	if json.NewDecoder(response.Body).Decode(wire) != nil || wire.Text == "" {
		return fmt.Errorf("api: the agent answered %s", response.Status)
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
