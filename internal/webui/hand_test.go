package webui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// These tests are about what a person has under the hand while the page renews itself: nothing of it may go away, close, or turn
// into something else.

// note tells the page to look again.
func note(b *webtest.Backend) {
	b.Feed.Note(activity.Event{Account: "alice.eth", Kind: activity.KindStatus, Text: "Something happened."})
}

// TestOpenedStaysOpen: what somebody opened on the page of problems stays open when a further problem comes above it.
func TestOpenedStaysOpen(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	problem := func(object string, age time.Duration) engine.Problem {
		return engine.Problem{Kind: "damaged", Alarm: true, Object: object, Detail: "this object is not what was written", Since: time.Now().Add(-age), Count: 1}
	}
	account.State.Problems = []engine.Problem{problem("abc/def", time.Hour)}
	backend := webtest.NewBackend(account)
	b := webtest.Open(t, newSite(t, backend))
	b.Visit("/problems")
	b.Click(".problem summary")
	b.WaitFor(`document.querySelector(".problem details").open`)
	backend.Change(func() {
		account.State.Problems = append([]engine.Problem{problem("new/one", 0)}, account.State.Problems...)
	})
	note(backend)
	b.WaitFor(`document.querySelectorAll(".problem").length === 2`)
	if open := webtest.Evaluate[[]bool](b, `[...document.querySelectorAll(".problem details")].map(e => e.open && e.innerText.includes("abc/def"))`); !slices.Equal(open, []bool{false, true}) {
		t.Errorf("open: %v", open)
	}
}

// TestButtonsKeepTheirMeaning: a button that goes takes its place with it: none becomes another one under a hand.
func TestButtonsKeepTheirMeaning(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	backend := webtest.NewBackend(account)
	b := webtest.Open(t, newSite(t, backend))
	b.Visit("/")
	webtest.Evaluate[bool](b, `(window.held = document.querySelector("form[action='/accounts/pause'] button"), true)`)
	backend.Change(func() { account.State.Paused = true })
	note(backend)
	b.WaitFor(`document.querySelector("form[action='/accounts/resume']")`)
	if webtest.Evaluate[bool](b, `window.held.isConnected && !window.held.closest("form[action='/accounts/pause']")`) {
		t.Error("what was Pause is another button now")
	}
}

// TestRefusedAnswers: an answer that is none of the page's own, as of a guard that has enough, puts nothing in the place of what
// stands there; who asked for something is told.
func TestRefusedAnswers(t *testing.T) {
	backend := webtest.NewBackend(webtest.Healthy("alice.eth"))
	site := newSite(t, backend)
	var refuse atomic.Bool
	b := webtest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() && r.Header.Get("HX-Request") != "" {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, "<main><h1>Too many requests</h1></main>")
			return
		}
		site.ServeHTTP(w, r)
	}))
	b.Expect("status 429")
	b.Expect("Failed to load resource")
	b.Visit("/")
	refuse.Store(true)
	b.Click(`form[action="/accounts/pause"] button`)
	b.WaitFor(`document.querySelector("#notices").innerText.includes("too much at once")`)
	b.Requests()
	note(backend)
	for asked := false; !asked; asked = slices.ContainsFunc(b.Requests(), func(address string) bool { return strings.HasSuffix(address, "/") }) {
		b.WaitFor(`!document.querySelector(".htmx-request")`)
	}
	b.WaitFor(`!document.querySelector(".htmx-request")`)
	if text := b.Text("main"); !strings.Contains(text, "Up to date") || strings.Contains(text, "Too many requests") {
		t.Errorf("the page shows %q", text)
	}
}

// slowAnswers holds back the answers to some requests until they are let go.
type slowAnswers struct {
	next http.Handler
	hold func(r *http.Request) bool
	gate chan struct{}
	held chan struct{} // gets one for each that is held
}

