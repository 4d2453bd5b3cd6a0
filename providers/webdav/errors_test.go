package webdav_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/faulttest"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// wantError wants exactly one sentinel, or with nil a permanent error that matches none; and no secret in the text.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	faulttest.WantError(t, what, err, want, testSecret, testEncoded)
}

// operations makes each call once.
func operations(t *testing.T, store *webdav.Store, report func(operation string, err error)) {
	t.Helper()
	report("put", store.Put(t.Context(), "a/1", []byte("x")))
	_, err := store.Get(t.Context(), "a/1")
	report("get", err)
	_, err = store.GetRange(t.Context(), "a/1", 0, 10)
	report("range", err)
	for _, prefix := range []string{"a/", ""} {
		err = nil
		for _, err = range store.List(t.Context(), prefix) {
		}
		report("list "+prefix, err)
	}
	report("delete", store.Delete(t.Context(), "a/1"))
	_, err = store.Space(t.Context())
	report("space", err)
}

func login(address string) *webdav.Options {
	return &webdav.Options{URL: address, Auth: webdav.AuthBasic, Username: testUser, Secret: testSecret}
}

func answer(status int, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			io.WriteString(w, "<html><body>"+http.StatusText(status)+"</body></html>")
		}
	})
}

func TestErrorAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		header []string
		want   error
		wait   time.Duration
	}{
		{status: 401, want: providers.ErrUnauthorised},
		{status: 403, want: providers.ErrUnauthorised},
		{status: 407, want: providers.ErrUnauthorised},
		{status: 404, want: providers.ErrTransient}, // the place itself is missing
		{status: 410, want: providers.ErrTransient},
		{status: 408, want: providers.ErrTransient},
		{status: 409, want: providers.ErrTransient},
		{status: 413, want: providers.ErrTooLarge},
		{status: 423, want: providers.ErrTransient},
		{status: 425, want: providers.ErrTransient},
		{status: 429, want: providers.ErrRateLimited},
		{status: 429, header: []string{"Retry-After", "7"}, want: providers.ErrRateLimited, wait: 7 * time.Second},
		{status: 503, want: providers.ErrTransient},
		{status: 503, header: []string{"Retry-After", "120"}, want: providers.ErrRateLimited, wait: 2 * time.Minute},
		{status: 500, want: providers.ErrTransient},
		{status: 502, want: providers.ErrTransient},
		{status: 504, want: providers.ErrTransient},
		{status: 507, want: providers.ErrQuota},
		{status: 400},
		{status: 405},
		{status: 501},
		{status: 303, header: []string{"Location", "/a"}},
		{status: 206, header: []string{"Content-Encoding", "gzip"}},
		// What follows is never WebDAV, whatever it says.
		{status: 200, want: providers.ErrTransient},
		{status: 200, header: []string{"Content-Type", "text/html"}, want: providers.ErrTransient},
	} {
		store := newStore(t, login(serve(t, answer(c.status, c.header...))))
		operations(t, store, func(operation string, err error) {
			what := fmt.Sprint(c.status, " ", c.header, " ", operation)
			if c.status == 200 && (operation == "delete" || operation == "put") && c.header == nil {
				return // an answer that some servers give
			}
			if c.status == 200 && operation == "delete" {
				return
			}
			wantError(t, what, err, c.want)
			var limit *providers.RateLimitError
			if c.wait > 0 && (!errors.As(err, &limit) || limit.Wait != c.wait) {
				t.Errorf("%s: wait lost in %v", what, err)
			}
			if c.status == 404 && !errors.Is(err, webdav.ErrNoCollection) {
				t.Errorf("%s: not told what is missing: %v", what, err)
			}
		})
	}
}

