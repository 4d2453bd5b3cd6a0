package webui_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/webui"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// ask sends one request to a site.
func ask(site http.Handler, method, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:8485"+target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	return w
}

func TestHeaders(t *testing.T) {
	site := newSite(t, webtest.NewBackend(webtest.All()...))
	for _, path := range append(shellPaths(), "/static/app.css", "/static/none") {
		w := ask(site, "GET", path, nil)
		if w.Header().Get("Content-Security-Policy") != webui.Policy || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	for _, word := range []string{"unsafe", "*", "http:", "https:"} {
		if strings.Contains(webui.Policy, word) {
			t.Errorf("the policy lets %s through", word)
		}
	}
	// What a guard has set before, stays.
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Values("Content-Security-Policy"); len(got) != 1 || got[0] != "default-src 'none'" {
		t.Errorf("%q", got)
	}
}

// TestNothingInline: no page holds script or style of its own, nor an address elsewhere that a browser would load.
func TestNothingInline(t *testing.T) {
	site := newSite(t, webtest.NewBackend(webtest.All()...)) // hostile words are looked for by a browser, in TestPages
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*>[^<])|<style|\sstyle=|\son[a-z]+=|(?:src|href|action)="(?:[a-z]+:|//)`)
	for _, path := range shellPaths() {
		text := ask(site, "GET", path, nil).Body.String()
		for _, found := range inline.FindAllString(text, 5) {
			t.Errorf("%s: %q", path, found)
		}
	}
	if !inline.MatchString(`<p onclick="x">`) || !inline.MatchString(`<script>x</script>`) || !inline.MatchString(`<a href="//x">`) {
		t.Error("nothing would be found")
	}
}

