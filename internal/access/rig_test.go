package access_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/access"
	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// The paths that tests ask for: a pass, and the messages with one contact.
const (
	passes   = "/v1/accounts/-/passes"
	messages = "/v1/accounts/-/conversations/bob.eth/messages"
	lines    = "Content-Type: application/x-ndjson"
)

// page is a web page that the rig's list of origins holds.
const page = "https://app.example.org"

// rig is a gate before the real interface, on a real listener of loopback.
type rig struct {
	t       *testing.T
	gate    *access.Gate
	token   string
	file    string // of the token
	address string
	port    string
	backend *backend
	log     *syncBuffer
	stop    context.CancelFunc

	mu  sync.Mutex
	now time.Time
}

// change adjusts what a rig is made with.
type change func(*access.Options, *access.ServerOptions)

func newRig(t *testing.T, changes ...change) *rig {
	t.Helper()
	r := &rig{t: t, file: filepath.Join(t.TempDir(), access.TokenName), backend: &backend{}, log: &syncBuffer{}, now: time.Unix(1_800_000_000, 0)}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := access.Options{
		TokenFile: r.file, Origins: []string{page}, PerSecond: 1000, Burst: 1000, Page: true, Open: []string{"/healthz"},
		MaxBody: func(_, path string) int64 {
			if strings.HasSuffix(path, "/messages") {
				return -1
			}
			return 1000
		},
		Log: log, Now: r.clock, Random: rand.Reader,
	}
	server := access.ServerOptions{Log: log}
	for _, one := range changes {
		one(&o, &server)
	}
	var err error
	if r.gate, err = access.New(o); err != nil {
		t.Fatal(err)
	}
	if r.token, err = access.ReadToken(r.file, nil); err != nil {
		t.Fatal(err)
	}
	listeners, err := access.Listen(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	r.address, r.port = listeners.Address.String(), fmt.Sprint(listeners.Address.Port())
	mux := http.NewServeMux()
	mux.Handle("/v1/", api.NewHandler(r.backend, api.Options{}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") })
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, req *http.Request) { r.backend.note("page " + req.Method) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServer(http.Dir(filepath.Dir(r.file))))) // beside the token, at worst
	mux.HandleFunc("GET /endless", r.backend.endless)
	mux.HandleFunc("/events", r.backend.events)
	mux.HandleFunc("GET /header", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="`+req.URL.Query().Get("name")+`"`)
		w.Header().Set("Location", req.URL.Query().Get("name"))
		w.WriteHeader(http.StatusOK)
	})
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	var group sync.WaitGroup
	for _, listener := range listeners.All {
		group.Go(func() {
			if err := access.Serve(ctx, listener, r.gate.Guard(mux, listeners.Address), server); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); group.Wait() })
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// send writes bytes to a connection of their own, as an attacker can, and reads
// the first answer.
func (r *rig) send(raw string) answer {
	r.t.Helper()
	connection := r.dial()
	defer connection.Close()
	if _, err := io.WriteString(connection, raw); err != nil {
		r.t.Fatal(err)
	}
	return parse(r.t, connection)
}

// exchange sends bytes, says that no more will come, and returns all that comes
// back until the server closes the connection.
func (r *rig) exchange(raw string) string {
	r.t.Helper()
	connection := r.dial()
	defer connection.Close()
	if _, err := io.WriteString(connection, raw); err != nil {
		r.t.Fatal(err)
	}
	_ = connection.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(connection)
	if err != nil && len(all) == 0 {
		r.t.Fatal(err)
	}
	return string(all)
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	connection, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	return connection
}

func parse(t *testing.T, source io.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(source), nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}
}

// request sends a request with the lines of headers given; one that names no
// Host gets the right one.
func (r *rig) request(method, path, body string, lines ...string) answer {
	r.t.Helper()
	head := method + " " + path + " HTTP/1.1\r\n"
	if !strings.Contains("\r\n"+strings.Join(lines, "\r\n"), "\r\nHost:") {
		head += "Host: " + r.address + "\r\n"
	}
	for _, line := range lines {
		head += line + "\r\n"
	}
	if body != "" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return r.send(head + "Connection: close\r\n\r\n" + body)
}

func (r *rig) bearer() string { return "Authorization: Bearer " + r.token }

// enter comes in with a new link, and returns the line of the cookie.
func (r *rig) enter() string {
	r.t.Helper()
	code, _, err := r.gate.NewLink(false)
	if err != nil {
		r.t.Fatal(err)
	}
	got := r.request("GET", access.EnterPath(code), "")
	if got.status != http.StatusSeeOther {
		r.t.Fatalf("entering: %d %s", got.status, got.body)
	}
	return cookieLine(got)
}

func cookieLine(a answer) string {
	value, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return "Cookie: " + value
}

// want checks an answer's status, and that the interface did nothing.
func (r *rig) refused(what string, got answer, statuses ...int) {
	r.t.Helper()
	for _, status := range statuses {
		if got.status == status {
			if calls := r.backend.all(); len(calls) > 0 {
				r.t.Errorf("%s: refused, but the interface did %v", what, calls)
			}
			return
		}
	}
	r.t.Errorf("%s: answer %d %s, want %v", what, got.status, got.body, statuses)
}

// served checks that the interface answered.
func (r *rig) served(what string, got answer) {
	r.t.Helper()
	if got.status != http.StatusOK {
		r.t.Errorf("%s: answer %d %s", what, got.status, got.body)
	}
}

// backend notes what is asked of it.
type backend struct {
	mu    sync.Mutex
	calls []string
	wrote chan int64    // bytes that the endless answer got rid of, at its end
	event chan struct{} // what the stream of events waits for
}

func (b *backend) note(call string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
}

func (b *backend) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

func (b *backend) Account(name string) (api.Account, error) {
	if name != "" && name != "alice.eth" {
		return nil, fmt.Errorf("%w: %s", api.ErrNoAccount, name)
	}
	return account{backend: b}, nil
}

// account is the backend's one account.
type account struct {
	api.Account
	backend *backend
}

func (b *backend) Activity() *activity.Log { return activity.New(10, time.Now) }

func (b *backend) Status() api.Status {
	b.note("status")
	return api.Status{Version: "secret status"}
}

func (a account) Append(_ context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error) {
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return history.Summary{}, err
	}
	a.backend.note(fmt.Sprintf("append %d %s", n, o.Contact))
	return history.Summary{}, nil
}

func (a account) Sync(context.Context, engine.Work, func(engine.Progress)) (engine.Report, error) {
	a.backend.note("pass")
	return engine.Report{}, nil
}

func (a account) Read(_ context.Context, contact string, _ history.ReadOptions) (history.Slice, error) {
	a.backend.note("messages " + contact)
	return history.Slice{}, nil
}

// endless answers without end, until the client is given up or leaves.
func (b *backend) endless(w http.ResponseWriter, r *http.Request) {
	piece := bytes.Repeat([]byte("x"), 64<<10)
	var total int64
	for r.Context().Err() == nil {
		n, err := w.Write(piece)
		if total += int64(n); err != nil {
			break
		}
	}
	b.wrote <- total
}

// events sends one event at once, and one when it is told to.
func (b *backend) events(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "first\n")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-b.event:
		_, _ = io.WriteString(w, "second\n")
	case <-r.Context().Done():
		_, _ = io.WriteString(w, "given up\n")
	}
}

// syncBuffer is a buffer that several goroutines may write to.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}