// TestAbsence: a missing base collection, or one without the marker, is no empty place; a missing object or container is.
func TestAbsence(t *testing.T) {
	o := &webdav.Options{URL: serve(t, handler(t.TempDir(), nil)) + "/share/dm3"}
	store := newStore(t, o)
	operations(t, store, func(operation string, err error) {
		wantError(t, operation, err, providers.ErrTransient)
		if !errors.Is(err, webdav.ErrNoCollection) {
			t.Errorf("%s: %v", operation, err)
		}
	})
	for range 2 { // it may be repeated
		if err := webdav.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	_, err := store.Get(t.Context(), "a/1")
	wantError(t, "absent object", err, providers.ErrNotFound)
	_, err = store.GetRange(t.Context(), "a/1", 0, 1)
	wantError(t, "absent object's range", err, providers.ErrNotFound)
	if found := listed(t, store, "a/"); len(found) != 0 {
		t.Error(found)
	}
	if found := listed(t, store, ""); len(found) != 0 {
		t.Error(found)
	}
	if err := store.Delete(t.Context(), "a/1"); err != nil {
		t.Error(err)
	}
	// A base collection that is there, and holds something else: the mount point of another share.
	above := newStore(t, &webdav.Options{URL: strings.TrimSuffix(o.URL, "/dm3")})
	for _, err := range above.List(t.Context(), "") {
		wantError(t, "no marker", err, providers.ErrTransient)
	}
	_, err = above.Get(t.Context(), "a/1")
	wantError(t, "no marker", err, providers.ErrTransient)
}

// TestForbiddenCollections: where collections can't be made the login is what lacks, unless they are there already.
func TestForbiddenCollections(t *testing.T) {
	inside := handler(t.TempDir(), nil)
	var forbidden atomic.Bool
	o := login(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "MKCOL" && forbidden.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		inside.ServeHTTP(w, r)
	})))
	if err := place(t, o).Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	forbidden.Store(true)
	store := newStore(t, o)
	if err := store.Put(t.Context(), "a/2", []byte("x")); err != nil {
		t.Error(err)
	}
	wantError(t, "a new container", store.Put(t.Context(), "b/1", []byte("x")), providers.ErrUnauthorised)
}

// TestPutsWithoutCollection: a server that says of each new file that there is nothing above it, although it has just made that,
// is asked again later: its parts know of each other's collections after a while, or somebody removes them.
func TestPutsWithoutCollection(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone, http.StatusConflict} {
		inside := handler(t.TempDir(), nil)
		var behind atomic.Bool
		o := login(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && behind.Load() {
				w.WriteHeader(status)
				return
			}
			inside.ServeHTTP(w, r)
		})))
		store := place(t, o)
		if err := store.Put(t.Context(), "known/1", []byte("x")); err != nil {
			t.Fatal(err)
		}
		behind.Store(true)
		for _, name := range []string{"known/2", "new/1"} {
			wantError(t, fmt.Sprint(status, " ", name), store.Put(t.Context(), name, []byte("x")), providers.ErrTransient)
		}
		behind.Store(false)
		if err := store.Put(t.Context(), "new/1", []byte("x")); err != nil {
			t.Error(err)
		}
	}
}

// TestMarkerThatCannotBeRead: Create writes the marker where there is none, and leaves alone what it could not read.
func TestMarkerThatCannotBeRead(t *testing.T) {
	for what, c := range map[string]struct {
		header []string
		body   string
		want   error
	}{
		"cut off":    {[]string{"Content-Length", "100"}, "dm3sync", providers.ErrTransient},
		"a page":     {[]string{"Content-Type", "text/html"}, "<!DOCTYPE html><title>mine</title>", providers.ErrTransient},
		"compressed": {[]string{"Content-Encoding", "gzip"}, "dm3sync", nil},
	} {
		inside := handler(t.TempDir(), nil)
		err := webdav.Create(t.Context(), login(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodPut:
				t.Errorf("%s: it is replaced", what)
			case http.MethodGet:
				w.Header().Set(c.header[0], c.header[1])
				io.WriteString(w, c.body)
				return
			}
			inside.ServeHTTP(w, r)
		}))))
		wantError(t, what, err, c.want)
	}
}

func TestUnreachable(t *testing.T) {
	operations(t, newStore(t, login("http://127.0.0.1:1")), func(operation string, err error) {
		wantError(t, "refused, "+operation, err, providers.ErrTransient)
	})
	cut := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			connection.Close()
		}
	}))
	operations(t, newStore(t, login(cut)), func(operation string, err error) {
		wantError(t, "cut, "+operation, err, providers.ErrTransient)
	})
}

// TestStall: a server that stops in the middle is given up, wherever it stops, and one that is slow is not.
func TestStall(t *testing.T) {
	t.Parallel()
	var store *webdav.Store
	faulttest.Stall(t, func(address string, stall time.Duration) providers.Store {
		o := login(address)
		o.Stall = stall
		store = newStore(t, o)
		return store
	}, func(report func(operation string, err error)) { operations(t, store, report) })
}

