package access_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/access"
)

func (r *rig) link() string {
	r.t.Helper()
	code, expires, err := r.gate.NewLink(false)
	if err != nil {
		r.t.Fatal(err)
	}
	if life := expires.Sub(r.clock()); life != 2*time.Minute {
		r.t.Errorf("a link lives %v", life)
	}
	return access.EnterPath(code)
}

func TestLink(t *testing.T) {
	r := newRig(t)
	got := r.request("GET", r.link(), "", "Sec-Fetch-Site: none", "Accept: text/html")
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/" || got.header.Get("Referrer-Policy") != "no-referrer" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %d %v", got.status, got.header)
	}
	cookie := got.header.Get("Set-Cookie")
	for _, part := range []string{"dm3sync-" + r.port + "=", "; Path=/", "; HttpOnly", "; SameSite=Strict"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q lacks %q", cookie, part)
		}
	}
	if strings.Contains(cookie, "Domain") {
		t.Errorf("cookie %q is for other hosts too", cookie)
	}
	r.served("the page", r.request("GET", "/", "", cookieLine(got)))
}

func TestLinkTwice(t *testing.T) {
	r := newRig(t)
	link := r.link()
	cookie := cookieLine(r.request("GET", link, ""))
	r.served("the first", r.request("GET", "/", "", cookie))
	got := r.request("GET", link, "", "Accept: text/html", cookie)
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "dm3sync ui") || got.header.Get("Set-Cookie") != "" {
		t.Errorf("the same browser again: %d %s", got.status, got.body)
	}
	r.served("the first, still", r.request("GET", "/", "", cookie))
	// Somebody else has the link, too: nobody knows who was to have it.
	if got := r.request("GET", link, ""); got.status != http.StatusForbidden || got.header.Get("Set-Cookie") != "" {
		t.Errorf("another browser: %d %v", got.status, got.header)
	}
	if got := r.request("GET", "/", "", cookie); got.status != http.StatusUnauthorized {
		t.Errorf("the session goes on: %d", got.status)
	}
}

func TestLinkExpires(t *testing.T) {
	r := newRig(t)
	link := r.link()
	r.advance(access.LinkLife)
	r.refused("an old link", r.request("GET", link, ""), http.StatusForbidden)
	r.refused("no code", r.request("GET", "/enter", ""), http.StatusForbidden)
	r.refused("a guess", r.request("GET", access.EnterPath(strings.Repeat("A", 43)), ""), http.StatusForbidden)
	link = r.link()
	r.advance(access.LinkLife - time.Second)
	if got := r.request("GET", link, ""); got.status != http.StatusSeeOther {
		t.Errorf("a link in its last second: %d", got.status)
	}
}

// TestLinkRace: of 50 who come with one link at once, one gets in at most.
func TestLinkRace(t *testing.T) {
	r := newRig(t)
	link := r.link()
	start := make(chan struct{})
	var group sync.WaitGroup
	answers := make([]answer, 50)
	for i := range answers {
		group.Go(func() {
			<-start
			answers[i] = r.request("GET", link, "")
		})
	}
	close(start)
	group.Wait()
	entered := 0
	for _, got := range answers {
		if got.status != http.StatusSeeOther {
			r.refused("one of 50", got, http.StatusForbidden)
			continue
		}
		entered++
		// The others came with the same link: its session has ended.
		r.refused("the one that got in", r.request("GET", "/", "", cookieLine(got)), http.StatusUnauthorized)
	}
	if entered != 1 {
		t.Errorf("%d of 50 got in", entered)
	}
}

// TestLinkFromAnotherPage: it would come in without its cookie, so it is kept.
func TestLinkFromAnotherPage(t *testing.T) {
	r := newRig(t)
	link := r.link()
	for _, site := range []string{"cross-site", "same-site"} {
		r.refused(site, r.request("GET", link, "", "Sec-Fetch-Site: "+site), http.StatusForbidden)
	}
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		r.refused(method, r.request(method, link, "", "Origin: http://"+r.address), http.StatusMethodNotAllowed)
	}
	if got := r.request("GET", link, ""); got.status != http.StatusSeeOther {
		t.Errorf("the link afterwards: %d", got.status)
	}
}

func TestSessions(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	r.advance(access.SessionIdle - time.Second)
	r.served("a session that rested", r.request("GET", "/", "", cookie))
	r.advance(access.SessionIdle - time.Second)
	r.served("a session that was used since", r.request("GET", "/", "", cookie))
	if r.gate.Waiting() != 1 {
		t.Errorf("%d sessions", r.gate.Waiting())
	}
	r.advance(access.SessionIdle)
	r.refused("a session that rested too long", r.request("GET", "/", "", cookie), http.StatusUnauthorized)
	if r.gate.Waiting() != 0 {
		t.Errorf("%d sessions after the end", r.gate.Waiting())
	}
	cookie = r.enter()
	got := r.request("POST", "/leave", "", "Origin: http://"+r.address, "Accept: text/html", cookie)
	if got.status != http.StatusOK || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("leaving: %d %v", got.status, got.header)
	}
	r.refused("who has left", r.request("GET", "/", "", cookie), http.StatusUnauthorized)
	r.refused("leaving by a link", r.request("GET", "/leave", ""), http.StatusMethodNotAllowed)
}

func TestManySessions(t *testing.T) {
	r := newRig(t)
	first := r.enter()
	r.advance(time.Second)
	second := r.enter()
	for range access.MaxSessions - 1 {
		r.advance(time.Second)
		r.enter()
	}
	if r.gate.Waiting() != access.MaxSessions {
		t.Errorf("%d sessions", r.gate.Waiting())
	}
	r.served("the second", r.request("GET", "/", "", second))
	if got := r.request("GET", "/", "", first); got.status != http.StatusUnauthorized {
		t.Errorf("the one that rested longest: %d", got.status)
	}
	link := r.link()
	for range 40 {
		r.advance(time.Millisecond)
		r.link()
	}
	if got := r.request("GET", link, ""); got.status != http.StatusForbidden {
		t.Errorf("the oldest of 41 links: %d", got.status)
	}
}

func TestEnteringAgainEndsTheOldSession(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	if got := r.request("GET", r.link(), "", cookie); got.status != http.StatusSeeOther {
		t.Fatalf("entering again: %d", got.status)
	}
	r.refused("the old session", r.request("GET", "/", "", cookie), http.StatusUnauthorized)
}

func TestNoPage(t *testing.T) {
	r := newRig(t, func(o *access.Options, _ *access.ServerOptions) { o.Page = false })
	r.refused("a link", r.request("GET", r.link(), ""), http.StatusUnauthorized)
	r.served("a program", r.request("GET", "/v1/status", "", r.bearer()))
}
