package webui_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// key is a name in an address.
func key(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// talkPath is the address of a conversation of alice.eth.
func talkPath(contact string) string { return "/c/" + key("alice.eth") + "/" + key(contact) }

// counted are n messages, one every two hours, the last at the end; each says its number.
func counted(t *testing.T, n int, end time.Time) []container.Envelope {
	t.Helper()
	list := make([]webtest.Told, n)
	for i := range list {
		from := "bob.eth"
		if i%5 > 2 {
			from = "alice.eth"
		}
		text := fmt.Sprintf("number %d", i)
		if i%17 == 0 {
			text += strings.Repeat(" and some more of it", i%7*9)
		}
		list[i] = webtest.Told{From: from, Kind: "NEW", Text: text, About: -1, At: end.Add(-time.Duration(n-1-i) * 2 * time.Hour).UnixMilli()}
	}
	return webtest.Envelopes(t, list...)
}

// reading is an account alice.eth with one conversation.
func reading(contact string, records ...container.Envelope) *webtest.Account {
	a := webtest.Healthy("alice.eth")
	a.Talks = nil
	a.Hold(contact, records...)
	return a
}

// numbers are what the messages in the page say, in their order.
const numbers = `[...document.querySelectorAll("#slices article .text")].map(e => parseInt(e.textContent.replace("number ", "")))`

// TestScrollToTheFirst: 10,000 messages are scrolled back to the first. Each is seen once and in its order, the page holds only
// some of them at a time, and what is in view does not move while more is put above it.
func TestScrollToTheFirst(t *testing.T) {
	const n = 10_000
	b := webtest.Open(t, newSite(t, webtest.NewBackend(reading("bob.eth", counted(t, n, time.Now())...))))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	seen := map[int]bool{}
	lowest, most := n, 0
	for step := 0; lowest > 0; step++ {
		if step > 2000 {
			t.Fatalf("after %d steps the first message is not there; the lowest is %d", step, lowest)
		}
		got := webtest.Evaluate[[]int](b, numbers)
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("messages are out of order, or twice in the page: %v", got)
		}
		most = max(most, len(got))
		inView := webtest.Evaluate[[]int](b, `(() => { const v = document.getElementById("reader-scroll").getBoundingClientRect();
			return [...document.querySelectorAll("#slices article")].filter(e => { const r = e.getBoundingClientRect(); return r.bottom > v.top && r.top < v.bottom; })
				.map(e => parseInt(e.querySelector(".text").textContent.replace("number ", ""))); })()`)
		for _, number := range inView {
			seen[number] = true
			lowest = min(lowest, number)
		}
		if len(inView) > 0 && lowest < n && !seen[inView[len(inView)-1]+1] && inView[len(inView)-1]+1 < n {
			t.Fatalf("the view jumped over %d", inView[len(inView)-1]+1)
		}
		// A page up, as the key does it; then wait until what is asked for is there.
		scroll(b, `s.scrollTop -= s.clientHeight * 0.8`)
	}
	if len(seen) != n {
		t.Errorf("%d of %d messages were seen", len(seen), n)
	}
	if most > 1500 {
		t.Errorf("the page held %d messages at once", most)
	}
	// And down again: what was taken out comes back.
	scroll(b, `s.scrollTop = s.scrollHeight`)
	b.WaitFor(`[...document.querySelectorAll("#slices article .text")].some(e => e.textContent.startsWith("number 9999"))`)
}

// scroll does something with the conversation's pane, s, and waits until the page has seen that and what it asked for is there.
func scroll(b *webtest.Browser, script string) {
	webtest.Evaluate[bool](b, `(() => { const s = document.getElementById("reader-scroll"); `+script+`; window.drawn = false;
		requestAnimationFrame(() => setTimeout(() => { window.drawn = true })); // the page looks in the same frame
		return true })()`)
	b.WaitFor(`window.drawn && ` + settled)
}

