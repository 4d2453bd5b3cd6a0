package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
)

// feedBackend has a feed that stays.
type feedBackend struct {
	fakeBackend
	log *activity.Log
}

func (b feedBackend) Activity() *activity.Log { return b.log }

// listen opens a stream and returns its lines.
func listen(t *testing.T, server *httptest.Server, path string, last string) (next func() string, cut func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != eventsMedia {
		t.Fatalf("%s %v", response.Status, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	return func() string {
		t.Helper()
		for lines.Scan() {
			if text := lines.Text(); text != "" {
				return text
			}
		}
		t.Fatal("the stream ended:", lines.Err())
		return ""
	}, cancel
}

func newFeed(t *testing.T, size int, o Options) (*httptest.Server, *activity.Log) {
	t.Helper()
	log := activity.New(size, time.Now)
	server := httptest.NewServer(NewHandler(feedBackend{fakeBackend{"": &fakeAccount{}}, log}, o))
	t.Cleanup(server.Close)
	return server, log
}

// TestEventsResume: a client that comes back goes on where it was, and is told when that is not possible.
func TestEventsResume(t *testing.T) {
	server, log := newFeed(t, 3, Options{})
	log.Note(activity.Event{Kind: activity.KindStatus, Text: "before"})
	start := log.Last()
	next, cut := listen(t, server, "/v1/events", "")
	if got := next(); got != fmt.Sprintf("id: %d", start) || next() != "event: ready" || next() != "data: {}" {
		t.Error(got)
	}
	log.Note(activity.Event{Kind: activity.KindMessages, Account: "alice.eth", Contact: "bob\n\ndata: forged", Text: "one"})
	if id, kind, data := next(), next(), next(); id != fmt.Sprintf("id: %d", start+1) || kind != "event: messages" || !strings.Contains(data, `"contact":"bob\n\ndata: forged"`) {
		t.Error(id, kind, data)
	}
	cut()
	log.Note(activity.Event{Kind: activity.KindStatus, Account: "alice.eth", Text: "two"})
	for _, path := range []string{"/v1/events", "/v1/accounts/-/events", fmt.Sprintf("/v1/accounts/alice.eth/events?after=%d", start+1)} {
		last := fmt.Sprint(start + 1)
		if strings.Contains(path, "after") {
			last = ""
		}
		next, _ = listen(t, server, path, last)
		for range 3 {
			next()
		}
		if id, _, data := next(), next(), next(); id != fmt.Sprintf("id: %d", start+2) || !strings.Contains(data, "two") {
			t.Error(path, id, data)
		}
	}
	for i := range 5 {
		log.Note(activity.Event{Kind: activity.KindStatus, Text: fmt.Sprint("more ", i)})
	}
	next, _ = listen(t, server, "/v1/events", fmt.Sprint(start))
	for range 3 {
		next()
	}
	if id, kind := next(), next(); id != fmt.Sprintf("id: %d", log.Last()-3) || kind != "event: missed" {
		t.Error(id, kind)
	}
	next()
	if id, _, data := next(), next(), next(); id != fmt.Sprintf("id: %d", log.Last()-2) || !strings.Contains(data, "more 2") {
		t.Error(id, data)
	}
}

func TestEventsKeepAwake(t *testing.T) {
	server, _ := newFeed(t, 3, Options{Heartbeat: time.Millisecond})
	next, _ := listen(t, server, "/v1/events", "")
	for range 3 {
		next()
	}
	for range 2 {
		if got := next(); got != ": still here" {
			t.Error(got)
		}
	}
}

// TestEventsAreLimited: streams beyond the limit are refused with the time to wait, and each that ends makes room.
func TestEventsAreLimited(t *testing.T) {
	server, _ := newFeed(t, 3, Options{Streams: 2, Heartbeat: time.Millisecond})
	_, cut := listen(t, server, "/v1/events", "")
	listen(t, server, "/v1/accounts/alice.eth/events", "")
	ask := func() (int, string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode, response.Header.Get("Retry-After")
	}
	if status, wait := ask(); status != http.StatusTooManyRequests || wait == "" {
		t.Error(status, wait)
	}
	cut()
	for status, _ := ask(); status != http.StatusOK; status, _ = ask() { // until the server sees that one left
		if status != http.StatusTooManyRequests {
			t.Fatal(status)
		}
	}
}
