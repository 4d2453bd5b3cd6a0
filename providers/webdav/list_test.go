package webdav_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// TestWholeListing: everything is found, whatever else lies there; leaving the loop, a cancelled context and a collection
// that can't be read end it.
func TestWholeListing(t *testing.T) {
	const containers = 60
	folder := t.TempDir()
	var locked atomic.Value
	locked.Store("none")
	inside := handler(folder, nil)
	store := place(t, &webdav.Options{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Depth") == "infinity" {
			t.Errorf("%s %s of infinite depth", r.Method, r.URL)
		}
		if r.Method == "PROPFIND" && strings.HasSuffix(r.URL.Path, locked.Load().(string)) {
			w.WriteHeader(http.StatusLocked)
			return
		}
		inside.ServeHTTP(w, r)
	}))})
	for i := range containers {
		if err := store.Put(t.Context(), fmt.Sprintf("0x%02x/state", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	foreign := []string{"note.txt", "00/note.o.txt", "00/0x99.d/wrong-spread.o", "zz/x.o", "Urlaub/Bild 1.o", ".hidden/x.o", "00/.x.d/y.o"}
	for _, name := range foreign {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if found := listed(t, store, ""); len(found) != containers {
		t.Errorf("%d objects: %v", len(found), found)
	}
	if found := listed(t, store, "0x1"); len(found) != 16 {
		t.Errorf("%d objects: %v", len(found), found)
	}
	seen := 0
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), object.Name); err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	if found := listed(t, store, ""); len(found) != containers-3 {
		t.Errorf("%d objects after leaving the loop", len(found))
	}
	var failure error
	for range 20 { // an end must not look like the end
		ctx, cancel := context.WithCancel(t.Context())
		for _, err := range store.List(ctx, "") {
			cancel()
			failure = err
		}
		cancel()
		if !errors.Is(failure, context.Canceled) {
			t.Fatalf("cancelled: %v", failure)
		}
	}
	locked.Store("/0x3b.d/")
	for _, err := range store.List(t.Context(), "") {
		failure = err
	}
	wantError(t, "one container locked", failure, providers.ErrTransient)
}

// TestClosedConnections: a server that closes kept connections at any time costs a second try at most.
func TestClosedConnections(t *testing.T) {
	server := httptest.NewServer(handler(t.TempDir(), nil))
	defer server.Close()
	store := providers.Retry(place(t, &webdav.Options{URL: server.URL}), &providers.RetryOptions{
		Attempts: 2, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	for i := range 30 {
		server.CloseClientConnections()
		if err := store.Put(t.Context(), "a/1", make([]byte, 10_000*i)); err != nil {
			t.Error(err)
		}
		server.CloseClientConnections()
		if found := listed(t, store, "a/"); len(found) != 1 {
			t.Error(found)
		}
	}
}

// TestSpace: what servers say about room, and what they leave open.
func TestSpace(t *testing.T) {
	for properties, want := range map[string]providers.Space{
		"<quota-used-bytes>10</quota-used-bytes><quota-available-bytes>90</quota-available-bytes>":                  {Used: 10, Total: 100},
		"<quota-used-bytes>10</quota-used-bytes><quota-available-bytes>-3</quota-available-bytes>":                  {Used: 10, Total: -1}, // Nextcloud: no limit
		"<quota-used-bytes>10</quota-used-bytes>":                                                                   {Used: 10, Total: -1},
		"<quota-available-bytes>90</quota-available-bytes>":                                                         {Used: -1, Total: -1},
		"<quota-used-bytes>x</quota-used-bytes><quota-available-bytes>9223372036854775807</quota-available-bytes>":  {Used: -1, Total: -1},
		"<quota-used-bytes>10</quota-used-bytes><quota-available-bytes>9223372036854775807</quota-available-bytes>": {Used: 10, Total: -1},
		"": {Used: -1, Total: -1},
	} {
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "PROPFIND" || r.Header.Get("Depth") != "0" {
				t.Errorf("%s of depth %s", r.Method, r.Header.Get("Depth"))
			}
			w.WriteHeader(http.StatusMultiStatus)
			fmt.Fprintf(w, `<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop>%s</prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`, properties)
		}))
		if space, err := newStore(t, &webdav.Options{URL: address}).Space(t.Context()); err != nil || space != want {
			t.Errorf("%s: %+v %v", properties, space, err)
		}
	}
}