// settled is true when nothing is asked for any more and something is in view.
const settled = `!document.querySelector(".slice.waiting, .slice[data-renewing]") && (() => {
	const v = document.getElementById("reader-scroll").getBoundingClientRect();
	return ![...document.querySelectorAll(".slice[data-out]")].some(e => { const r = e.getBoundingClientRect(); return r.bottom > v.top && r.top < v.bottom; });
})()`

// readerPaths are the reader's pages of a conversation.
func readerPaths(contact string, hash container.MessageHash) []string {
	talk, message := talkPath(contact), hash.String()[2:]
	return []string{
		"/conversations", "/conversations?q=o", "/conversations?hidden=1", "/search", "/search?q=a", "/search?q=nothing-like-it", `/search?q=%22%22`, talk, talk + "?date=2026-01-01",
		talk + "?at=" + message, talk + "/m/" + message, talk + "/delete", talk + "/delete?way=all", talk + "/delete?way=message&hash=" + message,
		talk + "/copies", "/copies/YWxpY2UuZXRo",
	}
}

// hostileWords become markup where a page takes them for its own; a link that somebody wrote is a link all the same.
var hostileWords = strings.Replace(webtest.Markup, "a[href*='evil.example'],", "", 1)

// TestReaderPages: every page of the reader shows without a complaint, fits a phone and a desk, and can be used by everybody,
// with ordinary messages and with hostile ones, which never become markup and load nothing.
func TestReaderPages(t *testing.T) {
	now := time.Now()
	ordinary := reading("bob.eth", dialogue(t, now)...)
	hostile := reading("bob.eth", webtest.HostileRecords(t, "bob.eth", "alice.eth")...)
	for i, name := range webtest.Hostile() {
		hostile.Talks = append(hostile.Talks, contactNamed(name, i)...)
	}
	for name, a := range map[string]*webtest.Account{"ordinary": ordinary, "hostile": hostile} {
		t.Run(name, func(t *testing.T) {
			b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
			for _, path := range readerPaths("bob.eth", a.Messaged["bob.eth"][3].Hash) {
				for _, screen := range [][2]int64{{webtest.PhoneWidth, webtest.PhoneHeight}, {webtest.DesktopWidth, webtest.DesktopHeight}} {
					b.Screen(screen[0], screen[1])
					b.Visit(path)
					b.WaitFor(`!document.querySelector(".reader:not(.ready), .htmx-request")`)
					b.Fits()
				}
				b.Accessible()
				if webtest.Evaluate[bool](b, hostileWords) {
					t.Errorf("%s: words became markup", path)
				}
				if wide := webtest.Evaluate[int](b, `[...document.querySelectorAll(".reader-scroll")].filter(e => e.scrollWidth > e.clientWidth + 1).length`); wide != 0 {
					t.Errorf("%s: messages are wider than their pane", path)
				}
			}
		})
	}
}

