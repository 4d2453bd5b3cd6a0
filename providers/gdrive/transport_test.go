package gdrive_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
)

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestProxy(t *testing.T) {
	server := start(t)
	var asked atomic.Value
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Host + " " + r.Header.Get("Proxy-Authorization"))
		server.ServeHTTP(w, r)
	}))
	o := options(server)
	o.Endpoint = "http://drive.invalid:9000/"
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("user", "secretword")
	o.Proxy = address.String()
	store := open(t, o)
	put(t, store, "a/1")
	if err := store.Put(t.Context(), "a/2", make([]byte, 6<<20)); err != nil { // its address is Google's: never followed there
		t.Fatal(err)
	}
	if asked.Load() != "drive.invalid:9000 Basic dXNlcjpzZWNyZXR3b3Jk" {
		t.Errorf("the proxy was asked for %v", asked.Load())
	}
}

func TestCustomAuthority(t *testing.T) {
	double := start(t)
	server := httptest.NewUnstartedServer(double)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that does not trust it
	server.StartTLS()
	defer server.Close()
	o := options(double)
	o.Endpoint = server.URL
	if err := gdrive.Create(t.Context(), o); err == nil || providers.Retriable(err) {
		t.Errorf("an unknown authority: %v", err)
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(o.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, o), "a/1")
}

// TestUnreachable: nobody listens, or the connection stands still, or breaks.
func TestUnreachable(t *testing.T) {
	release := make(chan struct{})
	still := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer close(release)
	half := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte(`{"kind":`))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	for what, endpoint := range map[string]string{"nobody": "http://127.0.0.1:1", "still": still, "half an answer": half} {
		o := options(start(t))
		o.Endpoint, o.Stall = endpoint, 50*time.Millisecond
		operations(t, another(t, o), func(operation string, err error) { wantError(t, what+" "+operation, err, providers.ErrTransient) })
	}
}

// TestRedirects are not followed: the token is for one host.
func TestRedirects(t *testing.T) {
	other := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host is asked, with %q", r.Header.Get("Authorization"))
	}))
	o := options(start(t))
	o.Endpoint = serve(t, http.RedirectHandler(other, http.StatusTemporaryRedirect))
	operations(t, another(t, o), func(operation string, err error) { wantError(t, operation, err, nil) })
}

// TestEndlessAnswers: an answer that does not end fills no memory.
func TestEndlessAnswers(t *testing.T) {
	var sent atomic.Int64
	o := options(start(t))
	o.Endpoint = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte(`{"kind":"`)); err != nil {
			return
		}
		for piece := []byte(strings.Repeat("x", 1<<20)); sent.Load() < 1<<30; sent.Add(1 << 20) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	store := another(t, o)
	_, err := list(t.Context(), store, "a/")
	if err == nil || errors.Is(err, providers.ErrNotFound) || sent.Load() > 100<<20 {
		t.Errorf("after %d bytes: %v", sent.Load(), err)
	}
}

// TestCancelledInTheMidst: a context ends a call that waits for the server, for a token, or for another call.
func TestCancelledInTheMidst(t *testing.T) {
	release := make(chan struct{})
	server := start(t)
	o := options(server)
	store := open(t, o)
	put(t, store, "a/1")
	o.Tokens = blocking{release}
	waiting := another(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	failed := make(chan error, 3)
	for range cap(failed) {
		go func() { failed <- waiting.Put(ctx, "a/2", nil) }()
	}
	for range cap(failed) {
		if err := <-failed; !errors.Is(err, context.DeadlineExceeded) || providers.Retriable(err) {
			t.Errorf("%v", err)
		}
	}
	close(release)
}

// TestSilence: nothing secret is logged, whatever the environment asks of Google's library.
func TestSilence(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	var text strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = writer
	defer func() { os.Stderr = stderr }()
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	wantBytes(t, store, "a/1")
	names(t, store, "")
	os.Stderr = stderr
	writer.Close()
	printed, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range server.Secrets() {
		if strings.Contains(text.String(), secret) || strings.Contains(string(printed), secret) {
			t.Errorf("%s is logged", secret)
		}
	}
	if len(printed) > 0 {
		t.Errorf("printed: %s", printed)
	}
}

// TestGateway: Drive behind a gateway with a path of its own, which hands on the addresses of uploads as they are, or with
// its path before them.
func TestGateway(t *testing.T) {
	for name, rewrites := range map[string]bool{"addresses as they are": false, "addresses with its path": true} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			gateway := serve(t, http.StripPrefix("/gate/way", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := httptest.NewRecorder()
				server.ServeHTTP(answer, r)
				for key, values := range answer.Header() {
					w.Header()[key] = values
				}
				if address, err := url.Parse(w.Header().Get("Location")); err == nil && rewrites && address.Path != "" {
					address.Path = "/gate/way" + address.Path
					w.Header().Set("Location", address.String())
				}
				w.WriteHeader(answer.Code)
				if _, err := w.Write(answer.Body.Bytes()); err != nil {
					t.Error(err)
				}
			})))
			o := options(server)
			o.Endpoint = gateway + "/gate/way/"
			store := open(t, o)
			data := make([]byte, 6<<20)
			if err := store.Put(t.Context(), "a/1", data); err != nil {
				t.Fatal(err)
			}
			if got, err := store.Get(t.Context(), "a/1"); err != nil || len(got) != len(data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}
