package s3_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/s3"
)

// FuzzAnswers: whatever a server answers, nothing breaks, only NoSuchKey is "not found", and only valid names are listed.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte("<ListBucketResult><Contents><Key>a/../b</Key><Size>-1</Size></Contents></ListBucketResult>"))
	f.Add(200, []byte("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"))
	f.Add(200, []byte("<DeleteResult><Error><Key>a/1</Key></Error></DeleteResult>"))
	f.Add(206, []byte("x"))
	f.Add(404, []byte("<Error><Code>NoSuchKey</Code></Error>"))
	f.Add(404, []byte("<html>not found</html>"))
	f.Add(416, []byte(""))
	f.Add(503, []byte("<Error><Code>SlowDown</Code>"))
	var mutex sync.Mutex
	var status int
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		w.WriteHeader(status)
		w.Write(body)
	}))
	f.Cleanup(server.Close)
	store, err := s3.New(f.Context(), "bucket", options(server.URL))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { store.Close() })
	f.Fuzz(func(t *testing.T, code int, answer []byte) {
		if code < 200 || code > 599 {
			return
		}
		mutex.Lock()
		status, body = code, answer
		mutex.Unlock()
		definite := code == 404 && bytes.Contains(bytes.ToLower(answer), []byte("nosuchkey"))
		_, got := store.Get(t.Context(), "a/1")
		part, ranged := store.GetRange(t.Context(), "a/1", 0, 4)
		if len(part) > 4 {
			t.Errorf("a range of %d bytes", len(part))
		}
		for _, err := range []error{got, ranged, store.Put(t.Context(), "a/1", nil), store.Delete(t.Context(), "a/1", "a/2")} {
			if errors.Is(err, providers.ErrNotFound) && !definite {
				t.Errorf("status %d, %q: %v", code, answer, err)
			}
		}
		for object, err := range store.List(t.Context(), "") {
			if err == nil && providers.ValidateName(object.Name) != nil || errors.Is(err, providers.ErrNotFound) {
				t.Errorf("listed %q, %v", object.Name, err)
			}
		}
	})
}