// TestArriving: what arrives is appended while one is at the end, and moves nothing while one is not; then a pill tells of it.
func TestArriving(t *testing.T) {
	now := time.Now()
	a := reading("bob.eth", counted(t, 300, now.Add(-time.Hour))...)
	backend := webtest.NewBackend(a)
	b := webtest.Open(t, newSite(t, backend))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	news := func(text string, minutes int) container.Envelope {
		return webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: text, About: -1, At: now.Add(time.Duration(minutes) * time.Minute).UnixMilli()})[0]
	}
	a.Say("bob.eth", news("first news", 1))
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].at(-1).textContent === "first news"`)
	b.WaitFor(`(() => { const s = document.getElementById("reader-scroll"); return s.scrollHeight - s.scrollTop - s.clientHeight < 5 })()`)
	if webtest.Evaluate[bool](b, `!document.getElementById("reader-pill").hidden`) {
		t.Error("the pill shows at the end")
	}
	// Up, until what is above has come, and then at rest.
	scroll(b, `s.scrollTop -= 1800`)
	place := `(() => { const v = document.getElementById("reader-scroll").getBoundingClientRect();
		const e = [...document.querySelectorAll("#slices article")].find(e => e.getBoundingClientRect().top > v.top); return [e.id, e.getBoundingClientRect().top] })()`
	before := webtest.Evaluate[[]any](b, place)
	a.Say("bob.eth", news("second news", 2), news("third news", 3))
	b.Wait("#reader-pill")
	after := webtest.Evaluate[[]any](b, place)
	from, _ := before[1].(float64)
	if to, ok := after[1].(float64); !ok || after[0] != before[0] || math.Abs(from-to) > 1 { // a browser rounds to parts of a pixel
		t.Errorf("the view moved from %v to %v", before, after)
	}
	b.Click("#reader-pill")
	b.WaitFor(`document.getElementById("reader-pill").hidden`)
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].at(-1).textContent === "third news"`)
	// One that comes late, between two pieces, shows between them.
	scroll(b, `[...document.querySelectorAll("#slices > .slice")].at(-1).scrollIntoView()`)
	border := webtest.Evaluate[int64](b, `parseInt([...document.querySelectorAll("#slices > .slice")].at(-1).dataset.from)`)
	a.Say("bob.eth", webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: "between", About: -1, At: border - 60_000})...)
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].some(e => e.textContent === "between")`)
	if order := webtest.Evaluate[[]string](b, `[...document.querySelectorAll("#slices .text")].map(e => e.textContent)`); slices.Index(order, "between") < 1 || slices.Index(order, "between") > len(order)-2 {
		t.Errorf("it shows at %d of %d", slices.Index(order, "between"), len(order))
	}
	// An edit of what is in view shows there; a message that comes late takes its place in the order of time.
	last := a.Messaged["bob.eth"][len(a.Messaged["bob.eth"])-1]
	edit := webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: "x", About: -1}, webtest.Told{From: "bob.eth", Kind: "EDIT", Text: "third news, corrected", About: 0, At: now.Add(4 * time.Minute).UnixMilli()})[1]
	a.Say("bob.eth", about(t, edit, last.Hash), news("late news", 2))
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].slice(-3).map(e => e.textContent).sort().join("|") === "late news|second news|third news, corrected"`)
	b.WaitFor(`[...document.querySelectorAll("#slices .text")].at(-1).textContent === "third news, corrected"`)
}

// TestFarAway: what is at the place alone is fetched as it comes into view, with a calm word; a place that does not answer is
// told, and tried again when asked.
func TestFarAway(t *testing.T) {
	now := time.Now()
	a := reading("bob.eth", counted(t, 400, now)...)
	a.State.Place = "/srv/place"
	a.Away = map[string]int64{"bob.eth": now.Add(-400 * time.Hour).UnixMilli()} // of 800 hours
	a.Slow = make(chan struct{})
	backend := webtest.NewBackend(a)
	b := webtest.Open(t, newSite(t, backend))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	if got := b.Text(".line-sum"); !strings.Contains(got, "are still at the place alone") {
		t.Errorf("the time line says %q", got)
	}
	up := func(until string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !webtest.Evaluate[bool](b, "!!("+until+")"); {
			if time.Now().After(end) {
				t.Fatalf("never true: %s", until)
			}
			webtest.Evaluate[bool](b, `(() => { const s = document.getElementById("reader-scroll"); s.scrollTop = 0; return true })()`)
			b.WaitFor(`!document.querySelector(".slice[data-renewing]")`)
		}
	}
	up(`document.querySelector(".slice.waiting")?.innerText.includes("/srv/place") && Math.min(...` + numbers + `) === 199`)
	backend.Change(func() { a.PlaceFails = errPlace })
	close(a.Slow)
	b.Wait(".slice.failed [data-retry]")
	if got := b.Text(".slice.failed"); !strings.Contains(got, "/srv/place") || !strings.Contains(got, "safe there") {
		t.Errorf("a place that does not answer: %q", got)
	}
	b.Accessible()
	backend.Change(func() { a.PlaceFails = nil })
	b.Click(".slice.failed [data-retry]")
	up(`[...document.querySelectorAll("#slices article .text")].some(e => e.textContent.startsWith("number 0"))`)
	if got := webtest.Evaluate[[]int](b, numbers); !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("messages are out of order: %v", got)
	}
	b.WaitFor(`document.querySelector(".line-sum").textContent.includes("All of this conversation is on this device")`)
	// All of it far away: the page comes at once, and what it shows comes after it.
	backend.Change(func() {
		a.Away = map[string]int64{"bob.eth": now.Add(time.Hour).UnixMilli()}
		a.Slow = make(chan struct{})
	})
	b.Visit(talkPath("bob.eth"))
	b.Wait(".slice.asking")
	if got := b.Text(".slice.asking"); !strings.Contains(got, "being fetched from /srv/place") {
		t.Errorf("while all is fetched: %q", got)
	}
	close(a.Slow)
	b.WaitFor(`[...document.querySelectorAll("#slices article .text")].some(e => e.textContent.startsWith("number 399"))`)
}

