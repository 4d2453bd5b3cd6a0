package webdav_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/providers/webdav"
	xwebdav "golang.org/x/net/webdav"
)

// What the servers that the environment names want to hear.
const (
	testUser    = "testkey"
	testSecret  = "testsecret"
	testEncoded = "dGVzdGtleTp0ZXN0c2VjcmV0" // both, as basic sends them
)

// writers is how many calls at once the conformance suite makes.
const writers = 16

// handler is a WebDAV server in this process, on a folder. Between is called for every request.
func handler(folder string, between func(*http.Request)) http.Handler {
	server := &xwebdav.Handler{FileSystem: xwebdav.Dir(folder), LockSystem: xwebdav.NewMemLS()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if between != nil {
			between(r)
		}
		server.ServeHTTP(w, r)
	})
}

func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func newStore(t testing.TB, o *webdav.Options) *webdav.Store {
	t.Helper()
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	store, err := webdav.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// place makes a base collection and a store on it.
func place(t testing.TB, o *webdav.Options) *webdav.Store {
	t.Helper()
	if err := webdav.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return newStore(t, o)
}

// requests counts what a server is asked for, by method.
type requests struct {
	mutex sync.Mutex
	seen  []string
}

func (r *requests) add(request *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.seen = append(r.seen, request.Method)
}

// take returns the methods since the last call.
func (r *requests) take() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

func (r *requests) want(t *testing.T, what string, methods ...string) {
	t.Helper()
	if seen := r.take(); !slices.Equal(seen, methods) {
		t.Errorf("%s: requests %v, want %v", what, seen, methods)
	}
}

func TestConformance(t *testing.T) {
	for _, path := range []string{"", "/some folder/ünder"} {
		address := serve(t, handler(t.TempDir(), nil)) + strings.NewReplacer(" ", "%20", "ü", "%C3%BC").Replace(path)
		t.Run("path="+path, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providers.Store {
				return place(t, &webdav.Options{URL: address, Parallel: writers})
			})
		})
	}
}

// server is one of the real servers that the environment may name.
type server struct {
	variable string
	auth     string
}

// servers are what the tests of real servers run on: between them they want every login that servers know by themselves.
func servers() []server {
	return []server{
		{"DM3SYNC_TEST_APACHE", webdav.AuthAuto}, // asks for digest
		{"DM3SYNC_TEST_NGINX", webdav.AuthAuto},  // asks for basic
		{"DM3SYNC_TEST_LIGHTTPD", webdav.AuthDigest},
	}
}

// options returns a new collection at a real server, or skips the test.
func (s server) options(t *testing.T) *webdav.Options {
	t.Helper()
	address := servertest.Named(t, s.variable)
	path := fmt.Sprintf("/test %d/%d", os.Getpid(), time.Now().UnixNano())
	return &webdav.Options{
		URL: address + strings.ReplaceAll(path, " ", "%20"), Auth: s.auth, Username: testUser, Secret: testSecret, Parallel: writers,
	}
}

// TestConformanceServers runs the suite on real servers, whose addresses the environment gives.
func TestConformanceServers(t *testing.T) {
	for _, server := range servers() {
		t.Run(server.variable, func(t *testing.T) {
			o := server.options(t)
			providertest.Run(t, func(t *testing.T) providers.Store { return place(t, o) })
		})
	}
}

