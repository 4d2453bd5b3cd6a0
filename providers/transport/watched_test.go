package transport_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
)

// TestWatched: a server that says nothing, or stops in the middle of its answer, is given up, with the reason; one that answers is not disturbed.
func TestWatched(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/well" {
			_, err := io.Copy(w, r.Body)
			if err != nil {
				t.Error(err)
			}
			return
		}
		if r.URL.Path == "/middle" {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
		}
		<-over
	}))
	defer server.Close()
	defer close(over)
	ask := func(path string, stall time.Duration) (text string, err error) {
		base := &http.Transport{}
		defer base.CloseIdleConnections()
		client := &http.Client{Transport: transport.Watched(base, stall)}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader("sent"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		return string(data), err
	}
	if text, err := ask("/well", time.Hour); text != "sent" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	for _, path := range []string{"/silent", "/middle"} {
		if _, err := ask(path, 50*time.Millisecond); !errors.Is(err, transport.ErrStalled) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