// TestJump: to a day by its field, to a month by the time line's keys, and to a message by its hash; on a phone the time line
// is a drawer.
func TestJump(t *testing.T) {
	end := time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)
	a := reading("bob.eth", counted(t, 3000, end)...)
	b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit(talkPath("bob.eth"))
	top := func() string {
		b.WaitFor(`document.querySelector(".reader.ready")`)
		b.WaitFor(settled)
		return webtest.Evaluate[string](b, `(() => { const v = document.getElementById("reader-scroll").getBoundingClientRect();
			return [...document.querySelectorAll("#slices article")].find(e => e.getBoundingClientRect().top >= v.top).dataset.day })()`)
	}
	webtest.Evaluate[bool](b, `(() => { const f = document.getElementById("reader-date"); f.value = "2026-05-05"; f.form.requestSubmit(); return true })()`)
	b.WaitFor(`location.search === "?date=2026-05-05"`)
	if got := top(); got != "2026-05-05" && got != "2026-05-04" {
		t.Errorf("the jump leads to %s", got)
	}
	if got := b.Text(`.month[aria-current]`); !strings.Contains(got, "May") {
		t.Errorf("the time line marks %q", got)
	}
	webtest.Evaluate[bool](b, `(document.querySelector(".month[tabindex='0']").focus(), true)`)
	b.Press(kb.ArrowDown) // which is further back
	b.Press(kb.ArrowDown)
	b.WaitFor(`document.activeElement.dataset.month === "2026-03"`)
	b.Press(kb.Enter)
	b.WaitFor(`location.search === "?date=2026-03-01"`)
	if got := top(); got != "2026-03-01" && got != "2026-02-28" {
		t.Errorf("the time line leads to %s", got)
	}
	wanted := a.Messaged["bob.eth"][1234]
	b.Visit(talkPath("bob.eth") + "?at=" + wanted.Hash.String()[2:])
	top()
	if !webtest.Evaluate[bool](b, `(() => { const e = document.querySelector("article.marked"), v = document.getElementById("reader-scroll").getBoundingClientRect(), r = e.getBoundingClientRect();
		return document.activeElement === e && e.textContent.includes("number 1234") && r.top >= v.top && r.bottom <= v.bottom })()`) {
		t.Error("the message is not in view, marked and focused")
	}
	b.Screen(webtest.PhoneWidth, webtest.PhoneHeight)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	b.Click(".reader-line-button")
	b.WaitFor(`document.activeElement.matches(".month[aria-current]")`)
	b.Press(kb.Escape)
	b.WaitFor(`document.activeElement.matches(".reader-line-button") && document.activeElement.getAttribute("aria-expanded") === "false"`)
}

