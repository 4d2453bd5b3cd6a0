package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitFoundCommand is "waitfound word text": it returns when a search for the word shows the text.
func waitFoundCommand(ts *testscript.TestScript, negated bool, arguments []string) {
	if len(arguments) != 2 {
		ts.Fatalf("usage: waitfound word text")
	}
	for range 600 {
		if err := ts.Exec("dm3sync", "search", arguments[0]); err == nil && strings.Contains(ts.ReadFile("stdout"), arguments[1]) != negated {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("waited in vain for %s", arguments[1])
}

// TestQuoted: what the shell takes for one word is one, also to the search.
func TestQuoted(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"one", "two"}, "one two"},
		{[]string{`one "two three"`}, `one "two three"`},
		{[]string{"one two"}, "one two"},
		{[]string{"one", "two three"}, `one "two three"`},
		{[]string{"one", "-two three", "-four"}, `one -"two three" -four`},
		{[]string{`"one two"`, "three"}, `"one two" three`},
	} {
		if got := quoted(c.arguments); got != c.want {
			t.Errorf("%q: %s, not %s", c.arguments, got, c.want)
		}
	}
}