// TestRequests: what each call costs, and that a collection that somebody removed is made again.
func TestRequests(t *testing.T) {
	folder, seen := t.TempDir(), &requests{}
	o := &webdav.Options{URL: serve(t, handler(folder, seen.add)) + "/dm3"}
	store := place(t, o)
	seen.take()
	put := func(what string, methods ...string) {
		t.Helper()
		if err := store.Put(t.Context(), "0xabc/1", []byte("x")); err != nil {
			t.Fatal(err)
		}
		seen.want(t, what, methods...)
	}
	list := func(what string, want int, methods ...string) {
		t.Helper()
		if found := listed(t, store, "0xabc/"); len(found) != want {
			t.Errorf("%s: %v", what, found)
		}
		seen.want(t, what, methods...)
	}
	list("no container", 0, "PROPFIND", "GET") // the marker: is it the container, or the place?
	put("first of all", "MKCOL", "GET", "MKCOL", "MKCOL", "PUT")
	put("known container", "PUT")
	list("one container", 1, "PROPFIND")
	store = newStore(t, o)
	put("new process", "MKCOL", "PUT")
	store = newStore(t, o)
	list("idle", 1, "PROPFIND")
	put("listed container", "PUT")
	containers, err := filepath.Glob(filepath.Join(folder, "dm3", "??", "0xabc.d"))
	if err != nil || len(containers) != 1 {
		t.Fatalf("%v %v", containers, err)
	}
	if err := os.RemoveAll(filepath.Dir(containers[0])); err != nil {
		t.Fatal(err)
	}
	put("removed meanwhile", "PUT", "MKCOL", "GET", "MKCOL", "MKCOL", "PUT")
	if err := store.Delete(t.Context(), "0xabc/1"); err != nil {
		t.Fatal(err)
	}
	seen.want(t, "delete", "DELETE")
	if _, err := store.Get(t.Context(), "0xabc/1"); err == nil {
		t.Error("still there")
	}
	seen.want(t, "absent", "GET", "GET")
	if _, err := store.Space(t.Context()); err != nil {
		t.Error(err)
	}
	seen.want(t, "space", "PROPFIND")
}

// TestRemovedServers: real servers answer in several ways when collections are missing. A put makes them again, but never
// the base collection: that may be a share that went away.
func TestRemovedServers(t *testing.T) {
	for _, server := range servers() {
		t.Run(server.variable, func(t *testing.T) {
			store := place(t, server.options(t))
			for above := range 2 {
				for range 2 {
					if err := store.Put(t.Context(), "0xabc/inner/1", []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				if err := webdav.RemoveFolder(t.Context(), store, "0xabc/1", above); err != nil {
					t.Fatal(err)
				}
				_, err := store.Get(t.Context(), "0xabc/inner/1")
				wantError(t, "removed", err, providers.ErrNotFound)
				if found := listed(t, store, "0xabc/"); len(found) != 0 {
					t.Errorf("found %v", found)
				}
			}
			if err := store.Put(t.Context(), "0xabc/1", []byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := webdav.RemoveFolder(t.Context(), store, "0xabc/1", 2); err != nil {
				t.Fatal(err)
			}
			operations(t, store, func(operation string, err error) {
				wantError(t, operation, err, providers.ErrTransient)
				if !errors.Is(err, webdav.ErrNoCollection) {
					t.Errorf("%s: %v", operation, err)
				}
			})
		})
	}
}

// TestTwoWritersServers: two processes that start at once, and both make the same collections.
func TestTwoWritersServers(t *testing.T) {
	for _, server := range servers() {
		t.Run(server.variable, func(t *testing.T) {
			o := server.options(t)
			stores := []*webdav.Store{place(t, o), newStore(t, o)}
			var group sync.WaitGroup
			for i := range writers {
				group.Go(func() {
					for round := range 5 {
						if err := stores[i%2].Put(t.Context(), fmt.Sprintf("0x%d/inner/%d", round, i), []byte("x")); err != nil {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			if found := listed(t, stores[0], ""); len(found) != 5*writers {
				t.Errorf("%d of %d objects", len(found), 5*writers)
			}
		})
	}
}

func listed(t *testing.T, store providers.Store, prefix string) []string {
	t.Helper()
	found := []string{}
	for object, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, object.Name)
	}
	slices.Sort(found)
	return found
}

// TestParallel: calls of one store don't wait for each other, although each has a client of its own.
func TestParallel(t *testing.T) {
	var together sync.WaitGroup
	together.Add(writers)
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait()
		w.Write([]byte("x"))
	}))
	store := newStore(t, &webdav.Options{URL: address, Parallel: writers})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var readers sync.WaitGroup
	for range writers {
		readers.Go(func() {
			if _, err := store.Get(ctx, "a/1"); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
}

var (
	_ providers.Store  = (*webdav.Store)(nil)
	_ providers.Spacer = (*webdav.Store)(nil)
)