func (s *slowAnswers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.hold(r) {
		s.next.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	s.next.ServeHTTP(answer, r)
	s.held <- struct{}{}
	select {
	case <-s.gate:
	case <-r.Context().Done(): // the browser left
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a browser that left does not want it
}

// TestFilterKeepsUp: however slow the answers, the list shows what the field says in the end, also when something arrives
// meanwhile; and who stands on a conversation stays on it when others move above it.
func TestFilterKeepsUp(t *testing.T) {
	now := time.Now()
	account := reading("zoe.eth", counted(t, 3, now.Add(-time.Hour))...)
	for i := range 300 {
		account.Talks = append(account.Talks, engine.Conversation{Contact: fmt.Sprintf("contact-%04d.eth", i), Messages: 1, Last: now.Add(-time.Duration(i+2) * time.Hour).UnixMilli()})
	}
	backend := webtest.NewBackend(account)
	slow := &slowAnswers{next: newSite(t, backend), gate: make(chan struct{}), held: make(chan struct{}, 100),
		hold: func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/rows") && r.FormValue("q") == "contact-00"
		}}
	b := webtest.Open(t, slow)
	t.Cleanup(func() { close(slow.gate) })
	b.Visit("/conversations")
	b.Type("#talks-q", "contact-00")
	<-slow.held
	b.Type("#talks-q", "4")
	shown := func(n int) string {
		return fmt.Sprintf(`document.querySelectorAll(".talk").length === %d && !document.querySelector(".talk-wait, .htmx-request")`, n)
	}
	b.WaitFor(shown(10))
	b.Type("#talks-q", "2")
	b.WaitFor(shown(1))
	b.Requests()
	account.Say("zoe.eth", webtest.Envelopes(t, webtest.Told{From: "zoe.eth", Kind: "NEW", Text: "hello", About: -1, At: now.UnixMilli()})...)
	for asked := false; !asked; asked = slices.ContainsFunc(b.Requests(), func(address string) bool { return strings.Contains(address, "/rows?") }) {
		b.WaitFor(shown(1))
	}
	b.WaitFor(`!document.querySelector(".htmx-request")`)
	if got := b.Text(".talk-name"); got != "contact-0042.eth" || b.Count(".talk") != 1 {
		t.Errorf("after something arrived the list begins with %q, of %d", got, b.Count(".talk"))
	}
	b.Visit("/conversations")
	b.WaitFor(shown(40))
	webtest.Evaluate[bool](b, `(document.querySelectorAll(".talk")[5].focus(), true)`)
	on := webtest.Evaluate[string](b, `document.activeElement.querySelector(".talk-name").textContent`)
	account.Say("contact-0200.eth", webtest.Envelopes(t, webtest.Told{From: "contact-0200.eth", Kind: "NEW", Text: "hello", About: -1, At: now.UnixMilli()})...)
	b.WaitFor(`document.querySelector(".talk-name").textContent === "contact-0200.eth"`)
	if got := webtest.Evaluate[string](b, `document.activeElement.querySelector(".talk-name")?.textContent ?? ""`); got != on {
		t.Errorf("the focus was on %q and is on %q", on, got)
	}
}

// TestReadOnWhileFetching: who has gone on in what was found keeps it while a fetch brings more, also where the look for that is
// answered late.
func TestReadOnWhileFetching(t *testing.T) {
	now := time.Now()
	account := reading("bob.eth", counted(t, 1000, now)...)
	account.Away = map[string]int64{"bob.eth": now.Add(-1000 * time.Hour).UnixMilli()}
	account.Slow = make(chan struct{})
	slow := &slowAnswers{next: newSite(t, webtest.NewBackend(account)), gate: make(chan struct{}), held: make(chan struct{}, 100), hold: func(r *http.Request) bool {
		return r.Method == http.MethodGet && r.URL.Path == "/search/hits" && r.FormValue("after") == ""
	}}
	b := webtest.Open(t, slow)
	b.Visit("/search?q=number")
	b.Click("#hits form .button")
	b.Wait("#fetching")
	first := b.Count(".hit")
	<-slow.held
	more := fmt.Sprintf(`document.querySelectorAll(".hit").length > %d`, first)
	webtest.Evaluate[bool](b, `(document.querySelector(".hit-more").scrollIntoView(), true)`)
	b.WaitFor(more)
	close(slow.gate)
	webtest.Evaluate[bool](b, `(() => { window.last = [...document.querySelectorAll(".hit")].at(-1); window.looks = 0;
		document.addEventListener("every", () => window.looks++, true); return true })()`)
	b.WaitFor(`window.looks >= 2 && !document.querySelector(".htmx-request")`)
	if !webtest.Evaluate[bool](b, `window.last.isConnected`) {
		t.Errorf("the list was cut back to %d hits", b.Count(".hit"))
	}
	webtest.Evaluate[bool](b, `(scrollTo(0, 0), true)`)
	close(account.Slow)
	b.WaitFor(`!document.querySelector("#fetching")`)
}

// TestNothingIsMissedUnderWay: what arrives while the page still waits for the answer to what came before shows, too.
func TestNothingIsMissedUnderWay(t *testing.T) {
	now := time.Now()
	account := reading("bob.eth", counted(t, 5, now.Add(-time.Hour))...)
	var once atomic.Bool
	slow := &slowAnswers{next: newSite(t, webtest.NewBackend(account)), gate: make(chan struct{}), held: make(chan struct{}, 1), hold: func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/slice") && once.CompareAndSwap(false, true)
	}}
	b := webtest.Open(t, slow)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	// The page looks again when it is told to, not only now and then.
	webtest.Evaluate[bool](b, `(() => { for (let i = setInterval(() => {}, 1e6); i > 0; i--) clearInterval(i);
		window.told = window.looked = 0;
		document.body.addEventListener("refresh", () => { window.told++; setTimeout(() => window.looked++, 500) });
		return true })()`)
	say := func(text string, minutes int) {
		account.Say("bob.eth", webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: text, About: -1, At: now.Add(time.Duration(minutes) * time.Minute).UnixMilli()})...)
	}
	say("first", 1)
	<-slow.held
	told := webtest.Evaluate[int](b, `window.told`)
	say("second", 2)
	b.WaitFor(fmt.Sprintf(`window.looked > %d`, told))
	close(slow.gate)
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].slice(-2).map(e => e.textContent).join("|") === "first|second"`)
}

// TestEntriesStayInPlace: what arrives, or is edited, leaves the other messages of a conversation as they are: the elements, a
// selection in them, a text that was unfolded.
func TestEntriesStayInPlace(t *testing.T) {
	now := time.Now()
	told := []webtest.Told{{From: "bob.eth", Kind: "NEW", Text: strings.Repeat("a long story ", 2000), About: -1}}
	for i := range 4 {
		told = append(told, webtest.Told{From: "bob.eth", Kind: "NEW", Text: fmt.Sprint("number ", i), About: -1, At: now.Add(time.Duration(i-60) * time.Minute).UnixMilli()})
	}
	told[0].At = now.Add(-2 * time.Hour).UnixMilli()
	account := reading("bob.eth", webtest.Envelopes(t, told...)...)
	b := webtest.Open(t, newSite(t, webtest.NewBackend(account)))
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	b.Click("[data-whole]")
	b.WaitFor(`!document.querySelector("[data-whole]")`)
	webtest.Evaluate[bool](b, `(() => {
		window.kept = [...document.querySelectorAll("#slices article")];
		getSelection().selectAllChildren(kept[1].querySelector(".text"));
		kept[3].querySelector("[data-record]").focus();
		return true;
	})()`)
	news := webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: "x", About: -1}, webtest.Told{From: "bob.eth", Kind: "EDIT", Text: "number two", About: 0, At: now.Add(-time.Minute).UnixMilli()},
		webtest.Told{From: "bob.eth", Kind: "NEW", Text: "late", About: -1, At: now.Add(-90 * time.Minute).UnixMilli()}, webtest.Told{From: "bob.eth", Kind: "NEW", Text: "newest", About: -1, At: now.UnixMilli()})
	account.Say("bob.eth", append([]container.Envelope{about(t, news[1], account.Messaged["bob.eth"][3].Hash)}, news[2:]...)...)
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].slice(1).map(e => e.textContent).join("|") === "late|number 0|number 1|number two|number 3|newest"`)
	kept := webtest.Evaluate[[]bool](b, `window.kept.map(e => e.isConnected)`)
	if !slices.Equal(kept, []bool{true, true, true, false, true}) {
		t.Errorf("kept: %v", kept)
	}
	if long := len(b.Text("#slices .text")); long < 20_000 {
		t.Errorf("the text that was unfolded is %d letters long", long)
	}
	if got := webtest.Evaluate[string](b, `String(getSelection())`); strings.TrimSpace(got) != "number 0" {
		t.Errorf("selected: %q", got)
	}
}

