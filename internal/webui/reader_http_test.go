package webui_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/webui"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// get asks a site for a page, and for forms with values, posts them.
func get(t *testing.T, site *webui.Site, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if form != nil {
		request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, request)
	return answer
}

// TestRecordIsByteForByte: the file is what is stored, its page shows it escaped, and both can run nothing.
func TestRecordIsByteForByte(t *testing.T) {
	a := reading("bob.eth", webtest.HostileRecords(t, "bob.eth", "alice.eth")...)
	site := newSite(t, webtest.NewBackend(a))
	for _, record := range a.Messaged["bob.eth"] {
		path := talkPath("bob.eth") + "/m/" + record.Hash.String()[2:]
		file := get(t, site, path+"/json", nil)
		if !bytes.Equal(file.Body.Bytes(), record.JSON) || file.Header().Get("Content-Type") != "application/json" ||
			!strings.HasPrefix(file.Header().Get("Content-Disposition"), "attachment") || !strings.Contains(file.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Fatalf("%v: %.200s", file.Header(), file.Body)
		}
		if page := get(t, site, path, nil); page.Code != http.StatusOK || strings.Contains(page.Body.String(), "<script>window") {
			t.Errorf("%d %.200s", page.Code, page.Body)
		}
		whole := get(t, site, path+"/text", nil)
		if whole.Code != http.StatusOK || strings.Contains(whole.Body.String(), "<script") {
			t.Errorf("%d %.200s", whole.Code, whole.Body)
		}
	}
	for _, path := range []string{"/m/zz", "/m/" + strings.Repeat("0", 64), "/m/" + strings.Repeat("0", 64) + "/json", "/m/../../x", "?at=%3Cscript%3E", "/slice?before=x", "/slice?from=1.2", "/slice?mark=x", "/slice?around=x"} {
		if answer := get(t, site, talkPath("bob.eth")+path, nil); answer.Code < 300 || answer.Code > 499 {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
	for _, path := range []string{"/c/x/y", "/c/" + key("alice.eth") + "/" + key("BOB.eth"), "/c/" + key("alice.eth") + "/" + key("nobody.eth"), "/c/" + key("nobody.eth") + "/" + key("bob.eth"), "/conversations?account=!", "/search?account=x!"} {
		if answer := get(t, site, path, nil); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

// TestAttachments: an image is shown as what it is, everything else is a file to be saved under a harmless name and type, and
// what is not on this device is not asked for.
func TestAttachments(t *testing.T) {
	records := webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: "x", About: -1, Attachments: []map[string]string{
		{"name": "a.png", "data": picture(t)}, {"name": "x.html", "data": "data:text/html,<script>alert(1)</script>"}, {"name": "a\r\nSet-Cookie: x\".svg", "data": "data:image/svg+xml,<svg/>"},
		{"name": "far.png", "data": "https://evil.example/far.png"}, {"name": "bad", "data": "data:;base64,!!"},
	}})
	site := newSite(t, webtest.NewBackend(reading("bob.eth", records...)))
	path := talkPath("bob.eth") + "/m/" + records[0].Hash.String()[2:] + "/file/"
	for name, c := range map[string]struct{ path, kind, disposition string }{
		"an image shown":   {"0?show=1", "image/png", "inline"},
		"an image saved":   {"0", "application/octet-stream", "attachment; filename=a.png"},
		"a page":           {"1?show=1", "application/octet-stream", "attachment; filename=x.html.bin"},
		"a drawing":        {"2?show=1", "application/octet-stream", "attachment; filename=a__Set-Cookie__x_.svg.bin"},
		"far":              {"3", "text/html; charset=utf-8", ""},
		"unreadable":       {"4", "text/html; charset=utf-8", ""},
		"there is no such": {"5", "text/html; charset=utf-8", ""},
		"no number":        {"-1", "text/html; charset=utf-8", ""},
	} {
		answer := get(t, site, path+c.path, nil)
		header := answer.Header()
		if header.Get("Content-Type") != c.kind || header.Get("Content-Disposition") != c.disposition || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, header)
		}
		if c.disposition == "" && answer.Code != http.StatusNotFound || c.disposition != "" && !strings.Contains(header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v", name, answer.Code, header)
		}
	}
	page := get(t, site, talkPath("bob.eth"), nil).Body.String()
	if strings.Count(page, "<img ") != 1 || strings.Contains(page, `src="http`) || !strings.Contains(page, "not kept: the message only refers to it") {
		t.Errorf("the page shows %d images", strings.Count(page, "<img "))
	}
}