// TestSearchToHit: a search says what it did not reach and fetches it; a hit opens the conversation around it.
func TestSearchToHit(t *testing.T) {
	now := time.Now()
	a := reading("bob.eth", counted(t, 1000, now)...)
	a.Away = map[string]int64{"bob.eth": now.Add(-1000 * time.Hour).UnixMilli()}
	b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit("/search")
	b.Type("#search-q", "number 12")
	b.WaitFor(`document.querySelector("#hits form [name=q]")?.value === "number 12" && document.querySelector("#hits").innerText.includes("were not searched")`)
	webtest.Evaluate[bool](b, `(document.querySelector("#hits form").untouched = true)`)
	b.Click("#search-contact") // leaving a field is no reason to search again, which would take the button away under a hand
	time.Sleep(500 * time.Millisecond)
	if !webtest.Evaluate[bool](b, `Boolean(document.querySelector("#hits form").untouched)`) {
		t.Error("leaving the field searched again")
	}
	b.Click("#hits form .button")
	b.WaitFor(`document.querySelectorAll(".hit").length >= 11 && !document.querySelector("#hits form")`)
	if got := b.Text(".hit mark"); got != "number 12" {
		t.Errorf("marked: %q", got)
	}
	b.WaitFor(`[...document.querySelectorAll(".hit")].some(e => e.textContent.includes("number 123"))`)
	webtest.Evaluate[bool](b, `([...document.querySelectorAll(".hit")].find(e => e.innerText.includes("number 123")).click(), true)`)
	b.WaitFor(`document.querySelector("article.marked")`)
	if got := b.Text("article.marked .text"); got != "number 123" {
		t.Errorf("the hit leads to %q", got)
	}
}

// TestManyConversations: a list of 10,000 comes quickly and light, goes on as one scrolls, and is filtered as one types.
func TestManyConversations(t *testing.T) {
	now := time.Now()
	a := reading("zoe.eth", counted(t, 500, now)...)
	for i := range 9_999 {
		a.Talks = append(a.Talks, engine.Conversation{Contact: fmt.Sprintf("contact-%04d.eth", i), Messages: i, Last: now.Add(-time.Duration(i+1) * time.Hour).UnixMilli()})
	}
	b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	for _, path := range []string{"/conversations", talkPath("zoe.eth"), "/search"} {
		weight := b.Weigh(path)
		t.Logf("%s: %.0f bytes, %.0f ms", path, weight.Bytes, weight.Milliseconds)
		if weight.Bytes > 100_000 {
			t.Errorf("%s weighs %.0f bytes", path, weight.Bytes)
		}
	}
	b.Visit("/conversations")
	b.WaitFor(`document.querySelectorAll(".talk").length >= 40 && document.querySelector(".talk-preview").innerText.startsWith("You: number 499") && !document.querySelector(".talk-wait, .htmx-request")`)
	webtest.Evaluate[bool](b, `(document.querySelector(".talk-more").scrollIntoView(), true)`)
	b.WaitFor(`document.querySelectorAll(".talk").length >= 80`)
	names := webtest.Evaluate[[]string](b, `[...document.querySelectorAll(".talk-name")].map(e => e.textContent)`)
	if len(slices.Compact(slices.Clone(names))) != len(names) || names[0] != "zoe.eth" || names[1] != "contact-0000.eth" || names[79] != "contact-0078.eth" {
		t.Errorf("the list goes on with %q", names)
	}
	webtest.Evaluate[bool](b, `(scrollTo(0, 0), true)`)
	b.Type("#talks-q", "T-123")
	b.WaitFor(`document.querySelectorAll(".talk").length === 10`)
	if got := b.Text("#talks [role=status]"); got != "10 conversations with this in the name" {
		t.Errorf("a screen reader hears %q", got)
	}
	b.Accessible()
}

// TestWithoutScript: a conversation can be read, and gone through, where the browser runs no script.
func TestWithoutScript(t *testing.T) {
	a := reading("bob.eth", counted(t, 300, time.Now())...)
	b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
	b.Script(false)
	b.Screen(webtest.PhoneWidth, webtest.PhoneHeight)
	b.Visit(talkPath("bob.eth"))
	if got := webtest.Evaluate[string](b, `[...document.querySelectorAll("#slices .text")].at(-1).textContent`); !strings.HasPrefix(got, "number 299") {
		t.Errorf("the last message says %q", got)
	}
	b.Fits()
	b.Click(`.reader-edge[data-edge="older"] a`)
	b.WaitFor(`location.search.startsWith("?date=")`)
	if got := b.Text(`#slices article .text`); !strings.HasPrefix(got, "number 0") {
		t.Errorf("the first message says %q", got)
	}
	b.Fits()
}
