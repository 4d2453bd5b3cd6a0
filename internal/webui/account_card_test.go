package webui_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/limits"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// TestWhoIsNeeded: a place that is away for a while needs nobody; one that refuses the login, or is away for long, does.
func TestWhoIsNeeded(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		title, failed string
		kind          obstacle.Kind
		last          time.Time
		stuck, needed bool
	}{
		{"well", "", obstacle.None, now, false, false},
		{"away for a minute", "local: is the drive mounted? providers: not reachable for the moment", obstacle.Unreachable, now.Add(-time.Minute), false, false},
		{"away for hours", "local: is the drive mounted? providers: not reachable for the moment", obstacle.Unreachable, now.Add(-2 * time.Hour), false, true},
		{"away, and messages wait", "providers: not reachable for the moment", obstacle.Unreachable, now.Add(-time.Minute), true, true},
		{"never there", "providers: not reachable for the moment", obstacle.Unreachable, time.Time{}, false, true},
		{"refused", "webdav: list: providers: unauthorised", obstacle.Refused, now.Add(-time.Minute), false, true},
		{"full", "webdav: put: providers: out of space", obstacle.Room, now.Add(-time.Minute), false, true},
	} {
		t.Run(c.title, func(t *testing.T) {
			a := webtest.Healthy("alice.eth")
			a.State.LastError, a.State.Obstacle, a.State.LastSuccess, a.State.Stuck, a.State.Mirrors = c.failed, c.kind, c.last, c.stuck, nil
			site := newSite(t, webtest.NewBackend(a))
			answer := httptest.NewRecorder()
			site.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
			page := answer.Body.String()
			if needed := strings.Contains(page, "This account needs you"); needed != c.needed || needed == strings.Contains(page, "All is well") {
				t.Errorf("somebody is needed: %v, want %v", needed, c.needed)
			}
			if again := strings.Contains(page, "Trying again"); again != (c.failed != "" && !c.needed) {
				t.Errorf("it tries again: %v", again)
			}
		})
	}
}

// TestLimitsOnThePage: why nothing runs now is said: a limit, which ends by itself, is no pause that somebody has to end.
func TestLimitsOnThePage(t *testing.T) {
	a := webtest.Healthy("alice.eth")
	backend := webtest.NewBackend(a)
	site := newSite(t, backend)
	overview := func() string {
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		return answer.Body.String()
	}
	const resume = `action="/accounts/resume"`
	a.State.NextPass = time.Time{}
	backend.Limits = []api.Limit{{Kind: limits.KindMetered, Text: "the network is metered, so what waits is uploaded"}, {Kind: limits.KindDisk, Text: "<b>little"}, {Kind: "new"}}
	a.State.Small = true
	for _, want := range []string{"This machine needs you", "This machine needs room.", "The network is metered, so", "&lt;b&gt;little", "A limit is in force.", "Uploads only", "when something waits"} {
		if page := overview(); !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	a.State.Small, a.State.Paused, a.State.Held = false, true, true
	if page := overview(); !strings.Contains(page, "Held back") || strings.Contains(page, resume) {
		t.Error("a limit is shown as a pause")
	}
	a.State.Held = false
	if page := overview(); strings.Contains(page, "Held back") || !strings.Contains(page, resume) || !strings.Contains(page, "when you ask") {
		t.Error("a pause is not shown as one")
	}
	a.State.PausedUntil = backend.Time.Add(30*time.Minute + time.Second)
	if page := overview(); !strings.Contains(page, "in 30 minutes") {
		t.Error("the end of the pause is not shown")
	}
}