// TestDeleteAsks: nothing is deleted without the answer to the question, and then what was counted, and nothing that came since.
func TestDeleteAsks(t *testing.T) {
	now := time.Now()
	a := reading("bob.eth", counted(t, 20, now.Add(-time.Hour))...)
	site := newSite(t, webtest.NewBackend(a))
	path, records := talkPath("bob.eth")+"/delete", a.Messaged["bob.eth"]
	left := func() int { return len(a.Messaged["bob.eth"]) }
	one := url.Values{"way": {"message"}, "hash": {records[3].Hash.String()[2:]}}
	question := get(t, site, path+"?"+one.Encode(), nil).Body.String()
	for _, sentence := range []string{"Delete this message", "nobody can bring them back", "some time after the next pass", "Copies that others hold stay"} {
		if !strings.Contains(question, sentence) {
			t.Errorf("the question does not say %q", sentence)
		}
	}
	if answer := get(t, site, path, one); answer.Code != http.StatusBadRequest || left() != 20 {
		t.Errorf("without an answer: %d, %d left", answer.Code, left())
	}
	one.Set("sure", "yes")
	if answer := get(t, site, path, one); answer.Code != http.StatusSeeOther || left() != 19 {
		t.Errorf("one: %d, %d left", answer.Code, left())
	}
	if answer := get(t, site, path+"?way=all", nil); !strings.Contains(answer.Body.String(), "Delete 19 messages") {
		t.Error("all of them are not counted")
	}
	all := url.Values{"way": {"all"}, "sure": {"yes"}}
	if answer := get(t, site, path, all); answer.Code != http.StatusBadRequest || left() != 19 {
		t.Errorf("uncounted: %d, %d left", answer.Code, left())
	}
	all.Set("start", "0")
	all.Set("end", strconv.FormatInt(records[10].Timestamp, 10))
	if answer := get(t, site, path, all); answer.Code != http.StatusSeeOther || left() != 10 {
		t.Errorf("what was counted: %d, %d left", answer.Code, left())
	}
	for _, wrong := range []string{"?way=range", "?way=range&from=2026-02-30&to=2026-03-01", "?way=range&from=2026-03-02&to=2026-03-01"} {
		if answer := get(t, site, path+wrong, nil); !strings.Contains(answer.Body.String(), "Say both days") {
			t.Errorf("%s is taken", wrong)
		}
	}
	get(t, site, talkPath("bob.eth")+"/hide", url.Values{"hidden": {"true"}})
	if calls := strings.Join(a.Calls(), "\n"); !strings.Contains(calls, `hide "bob.eth" true`) {
		t.Errorf("not hidden: %s", calls)
	}
}

// TestExport: the file has all records as they are stored; one that can't be whole does not end well.
func TestExport(t *testing.T) {
	a := reading("bob.eth", counted(t, 1234, time.Now())...)
	backend := webtest.NewBackend(a)
	site := newSite(t, backend)
	answer := get(t, site, talkPath("bob.eth")+"/export", nil)
	lines := bytes.Split(bytes.TrimSuffix(answer.Body.Bytes(), []byte("\n")), []byte("\n"))
	if len(lines) != 1234 || answer.Header().Get("Content-Disposition") != "attachment; filename=bob.eth.jsonl" {
		t.Fatalf("%d lines, %v", len(lines), answer.Header())
	}
	for i, record := range a.Messaged["bob.eth"] {
		if !bytes.Equal(lines[i], record.JSON) {
			t.Fatalf("line %d is not as stored", i)
		}
	}
	a.Away, a.PlaceFails = map[string]int64{"bob.eth": a.Messaged["bob.eth"][3].Timestamp}, errPlace
	if answer := get(t, site, talkPath("bob.eth")+"/export", nil); answer.Code != http.StatusBadGateway {
		t.Errorf("the first records can't be had: %d", answer.Code)
	}
}

// TestDaysOfTheReader: days are cut in the zone of whoever reads; an unknown one is UTC.
func TestDaysOfTheReader(t *testing.T) {
	records := webtest.Envelopes(t, webtest.Told{From: "bob.eth", Kind: "NEW", Text: "late", About: -1, At: time.Date(2026, 3, 31, 22, 30, 0, 0, time.UTC).UnixMilli()})
	site := newSite(t, webtest.NewBackend(reading("bob.eth", records...)))
	for zone, want := range map[string]string{"Europe.Berlin": "Wednesday, 1 April 2026", "": "Tuesday, 31 March 2026", "Local": "Tuesday, 31 March 2026", "../../etc/passwd": "Tuesday, 31 March 2026", "No.Where": "Tuesday, 31 March 2026", "America.Argentina.Salta": "Tuesday, 31 March 2026"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, talkPath("bob.eth"), nil)
		request.Header.Set("Cookie", "dm3sync_zone="+zone)
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, request)
		if !strings.Contains(answer.Body.String(), ">"+want+"<") {
			t.Errorf("%s: not %s", zone, want)
		}
	}
}

// TestFirstViewIsLight: people who write long texts get fewer messages at once, and the rest when they scroll.
func TestFirstViewIsLight(t *testing.T) {
	const most = 64 << 10 // with styles and scripts it stays below 100 kB
	weigh := func(text string) (messages, bytes int) {
		told := make([]webtest.Told, 200)
		for i := range told {
			told[i] = webtest.Told{From: "bob.eth", Kind: "NEW", Text: text + strconv.Itoa(i), About: -1}
		}
		site := newSite(t, webtest.NewBackend(reading("bob.eth", webtest.Envelopes(t, told...)...)))
		page := get(t, site, talkPath("bob.eth"), nil).Body.String()
		return strings.Count(page, `class="msg`), len(page)
	}
	short, light := weigh("yes ")
	long, heavy := weigh(strings.Repeat("a long letter to a friend & ", 200))
	if light > most || heavy > most || long >= short || long < 4 {
		t.Errorf("%d short messages take %d bytes, %d long ones %d", short, light, long, heavy)
	}
}
