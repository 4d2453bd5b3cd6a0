package main

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/search"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 38 * time.Second: "38s", time.Minute: "1m", 75 * time.Second: "1m15s", 10 * time.Minute: "10m", time.Hour: "1h",
		10 * time.Hour: "10h", 90*time.Minute + 20*time.Second: "1h30m", 30 * time.Hour: "30h", 73 * time.Hour: "3 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// TestNothingSteersTheTerminal: what a server, a file or a message brings into an output that no verb has cleaned can't
// steer the terminal. Lines and columns stay.
func TestNothingSteersTheTerminal(t *testing.T) {
	const hostile = "a\x1b]0;title\x07\x1b[2J\u009b31mb\r\u202ec\x7f\xff"
	var out, err strings.Builder
	p := &program{out: &out, err: &err}
	p.note("the place can't be asked: %v", errors.New(hostile))
	p.tell("first\nsecond %s", hostile)
	(&questions{out: &err}).tell("%s", hostile)
	printed := p.print(nil, func(w *strings.Builder) { w.WriteString("one\ttwo\n" + hostile + "\n") })
	result := search.Result{Hits: []search.Hit{{Contact: hostile, From: hostile, Snippet: []search.Part{{Text: hostile, Match: true}}}}}
	found := p.printStyled(nil, func(w *strings.Builder) { p.writeHits(w, &result) })
	if failure := errors.Join(printed, found); failure != nil {
		t.Fatal(failure)
	}
	for name, text := range map[string]string{"output": out.String(), "errors": err.String()} {
		for _, r := range text {
			if steady(r) != r && r != '\n' && r != '\t' {
				t.Errorf("%s: %q in %q", name, r, text)
			}
		}
	}
	if !strings.HasPrefix(out.String(), "one\ttwo\na·]0;title") || !strings.Contains(err.String(), "first\nsecond a·]0;title") {
		t.Errorf("lines and words are lost: %q, %q", out.String(), err.String())
	}
}

// TestWarnedSideBySide: what opens places in the background warns beside what a verb says; each sentence is said once, and whole.
func TestWarnedSideBySide(t *testing.T) {
	p, _, said := testProgram(nil)
	var group sync.WaitGroup
	for number := range 16 {
		group.Go(func() {
			p.warn("others can read the secret")
			p.note("note %d", number)
		})
	}
	group.Wait()
	lines := strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
	if len(lines) != 17 || strings.Count(said.String(), "warning: others can read the secret\n") != 1 {
		t.Errorf("%d lines: %s", len(lines), said)
	}
}
