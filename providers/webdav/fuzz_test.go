package webdav_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// FuzzAnswers: whatever a server answers to everything, nothing breaks, nothing is "not found" (the marker would be
// missing as well), and only valid names are listed.
func FuzzAnswers(f *testing.F) {
	f.Add(207, "text/xml", []byte(`<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop><resourcetype><collection/></resourcetype><quota-used-bytes>5</quota-used-bytes></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`))
	f.Add(207, "text/html", []byte("<html>"))
	f.Add(200, "text/html", []byte("<html>"))
	f.Add(206, "", []byte("x"))
	f.Add(301, "", []byte("/"))
	f.Add(401, "", []byte(`Digest realm="x",nonce=1,qop=auth, Basic`))
	f.Add(404, "", []byte("<html>not found</html>"))
	f.Add(416, "", []byte(""))
	f.Add(503, "", []byte("7"))
	var mutex sync.Mutex
	var status int
	var kind string
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		for _, header := range []string{"Location", "WWW-Authenticate", "Retry-After", "Content-Range"} {
			w.Header().Set(header, string(body))
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		w.Write(body)
	}))
	f.Cleanup(server.Close)
	store := newStore(f, &webdav.Options{URL: server.URL, Username: testUser, Secret: testSecret})
	f.Fuzz(func(t *testing.T, code int, contentType string, answer []byte) {
		if code < 200 || code > 599 {
			return
		}
		mutex.Lock()
		status, kind, body = code, contentType, answer
		mutex.Unlock()
		_, got := store.Get(t.Context(), "a/1")
		part, ranged := store.GetRange(t.Context(), "a/1", 0, 4)
		if len(part) > 4 {
			t.Errorf("a range of %d bytes", len(part))
		}
		_, room := store.Space(t.Context())
		for _, err := range []error{got, ranged, room, store.Put(t.Context(), "a/1", nil), store.Delete(t.Context(), "a/1", "a/2")} {
			if errors.Is(err, providers.ErrNotFound) {
				t.Errorf("status %d, %q: %v", code, answer, err)
			}
		}
		for _, prefix := range []string{"", "a/"} {
			for object, err := range store.List(t.Context(), prefix) {
				if err == nil && providers.ValidateName(object.Name) != nil || errors.Is(err, providers.ErrNotFound) {
					t.Errorf("listed %q, %v", object.Name, err)
				}
			}
		}
	})
}
