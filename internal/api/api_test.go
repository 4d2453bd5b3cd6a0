package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	gosync "sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fakeAccount answers with what it holds, and with fail.
type fakeAccount struct {
	mu      gosync.Mutex
	fail    error
	got     []string // what was asked
	body    string
	page    engine.Page
	steps   int           // of progress
	hang    bool          // until the context ends
	entered chan struct{} // a hanging call began
}

func (f *fakeAccount) note(format string, values ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, fmt.Sprintf(format, values...))
}

func (f *fakeAccount) Append(_ context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error) {
	summary := history.Summary{Accepted: 2, Rejected: 1, Rejections: []history.Rejection{{Line: 3, Reason: "why"}}, Conversations: 1}
	if f.fail != nil { // without reading: the journal is full
		return summary, f.fail
	}
	body, err := io.ReadAll(r)
	f.body = string(body)
	f.note("append %q", o.Contact)
	return summary, err
}

func (f *fakeAccount) Status(context.Context) (AccountStatus, error) { return AccountStatus{}, nil }

func (f *fakeAccount) Sync(ctx context.Context, w engine.Work, progress func(engine.Progress)) (engine.Report, error) {
	f.note("sync %+v", w)
	if f.hang {
		close(f.entered)
		<-ctx.Done()
		return engine.Report{}, ctx.Err()
	}
	for i := range f.steps {
		progress(engine.Progress{Step: "push", Done: int64(i), Total: int64(f.steps)})
	}
	return engine.Report{Pushed: 7}, f.fail
}

func (f *fakeAccount) Conversations(context.Context) ([]engine.Conversation, error) {
	return []engine.Conversation{{Contact: "bob.eth", Messages: 3}}, f.fail
}

func (f *fakeAccount) Messages(_ context.Context, contact string, r engine.Range) (engine.Page, error) {
	f.note("messages %q %+v", contact, r)
	return f.page, f.fail
}

func (f *fakeAccount) Delete(_ context.Context, s history.Selection) (history.Deletion, error) {
	f.note("delete %+v", s)
	return history.Deletion{Messages: 4, First: 1, Last: 2, Unknown: s.Hashes}, f.fail
}

func (f *fakeAccount) Hide(_ context.Context, contact string, hidden bool) error {
	f.note("hide %q %v", contact, hidden)
	return f.fail
}

func (f *fakeAccount) Verify(_ context.Context, o engine.VerifyOptions, progress func(engine.Progress)) (engine.Verification, error) {
	f.note("verify %+v", o)
	progress(engine.Progress{Step: "read"})
	return engine.Verification{Objects: 9}, f.fail
}

func (f *fakeAccount) Forget(context.Context) error {
	f.note("forget")
	return f.fail
}

func (f *fakeAccount) Pause(_ context.Context, paused bool) error {
	f.note("pause %v", paused)
	return f.fail
}

type fakeBackend map[string]Account

func (f fakeBackend) Account(name string) (Account, error) {
	if account, ok := f[name]; ok {
		return account, nil
	}
	return nil, fmt.Errorf("fake: %w", ErrNoAccount)
}

func (f fakeBackend) Status() Status {
	return Status{Version: "1", PID: 2, Accounts: []AccountStatus{{Name: "alice.eth", Status: engine.Status{Pending: 5}}}}
}

