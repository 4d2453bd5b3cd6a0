package main

import "testing"

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
