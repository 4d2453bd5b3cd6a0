package webui

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dm3sync/dm3sync/internal/activity"
)

func TestRelativeTimes(t *testing.T) {
	now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", 9 * time.Second: "just now", 59 * time.Second: "59 seconds ago", time.Minute: "1 minute ago", 3*time.Hour + time.Minute: "3 hours ago",
		47 * time.Hour: "47 hours ago", 2000 * 24 * time.Hour: "2,000 days ago", -5 * time.Second: "in a moment", -90 * time.Second: "in 1 minute", -72 * time.Hour: "in 3 days",
	} {
		if got := relative(now.Add(-d), now); got != want {
			t.Errorf("%v: %q, not %q", d, got, want)
		}
	}
	if relative(time.Time{}, now) != "never" {
		t.Error("no time is one")
	}
}

func TestRemainingTime(t *testing.T) {
	start := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		done, total int64
		after       time.Duration
		want        string
	}{
		{0, 100, time.Hour, ""}, {1, 0, time.Hour, ""}, {50, 100, time.Second, ""}, // too little to tell
		{25, 100, 20 * time.Second, "about 60 seconds"}, {50, 100, 10 * time.Minute, "about 10 minutes"}, {99, 100, time.Minute, "a few seconds"},
		{1, 1 << 62, time.Minute, "about 1,000 hours"}, {200, 100, time.Minute, "a few seconds"},
	} {
		row := newJobRow(activity.JobStatus{Started: start, Done: c.done, Total: c.total}, start.Add(c.after))
		if row.Left != c.want {
			t.Errorf("%d of %d after %v: %q, not %q", c.done, c.total, c.after, row.Left, c.want)
		}
	}
}

func TestLines(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "a\nb\tc": "a b c", "a\u202eb": "a·b", "\x1b[31m": "·[31m", "\xffx": "\ufffdx", strings.Repeat("é", 9): strings.Repeat("é", 9),
		strings.Repeat("é", 11): strings.Repeat("é", 10) + "…",
	} {
		if got := line(text, 10); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
	if got := line("a"+strings.Repeat("\u0301", 10_000), 10); utf8.RuneCountInString(got) > 11 {
		t.Errorf("%d accents", utf8.RuneCountInString(got))
	}
	for text, want := range map[string]string{
		"run `a b` now": "<bdi>run <code>a b</code> now</bdi>", "`<b>`": "<bdi><code>&lt;b&gt;</code></bdi>", "a ` b": "<bdi>a ` b</bdi>", "": "<bdi></bdi>",
	} {
		if got := string(words(text)); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "the place is away": "The place is away.", "webdav: put x": "webdav: put x.", "Done. ": "Done.", "why?": "Why?", "über": "Über.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestShownSize: a picture keeps its shape.
func TestShownSize(t *testing.T) {
	for _, c := range [][4]int{{480, 270, 480, 270}, {1000, 2000, 192, 384}, {1, 5000, 1, 384}, {384, 384, 384, 384}, {0, 0, 0, 0}} {
		if w, h := shownSize(c[0], c[1]); w != c[2] || h != c[3] {
			t.Errorf("%v: %d, %d", c, w, h)
		}
	}
}