// serve starts a server and returns a client and how to stop the server.
func serve(t *testing.T, b Backend) (*Client, func() error) {
	t.Helper()
	folder, err := os.MkdirTemp("", "api") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("unix", filepath.Join(folder, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, b) }()
	var once gosync.Once
	stop := func() (err error) {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	client, err := Dial(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, stop
}

func TestRoundTrip(t *testing.T) {
	text := fmt.Sprintf(`{"message":{"message":"<&> é","metadata":{"from":"a","timestamp":5,"to":"b","type":"NEW"},"signature":%q}}`,
		base64.StdEncoding.EncodeToString(make([]byte, 64)))
	envelope, _, err := container.ParseEnvelope([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	fake := &fakeAccount{steps: 1000, page: engine.Page{Messages: []container.Envelope{envelope}, Provisional: true, Reasons: []string{"r"}}}
	client, _ := serve(t, fakeBackend{"alice & co.eth": fake})
	account := client.Account("alice & co.eth")
	ctx := t.Context()

	status, err := client.Status(ctx)
	if err != nil || status.PID != 2 || status.Accounts[0].Pending != 5 {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := account.Status(ctx); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
	if one, err := client.Account("").Status(ctx); err != nil || one.Name != "alice.eth" {
		t.Error(one, err)
	}
	big := strings.Repeat("line\n", 1<<20)
	summary, err := account.Append(ctx, strings.NewReader(big), history.AppendOptions{Contact: "bob & co"})
	if err != nil || summary.Accepted != 2 || len(summary.Rejections) != 1 || fake.body != big {
		t.Errorf("%+v, %v, %d bytes", summary, err, len(fake.body))
	}
	var steps []engine.Progress
	report, err := account.Sync(ctx, engine.Work{Scrub: true}, func(p engine.Progress) { steps = append(steps, p) })
	if err != nil || report.Pushed != 7 || len(steps) > 10 {
		t.Errorf("%+v, %v, %d steps", report, err, len(steps))
	}
	if v, err := account.Verify(ctx, engine.VerifyOptions{Deep: true, Rate: 7, Restart: true}, nil); err != nil || v.Objects != 9 {
		t.Error(v, err)
	}
	if list, err := account.Conversations(ctx); err != nil || len(list) != 1 || list[0].Messages != 3 {
		t.Error(list, err)
	}
	page, err := account.Messages(ctx, "bob", engine.Range{From: 1, To: 9, Last: 4})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fake.page, page); diff != "" {
		t.Error(diff)
	}
	if err := errors.Join(account.Pause(ctx, true), account.Forget(ctx)); err != nil {
		t.Error(err)
	}
	want := []string{`append "bob & co"`, "sync {Flush:false Scrub:true", "verify {Deep:true Rate:7 Restart:true}", `messages "bob" {From:1 To:9 Last:4}`, "pause true", "forget"}
	if !slices.EqualFunc(fake.got, want, strings.HasPrefix) {
		t.Errorf("got %q", fake.got)
	}
}

func TestErrorsTravel(t *testing.T) {
	for _, s := range sentinels {
		t.Run(s.word, func(t *testing.T) {
			fake := &fakeAccount{fail: fmt.Errorf("doing it: %w", s.error)}
			client, _ := serve(t, fakeBackend{"": fake})
			account := client.Account("")
			ctx := t.Context()
			calls := map[string]func() error{
				"append": func() error {
					summary, err := account.Append(ctx, strings.NewReader(strings.Repeat("x", 1<<20)), history.AppendOptions{})
					if summary.Accepted != 2 {
						t.Errorf("%+v", summary)
					}
					return err
				},
				"sync": func() error {
					report, err := account.Sync(ctx, engine.Work{}, nil)
					if report.Pushed != 7 {
						t.Errorf("%+v", report)
					}
					return err
				},
				"verify":        func() error { _, err := account.Verify(ctx, engine.VerifyOptions{}, nil); return err },
				"forget":        func() error { return account.Forget(ctx) },
				"conversations": func() error { _, err := account.Conversations(ctx); return err },
				"messages":      func() error { _, err := account.Messages(ctx, "b", engine.Range{}); return err },
				"delete":        func() error { _, err := account.Delete(ctx, history.Selection{}); return err },
				"hide":          func() error { return account.Hide(ctx, "b", true) },
				"pause":         func() error { return account.Pause(ctx, false) },
			}
			for name, call := range calls {
				err := call()
				if !errors.Is(err, s.error) || err.Error() != fake.fail.Error() {
					t.Errorf("%s: %v", name, err)
				}
				if errors.Is(err, io.ErrNoProgress) {
					t.Errorf("%s matches everything", name)
				}
			}
		})
	}
	if wireError(nil).asError() != nil {
		t.Error("no error became one")
	}
	several := wireError(errors.Join(providers.ErrTransient, cache.ErrInUse, errors.New("else")))
	if !errors.Is(several, providers.ErrTransient) || !errors.Is(several, cache.ErrInUse) || errors.Is(several, ErrNoAgent) {
		t.Errorf("%+v", several)
	}
}

func TestWrongRequests(t *testing.T) {
	client, _ := serve(t, fakeBackend{"": &fakeAccount{}})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/status", "", 200},
		{"GET", "/v1/nothing", "", 404},
		{"GET", "/v1/append", "", 405},
		{"GET", "/v1/messages?from=x", "", 400},
		{"GET", "/v1/messages?last=-1", "", 400},
		{"GET", "/v1/messages?to=99999999999999999999", "", 400},
		{"POST", "/v1/sync", "{", 400},
		{"POST", "/v1/sync", "", 200},
		{"POST", "/v1/sync", `{"scrub":"yes"}`, 400},
		{"POST", "/v1/sync", `{"scrub":true}`, 200},
		{"POST", "/v1/pause", "", 400},
		{"POST", "/v1/hide", "", 400},
		{"POST", "/v1/hide?hidden=true&contact=b", "", 200},
		{"POST", "/v1/delete", "", 400},
		{"POST", "/v1/delete", `{"hashes":["0x12"]}`, 400},
		{"POST", "/v1/delete", `{"from":-1}`, 400},
		{"POST", "/v1/delete", `{"contact":"b","all":true}`, 200},
		{"GET", "/v1/conversations?account=nobody.eth", "", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://agent"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s %s: %s", c.method, c.path, response.Status)
		}
	}
	if _, err := client.Account("nobody.eth").Conversations(t.Context()); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
}

func TestDialing(t *testing.T) {
	folder := t.TempDir()
	if _, err := Dial(folder); !errors.Is(err, ErrNoAgent) {
		t.Errorf("nothing there: %v", err)
	}
	address := &net.UnixAddr{Name: filepath.Join(folder, "s"), Net: "unix"}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		t.Skip("socket path too long:", err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if _, err := Dial(address.Name); !errors.Is(err, ErrNoAgent) {
		t.Errorf("nobody listens: %v", err)
	}
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(plain); err == nil {
		t.Error("a plain file answered")
	}
}

func TestStopEndsRequests(t *testing.T) {
	fake := &fakeAccount{hang: true, entered: make(chan struct{})}
	client, stop := serve(t, fakeBackend{"": fake})
	answered := make(chan error, 1)
	go func() {
		_, err := client.Sync(context.Background(), "", engine.Work{}, nil)
		answered <- err
	}()
	<-fake.entered
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("a pass that was cut off succeeded")
	}
	if _, err := client.Status(t.Context()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("after the stop: %v", err)
	}
}

// A client that does not read must not hold up the pass that reports to it.
func TestDeafClient(t *testing.T) {
	here, there := net.Pipe() // without any buffer
	defer here.Close()
	defer there.Close()
	s := newStream(&deafWriter{there})
	for i := range 10_000 {
		s.progress(engine.Progress{Done: int64(i)})
	}
	here.Close()
	s.finish(nil, nil)
}

type deafWriter struct{ net.Conn }

func (*deafWriter) Header() http.Header { return http.Header{} }
func (*deafWriter) WriteHeader(int)     {}

func TestBrokenStream(t *testing.T) {
	for _, text := range []string{"", `{"progress":{}}` + "\n", `{"result":`, `{"result":"no report"}`} {
		var report engine.Report
		if err := readStream(strings.NewReader(text), nil, &report); err == nil {
			t.Errorf("%q is an answer", text)
		}
	}
}

func FuzzReadStream(f *testing.F) {
	f.Add(`{"progress":{"step":"x"}}` + "\n" + `{"result":{"pushed":1},"error":{"error":"e","kinds":["quota"]}}`)
	f.Fuzz(func(_ *testing.T, text string) {
		var report engine.Report
		_ = readStream(strings.NewReader(text), func(engine.Progress) {}, &report)
	})
}
