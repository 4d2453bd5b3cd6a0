package dm3api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ClientOptions says which node and whose account.
type ClientOptions struct {
	// URL is the address of the service ("https://node.example.org/api"): of a backend, or of a delivery service.
	URL string
	// Account is the account's normalised name.
	Account string
	// Sign returns the base64 signature by the profile's signing key over a challenge. It is only called with what
	// [ParseChallenge] accepts.
	Sign func(ctx context.Context, challenge string) (string, error)
	// HTTP sends requests; nil is a client of its own. Redirects are not followed: they would carry the token away.
	HTTP *http.Client
	// Normalise is how names are normalised, see [CheckName].
	Normalise func(string) (string, error)
	// Now is the clock against which challenges are judged; nil is the system's.
	Now func() time.Time
	// MaxAnswer bounds an answer in bytes; 0 is 256 MiB.
	MaxAnswer int64
}

// Client speaks to one service for one account. It logs in by itself, once at a time, and again when the session has ended.
// Its methods may be called concurrently. Errors match the sentinels of this package, or are the network's.
type Client struct {
	base    string
	options ClientOptions
	http    http.Client

	mutex sync.Mutex // guards token
	token string
	login chan struct{} // holds one value while nobody logs in
}

// NewClient makes a client, without any request. The error is about the options and doesn't repeat the address.
func NewClient(options *ClientOptions) (*Client, error) {
	o := ClientOptions{}
	if options != nil {
		o = *options
	}
	address, err := url.Parse(o.URL)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" || address.User != nil ||
		address.RawQuery != "" || address.Fragment != "" {
		return nil, errors.New("dm3api: url is not an address like https://host/path")
	}
	if o.Sign == nil {
		return nil, errors.New("dm3api: nothing signs challenges")
	}
	if err := CheckName(o.Account, o.Normalise); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 256 << 20
	}
	c := &Client{base: strings.TrimRight(o.URL, "/"), options: o, login: make(chan struct{}, 1)}
	c.login <- struct{}{}
	if o.HTTP != nil {
		c.http = *o.HTTP
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// Account is the name that the client acts for.
func (c *Client) Account() string { return c.options.Account }

// call is one request.
type call struct {
	route  string // as errors name it
	path   string // below the base, escaped
	query  url.Values
	body   any    // nil: a GET
	login  bool   // with a session
	answer any    // what JSON is read into; nil: the text OK; ignored: anything that is no web page
	absent error  // what a 404 means; nil: that the server failed inside
	bad    error  // what a 400 means
	refuse string // the reason that bad needs; empty: any
}

// ignored marks a call whose answer says nothing.
type ignored struct{}

// do sends a call, once more with a new session where the old one has ended.
func (c *Client) do(ctx context.Context, request *call) error {
	var body []byte
	if request.body != nil {
		var err error
		if body, err = json.Marshal(request.body); err != nil {
			return fmt.Errorf("dm3api: %s: %w", request.route, err)
		}
	}
	var token string
	for again := range 2 {
		if request.login {
			var err error
			if token, err = c.session(ctx, token); err != nil {
				return err
			}
		}
		err := c.send(ctx, request, body, token)
		var status *StatusError
		if request.login && again == 0 && errors.As(err, &status) && status.Status == http.StatusUnauthorized {
			continue
		}
		if err != nil {
			return fmt.Errorf("dm3api: %w", err)
		}
		return nil
	}
	return nil
}

// send sends a request once and judges the answer.
func (c *Client) send(ctx context.Context, request *call, body []byte, token string) error {
	method, address := http.MethodGet, c.base+request.path
	if request.body != nil {
		method = http.MethodPost
	}
	if len(request.query) > 0 {
		address += "?" + request.query.Encode()
	}
	out, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", request.route, err)
	}
	if body != nil {
		out.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.http.Do(out)
	if err != nil {
		return fmt.Errorf("%s: %w", request.route, plain(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, c.options.MaxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: reading the answer: %w", request.route, err)
	}
	if int64(len(text)) > c.options.MaxAnswer {
		return fmt.Errorf("%s: %w", request.route, ErrTooLong)
	}
	if answer.StatusCode != http.StatusOK {
		return request.failed(answer, text)
	}
	return request.read(answer.Header, text)
}

// plain takes the address out of an error of net/http: the caller says what was done, and names stay out of logs.
func plain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// read takes what a successful answer says.
func (r *call) read(header http.Header, text []byte) error {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if kind == "text/html" && string(text) != okText {
		return fmt.Errorf("%s: %w", r.route, ErrNotNode)
	}
	if _, any := r.answer.(ignored); any {
		return nil
	}
	if r.answer == nil {
		if string(text) != okText {
			return fmt.Errorf("%s: %w", r.route, ErrNotNode)
		}
		return nil
	}
	err := json.Unmarshal(text, r.answer)
	if errors.Is(err, ErrTooLong) {
		return fmt.Errorf("%s: %w", r.route, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", r.route, ErrNotNode, err)
	}
	return nil
}

// mostReason is how much of a refusal's text is repeated.
const mostReason = 100

// failed judges an answer that means failure.
func (r *call) failed(answer *http.Response, text []byte) error {
	e := &StatusError{Route: r.route, Status: answer.StatusCode, Header: answer.Header}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	page := kind == "text/html" && bytes.HasPrefix(bytes.TrimSpace(text), []byte("<"))
	if !page && len(text) <= mostReason {
		e.Reason = string(text)
	}
	switch {
	case answer.StatusCode == http.StatusNotFound && r.absent != nil && !page:
		e.kind = r.absent
	case answer.StatusCode == http.StatusNotFound:
		e.kind = ErrInside
	case answer.StatusCode == http.StatusBadRequest && (r.refuse == "" || r.refuse == e.Reason):
		e.kind = r.bad
	case answer.StatusCode == http.StatusUnauthorized:
		e.kind = ErrLogin
	}
	return e
}

// session returns a session's token, another than the given one.
func (c *Client) session(ctx context.Context, ended string) (string, error) {
	if token := c.current(); token != "" && token != ended {
		return token, nil
	}
	select {
	case <-c.login:
	case <-ctx.Done():
		return "", fmt.Errorf("dm3api: waiting for the login: %w", ctx.Err())
	}
	defer func() { c.login <- struct{}{} }()
	if token := c.current(); token != "" && token != ended {
		return token, nil // somebody else was faster
	}
	token, err := c.logIn(ctx)
	if err != nil {
		return "", err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.token = token
	return token, nil
}

func (c *Client) current() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.token
}

// logIn asks for a challenge and answers it.
func (c *Client) logIn(ctx context.Context) (string, error) {
	path := "/auth/" + url.PathEscape(c.options.Account)
	var challenge, token string
	// A 404 is an unknown account or a failure inside: stock servers answer both alike.
	if err := c.send(ctx, &call{route: "auth", path: path, answer: &challenge}, nil, ""); err != nil {
		if errors.Is(err, ErrInside) {
			return "", fmt.Errorf("dm3api: asking for a challenge (does the node know the account, under this name, and is it a node's backend?): %w", err)
		}
		return "", fmt.Errorf("dm3api: asking for a challenge: %w", err)
	}
	if _, err := ParseChallenge(challenge, c.options.Account, c.options.Now()); err != nil {
		return "", fmt.Errorf("%w: the challenge is not signed: %w", ErrLogin, err)
	}
	signature, err := c.options.Sign(ctx, challenge)
	if err != nil {
		return "", fmt.Errorf("dm3api: signing the challenge: %w", err)
	}
	body, err := json.Marshal(loginRequest{Signature: signature, Challenge: challenge})
	if err != nil {
		return "", fmt.Errorf("dm3api: auth: %w", err)
	}
	if err := c.send(ctx, &call{route: "auth", path: path, body: body, answer: &token, bad: ErrLogin}, body, ""); err != nil {
		return "", fmt.Errorf("dm3api: answering the challenge: %w", err)
	}
	if token == "" || len(token) > longestToken || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("%w: it gives no session", ErrLogin)
	}
	return token, nil
}