// TestStopUnderTheHand: while a place is tried, and the page shows how far that is, its button stays the same, and stops it.
func TestStopUnderTheHand(t *testing.T) {
	m := newMachine(t)
	ended := make(chan struct{})
	place := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	t.Cleanup(place.Close)
	t.Cleanup(func() { close(ended) })
	sign(t, m, wallets(t), "alice.eth")
	if err := m.agent.Setup().Place(setup.Answers{URL: place.URL, Username: "alice", PlaceSecret: "secret"}); err != nil {
		t.Fatal(err)
	}
	b := webtest.Open(t, m.site)
	b.Visit("/setup/try")
	b.Click(`form[action="/setup/try"] button`)
	b.Wait("#trial-stop button")
	webtest.Evaluate[bool](b, `(() => { window.button = document.querySelector("#trial-stop button"); window.looks = 0;
		document.addEventListener("htmx:after:swap", () => window.looks++); return true })()`)
	b.WaitFor(`window.looks >= 3`)
	if !webtest.Evaluate[bool](b, `window.button.isConnected && window.button === document.querySelector("#trial-stop button")`) {
		t.Error("the button was replaced")
	}
	b.Click("#trial-stop button")
	b.WaitFor(`!document.querySelector("#trial-stop") && document.querySelector(".trial-next")`)
}

// TestFormsAreSentOnce: who clicks twice on what a form asks is not told that there is nothing to do.
func TestFormsAreSentOnce(t *testing.T) {
	account := reading("bob.eth", counted(t, 5, time.Now())...)
	var posts atomic.Int64
	slow := &slowAnswers{next: newSite(t, webtest.NewBackend(account)), gate: make(chan struct{}), held: make(chan struct{}, 10), hold: func(r *http.Request) bool {
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		return r.Method == http.MethodPost
	}}
	b := webtest.Open(t, slow)
	b.Visit(talkPath("bob.eth") + "/delete?way=message&hash=" + account.Messaged["bob.eth"][2].Hash.String()[2:])
	// While a page is on its way, a test can't reach the browser.
	webtest.Evaluate[bool](b, `(() => { const button = document.querySelector("button[name=sure]"); button.click(); setTimeout(() => button.click(), 200); return true })()`)
	<-slow.held
	time.Sleep(time.Second)
	close(slow.gate)
	b.WaitFor(`location.search === "?done=deleted" && document.querySelector("#notices").innerText.includes("Deleted for ever")`)
	if n := posts.Load(); n != 1 {
		t.Errorf("the form was sent %d times", n)
	}
}
