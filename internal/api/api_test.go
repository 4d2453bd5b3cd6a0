package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/activity"
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

func (f *fakeAccount) Read(_ context.Context, contact string, o history.ReadOptions) (history.Slice, error) {
	f.note("read %q %+v", contact, o)
	return history.Slice{Page: f.page, Older: "older", End: "end"}, f.fail
}

func (f *fakeAccount) Message(_ context.Context, contact string, hash container.MessageHash) (found container.Envelope, err error) {
	f.note("message %q %s", contact, hash)
	if len(f.page.Messages) > 0 {
		found = f.page.Messages[0]
	}
	return found, f.fail
}

func (f *fakeAccount) Stretches(_ context.Context, contact string) ([]engine.Stretch, error) {
	f.note("stretches %q", contact)
	return []engine.Stretch{{Chunk: "0.5", To: 9, First: 5, Last: 6, Messages: 7, Bytes: 8, Fetch: 1}, {From: 9, Cached: true}}, f.fail
}

func (f *fakeAccount) Fetch(_ context.Context, contact string, from, to int64, progress func(engine.Progress)) error {
	f.note("fetch %q %d %d", contact, from, to)
	progress(engine.Progress{Step: "fetch", Total: 3})
	return f.fail
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

func (f fakeBackend) Activity() *activity.Log { return activity.New(10, time.Now) }

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
	go func() { done <- Serve(ctx, listener, NewHandler(b, Options{})) }()
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
				"read":          func() error { _, err := account.Read(ctx, "b", history.ReadOptions{}); return err },
				"message":       func() error { _, err := account.Message(ctx, "b", container.MessageHash{}); return err },
				"stretches":     func() error { _, err := account.Stretches(ctx, "b"); return err },
				"fetch":         func() error { return account.Fetch(ctx, "b", 0, 0, nil) },
				"delete":        func() error { _, err := account.Delete(ctx, history.Selection{Contact: "b", All: true}); return err },
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
	const account, contact = "/v1/accounts/-", "/v1/accounts/-/conversations/b"
	for _, c := range []struct {
		method, path, body string
		status             int
		word               string
	}{
		{"GET", "/v1/status", "", 200, ""},
		{"GET", "/v1/nothing", "", 404, "no-resource"},
		{"GET", "/", "", 404, "no-resource"},
		{"DELETE", account + "/messages", "", 405, "method"},
		{"GET", account + "/internal/range?from=x", "", 400, "request"},
		{"GET", account + "/internal/range?last=-1", "", 400, "request"},
		{"GET", account + "/internal/range?to=99999999999999999999", "", 400, "request"},
		{"GET", account + "/conversations?limit=0", "", 422, "invalid"},
		{"GET", account + "/conversations?limit=x", "", 422, "invalid"},
		{"GET", account + "/conversations?hidden=maybe", "", 422, "invalid"},
		{"GET", account + "/conversations?colour=red", "", 422, "invalid"},
		{"GET", account + "/conversations?cursor=!", "", 400, "request"},
		{"GET", account + "/conversations?cursor=eCB5", "", 400, "request"},
		{"GET", contact, "", 404, "no-conversation"},
		{"GET", account + "/conversations/bob.eth", "", 200, ""},
		{"POST", account + "/passes", "{", 400, "request"},
		{"POST", account + "/passes", "", 200, ""},
		{"POST", account + "/passes", `{"scrub":"yes"}`, 422, "invalid"},
		{"POST", account + "/passes", `{"colour":"red"}`, 422, "invalid"},
		{"POST", account + "/passes", `{"scrub":true}`, 200, ""},
		{"POST", account + "/passes", strings.Repeat(" ", maxBody), 413, "body-too-large"},
		{"PUT", account + "/pause", "", 400, "request"},
		{"PUT", account + "/pause", `{"paused":true,"seconds":60}`, 501, "not-offered"},
		{"PATCH", contact, "", 400, "request"},
		{"PATCH", contact, `{"hidden":true}`, 204, ""},
		{"POST", contact + "/deletions", "", 400, "request"},
		{"POST", contact + "/deletions", `{"hashes":["0x12"]}`, 422, "invalid"},
		{"POST", contact + "/deletions", `{"from":-1}`, 422, "invalid"},
		{"POST", contact + "/deletions", `{"all":true}`, 200, ""},
		{"POST", account + "/forget", `{"confirm":"other"}`, 400, "request"},
		{"POST", account + "/messages", "", 415, "media-type"},
		{"GET", "/v1/accounts/nobody.eth/conversations", "", 404, "no-account"},
		{"GET", "/v1/accounts/nobody.eth", "", 404, "no-account"},
		{"POST", account + "/search", `{"text":"x"}`, 409, "search-off"},
		{"POST", account + "/logins/-", "", 501, "not-offered"},
		{"GET", account + "/logins", "", 200, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://agent"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var problem Error
		text, err := io.ReadAll(response.Body)
		if response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.status {
			t.Errorf("%s %s: %s, want %d: %s", c.method, c.path, response.Status, c.status, text)
		}
		if c.word == "" {
			continue
		}
		if err := json.Unmarshal(text, &problem); err != nil || problem.Type != problemType+c.word || problem.Status != c.status || problem.Text == "" || problem.Title == "" {
			t.Errorf("%s %s: %v, %s", c.method, c.path, err, text)
		}
		if got := response.Header.Get("Content-Type"); got != problemMedia {
			t.Errorf("%s %s: %s", c.method, c.path, got)
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
