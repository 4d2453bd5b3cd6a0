package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/agent/agenttest"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const appendHere = "/v1/accounts/alice.eth/conversations/bob.eth/messages"

// post appends a body and returns the answer.
func post(t *testing.T, handler http.Handler, key string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, appendHere, body)
	request.Header.Set("Content-Type", "application/x-ndjson; charset=utf-8")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func summary(t *testing.T, recorder *httptest.ResponseRecorder) (s history.Summary) {
	t.Helper()
	if err := json.Unmarshal(recorder.Body.Bytes(), &s); recorder.Code != http.StatusOK || err != nil {
		t.Fatalf("%d %s", recorder.Code, recorder.Body)
	}
	return s
}

func countMessages(t *testing.T, b *agenttest.Backend) int {
	t.Helper()
	account, err := b.Account("")
	if err != nil {
		t.Fatal(err)
	}
	page, err := account.Messages(t.Context(), "bob.eth", engine.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Messages)
}

// TestAppendTwice: with a key, a retry is answered as the first time; without one, with another handler (after a restart)
// or when the key is forgotten, it is taken again. Every time, each message is there once.
func TestAppendTwice(t *testing.T) {
	b := agenttest.Open(t)
	clock := time.Unix(1_800_000_000, 0)
	options := api.Options{Now: func() time.Time { return clock }}
	handler := api.NewHandler(b, options)
	body := agenttest.Message("bob.eth", "one", 1000) + "\n" + agenttest.Message("bob.eth", "two", 2000) + "no message\n"
	first := post(t, handler, "key", strings.NewReader(body))
	want := summary(t, first)
	if want.Accepted != 2 || want.Rejected != 1 || first.Header().Get("Idempotency-Replayed") != "" {
		t.Fatalf("%+v %v", want, first.Header())
	}
	for what, again := range map[string]func() *httptest.ResponseRecorder{
		"with its key": func() *httptest.ResponseRecorder { return post(t, handler, "key", strings.NewReader(body)) },
		"without one":  func() *httptest.ResponseRecorder { return post(t, handler, "", strings.NewReader(body)) },
		"after a restart": func() *httptest.ResponseRecorder {
			return post(t, api.NewHandler(b, options), "key", strings.NewReader(body))
		},
	} {
		got := again()
		if s := summary(t, got); s.Accepted != want.Accepted || s.Rejected != want.Rejected || s.Conversations != want.Conversations {
			t.Errorf("%s: %+v, the first time %+v", what, s, want)
		}
		if replayed := got.Header().Get("Idempotency-Replayed"); (replayed == "true") != (what == "with its key") {
			t.Errorf("%s: replayed %q", what, replayed)
		}
		if n := countMessages(t, b); n != 2 {
			t.Errorf("%s: %d messages", what, n)
		}
	}
	if got := post(t, handler, "key", strings.NewReader(agenttest.Message("bob.eth", "three", 3000))); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "key-reused") {
		t.Errorf("another body: %d %s", got.Code, got.Body)
	}
	clock = clock.Add(25 * time.Hour)
	if got := post(t, handler, "key", strings.NewReader(agenttest.Message("bob.eth", "three", 3000))); got.Code != http.StatusOK || got.Header().Get("Idempotency-Replayed") != "" {
		t.Errorf("a key that is forgotten: %d %s", got.Code, got.Body)
	}
	if n := countMessages(t, b); n != 3 {
		t.Errorf("%d messages", n)
	}
}

// brokenBody ends in the middle.
type brokenBody struct{ text string }

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.text == "" {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}

// TestAppendThatBrokeOff: an append that failed says what was kept, is not remembered, and goes through when it is repeated.
func TestAppendThatBrokeOff(t *testing.T) {
	b := agenttest.Open(t)
	handler := api.NewHandler(b, api.Options{})
	const messages = 1000 // more than are kept together
	var all strings.Builder
	for i := range messages {
		all.WriteString(agenttest.Message("bob.eth", "text", int64(1000+i)))
	}
	broken := post(t, handler, "key", &brokenBody{all.String()[:all.Len()-20]})
	var problem api.Error
	if err := json.Unmarshal(broken.Body.Bytes(), &problem); err != nil || broken.Code != http.StatusBadRequest || problem.Summary == nil || problem.Summary.Accepted == 0 {
		t.Fatalf("%d %s", broken.Code, broken.Body)
	}
	if n := countMessages(t, b); n != problem.Summary.Accepted || n == messages {
		t.Errorf("%d messages, %d were called accepted", n, problem.Summary.Accepted)
	}
	if s := summary(t, post(t, handler, "key", strings.NewReader(all.String()))); s.Accepted != messages {
		t.Errorf("%+v", s)
	}
	if n := countMessages(t, b); n != messages {
		t.Errorf("%d messages", n)
	}
}

// TestAppendsWithOneKey: while one is under way, others with its key are refused, and it is taken once.
func TestAppendsWithOneKey(t *testing.T) {
	b := agenttest.Open(t)
	handler := api.NewHandler(b, api.Options{})
	reader, writer := io.Pipe()
	var group gosync.WaitGroup
	var first *httptest.ResponseRecorder
	group.Go(func() { first = post(t, handler, "key", reader) })
	one := agenttest.Message("bob.eth", "one", 1000)
	if _, err := io.WriteString(writer, one); err != nil { // returns when the first one reads
		t.Fatal(err)
	}
	if got := post(t, handler, "key", strings.NewReader(one)); got.Code != http.StatusConflict || !strings.Contains(got.Body.String(), "key-in-use") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	writer.Close()
	group.Wait()
	if s := summary(t, first); s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
	if n := countMessages(t, b); n != 1 {
		t.Errorf("%d messages", n)
	}
}
