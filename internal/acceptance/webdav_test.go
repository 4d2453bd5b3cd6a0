package acceptance

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	dav "golang.org/x/net/webdav"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// collections are the WebDAV servers that the environment names, else one in this process, which is the one with the worst
// habits.
func collections() (all []constructor) {
	for _, server := range []struct{ name, variable string }{
		{"apache", "DM3SYNC_TEST_APACHE"}, {"nginx", "DM3SYNC_TEST_NGINX"}, {"lighttpd", "DM3SYNC_TEST_LIGHTTPD"},
	} {
		if address := os.Getenv(server.variable); address != "" {
			all = append(all, func(t *testing.T, between func(http.Handler) http.Handler) place {
				return newCollection(t, server.name, address, forward(t, address), between)
			})
		}
	}
	if len(all) > 0 {
		return all
	}
	return []constructor{func(t *testing.T, between func(http.Handler) http.Handler) place {
		if servertest.Required() {
			t.Fatal("no WebDAV server is named, but DM3SYNC_REQUIRE_SERVERS is set")
		}
		handler := &dav.Handler{FileSystem: dav.Dir(t.TempDir()), LockSystem: dav.NewMemLS()}
		return newCollection(t, "webdav", serve(t, handler), handler, between)
	}}
}

// newCollection makes an empty collection at a server.
func newCollection(t *testing.T, name, address string, handler http.Handler, between func(http.Handler) http.Handler) place {
	t.Helper()
	if between != nil {
		base, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		address = serve(t, between(handler)) + base.Path
	}
	options := &webdav.Options{URL: fmt.Sprintf("%s/acceptance/%d-%d", address, os.Getpid(), time.Now().UnixNano()), Username: testKey, Secret: testSecret}
	if err := webdav.Create(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	return place{name: name, store: func(t *testing.T) providers.Store {
		store, err := webdav.New(options)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}