// TestCancel: a call that the server doesn't answer ends with its context, though gowebdav knows none.
func TestCancel(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 10)
	address := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer close(release)
	store := newStore(t, login(address))
	for name, call := range map[string]func(context.Context) error{
		"put":    func(ctx context.Context) error { return store.Put(ctx, "a/1", []byte("x")) },
		"get":    func(ctx context.Context) error { _, err := store.Get(ctx, "a/1"); return err },
		"delete": func(ctx context.Context) error { return store.Delete(ctx, "a/1", "a/2") },
		"list": func(ctx context.Context) (err error) {
			for _, err = range store.List(ctx, "a/") {
			}
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		if err := call(ctx); !errors.Is(err, context.Canceled) || providers.Retriable(err) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// TestBadBodies: a short body, one that is too long, announced or not, a web page, a wrong range, and no ranges at all.
func TestBadBodies(t *testing.T) {
	type reply struct{ length, kind, contentRange, body string }
	var current atomic.Pointer[reply]
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := current.Load()
		if r.kind != "" {
			w.Header().Set("Content-Type", r.kind)
		}
		if r.length != "" {
			w.Header().Set("Content-Length", r.length)
		}
		if r.contentRange != "" {
			w.Header().Set("Content-Range", r.contentRange)
			w.WriteHeader(http.StatusPartialContent)
		}
		if r.length == "" {
			http.NewResponseController(w).Flush() // chunked
		}
		io.WriteString(w, r.body)
	}))
	store := newStore(t, &webdav.Options{URL: address, MaxObject: 1000})
	for _, c := range []struct {
		reply reply
		want  error
	}{
		{reply{length: "10", body: "12345"}, providers.ErrTransient},
		{reply{length: "1001", body: strings.Repeat("x", 1001)}, providers.ErrTooLarge},
		{reply{body: strings.Repeat("x", 1001)}, providers.ErrTooLarge},
		{reply{body: strings.Repeat("x", 100_000)}, providers.ErrTooLarge},
		{reply{kind: "text/html", body: "<!DOCTYPE html><title>Log in</title>"}, providers.ErrTransient},
		{reply{kind: "application/octet-stream", body: "\n <html><body>Log in"}, providers.ErrTransient},
	} {
		current.Store(&c.reply)
		_, err := store.Get(t.Context(), "a/1")
		wantError(t, fmt.Sprintf("%.60v", c.reply), err, c.want)
		_, err = store.GetRange(t.Context(), "a/1", 2, 2000)
		wantError(t, fmt.Sprintf("%.60v, range", c.reply), err, c.want)
	}
	current.Store(&reply{body: "0123456789"})
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, 10, "0123456789"}, {2, 3, "234"}, {8, 5, "89"}, {10, 1, ""}, {50, 1, ""}} {
		if data, err := store.GetRange(t.Context(), "a/1", c.offset, c.length); err != nil || string(data) != c.want {
			t.Errorf("ignored range of %d from %d: %q %v", c.length, c.offset, data, err)
		}
	}
	for _, header := range []string{"bytes 0-2/10", "bytes 2-3/10", "bytes 2-5/10", "bytes 2-4", "bytes */10", "pages 2-4/10", "bytes 4-2/10"} {
		current.Store(&reply{length: "3", contentRange: header, body: "234"})
		_, err := store.GetRange(t.Context(), "a/1", 2, 3)
		wantError(t, header, err, providers.ErrTransient)
	}
	current.Store(&reply{length: "3", contentRange: "bytes 2-4/10", body: "234"})
	if data, err := store.GetRange(t.Context(), "a/1", 2, 3); err != nil || string(data) != "234" {
		t.Errorf("%q %v", data, err)
	}
	_, err := store.GetRange(t.Context(), "a/1", 2, 5)
	wantError(t, "a range that ends early", err, providers.ErrTransient)
}

// TestLengths: every put says how long it is, an empty one too; nothing is sent in chunks, compressed or on conditions.
func TestLengths(t *testing.T) {
	var puts atomic.Int32
	store := place(t, &webdav.Options{URL: serve(t, handler(t.TempDir(), func(r *http.Request) {
		if len(r.TransferEncoding) > 0 || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Expect") != "" ||
			r.Header.Get("If-Match")+r.Header.Get("If-None-Match")+r.Header.Get("If") != "" {
			t.Errorf("%s: %v %v", r.Method, r.TransferEncoding, r.Header)
		}
		if r.Method == http.MethodPut {
			puts.Add(1)
			if r.Header.Get("Content-Length") == "" {
				t.Error("a put without a length")
			}
		}
	})) + "/base"})
	for i, size := range []int{0, 10, 3 << 20} {
		if err := store.Put(t.Context(), fmt.Sprintf("a/%d", i), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if puts.Load() != 4 { // and the marker
		t.Errorf("%d puts seen", puts.Load())
	}
}

// TestCreateElsewhere: a server that has nothing at any address is none of WebDAV's, and the error says what to look at.
func TestCreateElsewhere(t *testing.T) {
	err := webdav.Create(t.Context(), login(serve(t, answer(http.StatusNotFound))+"/a/b"))
	if wantError(t, "create", err, providers.ErrTransient); !strings.Contains(fmt.Sprint(err), "a wrong url") {
		t.Error(err)
	}
}
