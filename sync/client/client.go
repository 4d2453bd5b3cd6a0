package client

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
	"slices"
	"strings"
	"time"
)

// Options say where the agent is. Exactly one of Socket and URL must be set.
type Options struct {
	// Socket is the path of the agent's Unix socket, or on Windows the name of its
	// pipe (\\.\pipe\…). It needs no token.
	Socket string
	// URL is the agent's address on loopback, as in http://127.0.0.1:4810, and Token
	// what `dm3sync token` prints.
	URL, Token string
	// Wait is how long [Client.Follow] waits before it connects again; 0 is a second.
	// It doubles up to half a minute while that fails.
	Wait time.Duration
}

// Client speaks to one agent. It is safe for concurrent use.
type Client struct {
	http  *http.Client
	base  string
	token string
	wait  time.Duration
}

// ErrOptions is an address that can't be meant.
var ErrOptions = errors.New("name either a socket, or an http address of this machine with its token")

// New prepares a client. Nothing is asked of the agent yet.
func New(o Options) (*Client, error) {
	c := &Client{base: "http://agent", token: o.Token, wait: o.Wait}
	if c.wait <= 0 {
		c.wait = time.Second
	}
	transport := &http.Transport{DisableCompression: true}
	switch {
	case o.Socket != "" && o.URL == "":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, o.Socket) }
	case o.Socket == "" && isHere(o.URL):
		c.base = strings.TrimRight(o.URL, "/")
	default:
		return nil, fmt.Errorf("client: %w", ErrOptions)
	}
	// An agent never sends anybody elsewhere; a token must not go there.
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// isHere tells whether an address is one of this machine: a token goes nowhere else.
func isHere(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Close lets idle connections go. It returns nil, always.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// ProblemError is an error that the agent answered.
type ProblemError struct {
	Type   string   `json:"type"`   // urn:dm3sync:problem: and a word
	Title  string   `json:"title"`  // what the type means
	Status int      `json:"status"` // of HTTP
	Detail string   `json:"detail"` // a sentence for people
	Kinds  []string `json:"kinds"`  // the words of all types that fit
	// Result comes with an append that ended early: what it calls accepted is durable.
	Result *AppendResult `json:"summary"`
}

// Error returns the agent's sentence.
func (p *ProblemError) Error() string { return p.Detail }

// IsProblem tells whether err is a problem of a kind, as in "no-account".
func IsProblem(err error, kind string) bool {
	problem := (*ProblemError)(nil)
	return errors.As(err, &problem) && slices.Contains(problem.Kinds, kind)
}

// call is one request.
type call struct {
	method string
	path   []string // segments, not encoded
	query  url.Values
	header http.Header
	body   io.Reader
}

// open sends a request and returns a good answer; the caller closes its body.
func (c *Client) open(ctx context.Context, o call) (*http.Response, error) {
	address := c.base + "/v1"
	for _, segment := range o.path {
		address += "/" + url.PathEscape(segment)
	}
	if len(o.query) > 0 {
		address += "?" + o.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, o.method, address, o.body)
	if err != nil {
		return nil, fmt.Errorf("client: writing the request: %w", err)
	}
	for name, values := range o.header {
		request.Header[name] = values
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats the address, which holds names
	}
	if err != nil {
		return nil, fmt.Errorf("client: asking the agent: %w", err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, problemOf(response)
}

// problemOf reads the problem document of an answer.
func problemOf(response *http.Response) error {
	problem := &ProblemError{}
	if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(problem) != nil || problem.Detail == "" {
		return &ProblemError{Type: "about:blank", Title: http.StatusText(response.StatusCode), Status: response.StatusCode, Detail: "the agent answered " + response.Status}
	}
	return problem
}

// ask sends a request, with a JSON document unless in is nil, and reads the JSON answer unless out is nil.
func (c *Client) ask(ctx context.Context, o call, in, out any) error {
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: writing the request: %w", err)
		}
		o.body, o.header = bytes.NewReader(text), http.Header{"Content-Type": {"application/json"}}
	}
	response, err := c.open(ctx, o)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("client: reading the agent's answer: %w", err)
	}
	return nil
}
