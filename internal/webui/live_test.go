package webui_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// focused is what has the focus, in a word.
const focused = `document.activeElement.id + " " + document.activeElement.textContent.trim()`

// TestAlarmComesAndGoes: an alarm shows and goes by itself, is said to those who listen, and takes no focus.
func TestAlarmComesAndGoes(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	backend := webtest.NewBackend(account)
	b := webtest.Open(t, newSite(t, backend))
	b.Visit("/")
	if text := b.Text("main"); !strings.Contains(text, "All is well") || !strings.Contains(text, "Up to date") {
		t.Fatalf("before: %s", text)
	}
	b.WaitFor(`document.querySelector("form[action='/accounts/verify'] button")`)
	webtest.Evaluate[bool](b, `(document.querySelector("form[action='/accounts/verify'] button").focus(), window.kept = document.activeElement, true)`)
	backend.Change(func() {
		account.State.Problems = []engine.Problem{{Kind: "damaged", Alarm: true, Object: "abc/def", Contact: "bob.eth", Detail: "this object is not what was written", Since: backend.Time, Count: 1}}
	})
	backend.Feed.Note(activity.Event{Account: "alice.eth", Kind: activity.KindProblem, Text: "An object is damaged."})
	b.WaitFor(`document.querySelector("main").innerText.includes("did not keep what it promised")`)
	b.WaitFor(`document.getElementById("said").textContent === "There is 1 alarm."`)
	b.WaitFor(`document.getElementById("alarm-count").textContent === "1" && !document.getElementById("alarm-count").hidden`)
	backend.Change(func() {
		account.State.Healed = []engine.Healed{{Problem: account.State.Problems[0], Until: backend.Time, How: "written again from this device"}}
		account.State.Problems = nil
	})
	backend.Feed.Note(activity.Event{Account: "alice.eth", Kind: activity.KindHealed, Text: "The object is whole again."})
	b.WaitFor(`document.querySelector("main").innerText.includes("All is well")`)
	b.WaitFor(`document.getElementById("said").textContent === "No alarm." && document.getElementById("alarm-count").hidden`)
	if !webtest.Evaluate[bool](b, `window.kept === document.activeElement && window.kept.isConnected`) {
		t.Errorf("the focus went to %q", webtest.Evaluate[string](b, focused))
	}
	b.Visit("/problems")
	if text := b.Text("main"); !strings.Contains(text, "Nothing is wrong") || !strings.Contains(text, "written again from this device") {
		t.Errorf("afterwards: %s", text)
	}
}

// TestProgressOnThePage: long work shows how far it is and how it ended, while one looks: the page is told so, and does not
// only look again now and then.
func TestProgressOnThePage(t *testing.T) {
	backend := webtest.NewBackend(webtest.Healthy("alice.eth"))
	b := webtest.Open(t, newSite(t, backend))
	b.Visit("/activity")
	webtest.Evaluate[bool](b, `(() => { for (let i = setInterval(() => {}, 1e6); i > 0; i--) clearInterval(i); return true })()`)
	job := backend.Feed.Start("alice.eth", activity.JobImport, "Importing old.ndjson")
	job.Progress("reading", 250, 1000, "messages")
	b.WaitFor(`document.querySelector("progress")?.value === 25`)
	if text := b.Text(".jobs"); !strings.Contains(text, "250 of 1,000 messages") || !strings.Contains(text, "Importing old.ndjson") {
		t.Errorf("at a quarter: %s", text)
	}
	webtest.Evaluate[bool](b, `(window.bar = document.querySelector("progress"), true)`)
	backend.Change(func() { backend.Time = backend.Time.Add(30 * time.Second) })
	job.Progress("reading", 750, 1000, "messages")
	b.WaitFor(`document.querySelector("progress")?.value === 75`)
	if text := b.Text(".jobs"); !webtest.Evaluate[bool](b, `window.bar === document.querySelector("progress")`) || !strings.Contains(text, "Still about 10 seconds") {
		t.Errorf("at three quarters: %s", text)
	}
	job.End(nil)
	b.WaitFor(`!document.querySelector("progress") && document.querySelector("main").innerText.includes("Done")`)
}

// TestPageFindsTheAgentAgain: a page says when the agent does not answer, and is fresh once it does.
func TestPageFindsTheAgentAgain(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	backend := webtest.NewBackend(account)
	site := newSite(t, backend)
	var away, status atomic.Int64
	b := webtest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() == 0 {
			site.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(int(status.Load()))
	}))
	b.Expect("status 5")
	b.Expect("status 401")
	b.Expect("Failed to load resource")
	b.Expect("failed net::ERR")
	b.Allow("console: error htmx: htmx:error: Failed to fetch") // where it looks again just then
	b.Allow("console: error htmx: htmx:error: network error")   // and has half of the answer
	b.Visit("/")
	for _, c := range []struct {
		status int64
		text   string
	}{{http.StatusServiceUnavailable, "does not answer"}, {http.StatusUnauthorized, "logged out"}} {
		status.Store(c.status)
		away.Store(1)
		b.Server.CloseClientConnections()
		b.WaitFor(`document.getElementById("link-state").textContent.includes("` + c.text + `")`)
		backend.Change(func() { account.State.Pending = int(c.status) })
		away.Store(0)
		b.WaitFor(`document.getElementById("link-state").hidden && document.querySelector(".stats").innerText.includes("` + strconv.FormatInt(c.status, 10) + ` messages")`)
	}
}
