//go:build linux

package acceptance

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/providers"
)

// restWait is how long it may take until what reading took is given back.
const restWait = time.Minute

// get asks for a page or a document, twice, since the first time may read what the second finds; most is its size in bytes, at most.
func (l *large) get(most int, what, path string) {
	l.t.Helper()
	for _, turn := range []string{"", ", again"} {
		l.began = time.Now()
		response, err := l.web.Get("http://agent" + path)
		if err != nil {
			l.t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			l.t.Fatalf("%s: %s, %v: %.300s", path, response.Status, err, text)
		}
		l.figure("%s%s, %d bytes", what, turn, len(text))
		if len(text) > most || len(text) < 100 {
			l.t.Errorf("%s: %d bytes, want at most %d", what, len(text), most)
		}
	}
}

// look reads as programs and people do, and then asks how much memory the agent holds.
func (l *large) look(when string) {
	l.t.Helper()
	l.readPages()
	l.readMessages()
	l.weigh(when, "/", "/conversations", pageOf(l.Contact(0)))
	for _, words := range []string{"ubuntu", "the", "i have", "th*", `"in the"`} {
		l.began = time.Now()
		found := l.find(search.Query{Text: words})
		l.figure("to find %q: %d hits on a page", words, len(found.Hits))
		for end := time.Now().Add(restWait); found.Waiting > 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			found = l.find(search.Query{Text: words}) // a pass of the agent's own may have put something together just then
		}
		if found.Waiting > 0 {
			l.t.Errorf("%d messages wait for the index", found.Waiting)
		}
	}
	resident := l.memory("after reading")
	for end := time.Now().Add(restWait); l.full && resident >= scaleRest && time.Now().Before(end); time.Sleep(time.Second) {
		resident = l.resident()["VmRSS:"]
	}
	if l.memory(when); l.full && resident >= scaleRest {
		l.t.Errorf("%d MB are resident %s, want less than %d", resident, when, scaleRest)
	}
}

// weigh opens pages as a browser that was never here does, behind a server that hands on to the socket. A page of one word shows
// what the machine takes.
func (l *large) weigh(when string, paths ...string) {
	l.t.Run(when, func(t *testing.T) {
		agent := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "agent" },
			Transport: l.web.Transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), // of tabs that go
		}
		b := webtest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/bare" {
				agent.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><head><title>bare</title><link rel="icon" href="data:,"></head><body>bare</body></html>`)
		}))
		for _, path := range paths {
			for range l.turns() {
				bare, w := b.Weigh("/bare"), b.Weigh(path)
				t.Logf("%8.0f ms  until a browser shows %s, %.0f bytes; a page of one word: %.0f ms", w.Milliseconds, path, w.Bytes, bare.Milliseconds)
				if w.Bytes < 1000 || w.Bytes > scalePage {
					t.Errorf("%s: %.0f bytes in the browser", path, w.Bytes)
				}
			}
		}
		b.Visit("/bare")
	})
}

func (l *large) turns() int {
	if l.full {
		return 5
	}
	return 1
}

// readPages opens what a person opens.
func (l *large) readPages() {
	l.t.Helper()
	l.get(scalePage, "the overview", "/")
	l.get(scalePage, "the list of conversations", "/conversations")
	l.get(scalePage, "the charts of the account", "/charts")
	l.get(scalePage, "the activity", "/activity")
	l.get(scaleList, "a hundred conversations for programs", "/v1/accounts/-/conversations")
	l.get(scaleList, "the hundred latest for programs", "/v1/accounts/-/conversations?order=recent")
	for range 2 {
		l.began = time.Now()
		list, err := l.client.Conversations(l.t.Context(), "")
		if err != nil || len(list) != l.Contacts {
			l.t.Fatalf("%d conversations, %v", len(list), err)
		}
		l.figure("for the client to list all %d conversations", len(list))
	}
	l.began = time.Now()
	if out := l.run("conversations"); strings.Count(out, "friend-") != l.Contacts {
		l.t.Errorf("dm3sync conversations lists %d", strings.Count(out, "friend-"))
	}
	l.figure("for dm3sync conversations")
	l.began = time.Now()
	l.run("status")
	l.figure("for dm3sync status")
}

// readMessages reads in conversations of all sizes.
func (l *large) readMessages() {
	l.t.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	before := l.status().Traffic
	for _, contact := range []string{l.Contact(0), l.Contact(l.Contacts / 10), l.Contact(random.IntN(l.Contacts))} {
		in := conversationOf(contact)
		l.get(scalePage, "the newest 50 of "+contact, in+"/messages")
		l.get(scalePage, "its time line", in+"/stretches")
	}
	in := conversationOf(l.Contact(0))
	l.get(scalePage, "a jump to the middle of the largest", fmt.Sprintf("%s/messages?around=%d", in, l.Timestamp(l.Messages/2)))
	after := l.status().Traffic
	l.t.Logf("%d requests to the place for that", requestsSince(before, after))
	if n := requestsSince(before, after); n > 60 {
		l.t.Errorf("reading made %d requests, want few: what is read lately is here", n)
	}
}

func requestsSince(before, after providers.Counts) int64 { return after.Requests() - before.Requests() }