func TestStaticFiles(t *testing.T) {
	site := newSite(t, webtest.NewBackend())
	page := ask(site, "GET", "/charts", nil).Body.String()
	addresses := regexp.MustCompile(`(?:href|src)="(/static/[^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(addresses) < 6 {
		t.Fatalf("%q", addresses)
	}
	for _, match := range addresses {
		plain, packed := ask(site, "GET", match[1], nil), ask(site, "GET", match[1], nil, "Accept-Encoding", "gzip, br")
		if plain.Code != http.StatusOK || !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", match[1], plain.Code, plain.Header())
		}
		if packed.Header().Get("Content-Encoding") != "gzip" {
			continue
		}
		r, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != plain.Body.String() {
			t.Errorf("%s: packed otherwise: %v", match[1], err)
		}
	}
	if w := ask(site, "GET", "/static/app.css?v=old", nil); w.Code != http.StatusOK || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("an old address: %d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/static/", "/static/none.js", "/static/vendor", "/static/../site.go", "/static/%2e%2e/site.go", "/static//app.css", "/templates/layout.html"} {
		if w := ask(site, "GET", path, nil); w.Code == http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// lateNews is an agent at which something happens right after its status was asked for the first time.
type lateNews struct {
	*webtest.Backend
	once *sync.Once
}

func (l lateNews) Status() api.Status {
	status := l.Backend.Status()
	l.once.Do(func() {
		l.Feed.Note(activity.Event{Account: "alice.eth", Kind: activity.KindStatus, Text: "Something happened."})
	})
	return status
}

// TestPageKnowsWhatItLacks: a page does not take for its own what happened while it was gathered, so that it looks again.
func TestPageKnowsWhatItLacks(t *testing.T) {
	backend := lateNews{webtest.NewBackend(webtest.Healthy("alice.eth")), new(sync.Once)}
	site, err := webui.New(webui.Options{Backend: backend})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	before := backend.Feed.Last()
	for _, want := range []uint64{before, before + 1} {
		if text := ask(site, "GET", "/", nil).Body.String(); !strings.Contains(text, fmt.Sprintf(`data-last="%d"`, want)) {
			t.Errorf("the page does not say that it knows what happened until %d", want)
		}
	}
}

// TestForeignFormsAreRefused: what another site's page sends changes nothing, even without a guard.
func TestForeignFormsAreRefused(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	site := newSite(t, webtest.NewBackend(account))
	form := url.Values{"account": {"alice.eth"}, "theme": {"dark"}}
	for _, path := range []string{"/accounts/sync", "/accounts/verify", "/accounts/pause", "/accounts/resume", "/appearance"} {
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			if w := ask(site, "POST", path, form, headers...); w.Code != http.StatusForbidden {
				t.Errorf("%s %q: %d", path, headers, w.Code)
			}
		}
		if w := ask(site, "GET", path+"?account=alice.eth", nil); w.Code == http.StatusOK || w.Code == http.StatusSeeOther {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	if calls := account.Calls(); len(calls) > 0 {
		t.Errorf("%q", calls)
	}
}

// TestLargeFormsAreRefused: a form that nobody would send is not read into memory.
func TestLargeFormsAreRefused(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	site := newSite(t, webtest.NewBackend(account))
	form := url.Values{"padding": {strings.Repeat("x", 2<<20)}, "zaccount": {"alice.eth"}}
	ask(site, "POST", "/accounts/pause", form)
	form.Set("account", "alice.eth") // before what is too much
	if w := ask(site, "POST", "/accounts/pause", form); w.Code < 400 || len(account.Calls()) > 0 {
		t.Errorf("%d %q", w.Code, account.Calls())
	}
}

// TestFormsComeBack: a form leads back to a page of this site, wherever it wants to go.
func TestFormsComeBack(t *testing.T) {
	site := newSite(t, webtest.NewBackend(webtest.Healthy("alice.eth")))
	for back, want := range map[string]string{
		"/problems": "/problems", "/charts?account=alice.eth": "/charts?account=alice.eth", "": "/", "//evil.example/": "/", "https://evil.example/": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "/\r\nSet-Cookie: a=b": "/", "problems": "/",
	} {
		form := url.Values{"account": {"alice.eth"}, "back": {back}}
		if w := ask(site, "POST", "/appearance", form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%q: %d %q", back, w.Code, w.Header().Get("Location"))
		}
		w := ask(site, "POST", "/accounts/pause", form)
		address, err := url.Parse(w.Header().Get("Location"))
		if err != nil || address.Host != "" || address.Scheme != "" || address.Path != strings.Split(want, "?")[0] || address.Query().Get("done") != "pause" {
			t.Errorf("%q: %q, %v", back, w.Header().Get("Location"), err)
		}
	}
	// What an address asks to be said is one of a few sentences.
	for word, said := range map[string]bool{"pause": true, "<b>": false, "hacked": false} {
		if text := ask(site, "GET", "/?done="+url.QueryEscape(word), nil).Body.String(); strings.Contains(text, `class="notice `) != said {
			t.Errorf("done=%s: said is not %v", word, said)
		}
	}
}

func TestErrorsAreSentences(t *testing.T) {
	site := newSite(t, webtest.NewBackend(webtest.States()["closed"], webtest.States()["healthy"]))
	for _, c := range []struct {
		method, target string
		account        string
		code           int
		text           string
	}{
		{"GET", "/nothing", "", 404, "There is nothing at this address."},
		{"POST", "/accounts/pause", "nobody.eth", 404, "There is no account of that name here."},
		{"POST", "/accounts/pause", "closed.eth", 503, "This account is not open yet."},
		{"POST", "/accounts/sync", "closed.eth", 503, "unlock the keyring"},
		{"POST", "/", "", 404, "There is nothing at this address."},
	} {
		form := url.Values{"account": {c.account}}
		if w := ask(site, c.method, c.target, form); w.Code != c.code || !strings.Contains(w.Body.String(), c.text) || !strings.Contains(w.Body.String(), "<main") {
			t.Errorf("%s %s: %d %.300s", c.method, c.target, w.Code, w.Body)
		}
		w := ask(site, c.method, c.target, form, "HX-Request", "true", "HX-Request-Type", "partial")
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.text) || strings.Contains(w.Body.String(), "<main") || w.Header().Get("HX-Retarget") != "#notices" {
			t.Errorf("%s %s as a part: %d %.300s", c.method, c.target, w.Code, w.Body)
		}
	}
}
