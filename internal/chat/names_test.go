package chat

import (
	"regexp"
	"strings"
	"testing"
)

func TestLabels(t *testing.T) {
	cases := map[string]string{
		"gdb":                     "gdb",
		"Jack_Sparrow":            "jack-sparrow",
		"|trey|":                  "trey",
		"starscream[2] ":          "starscream-2",
		"Fryguy--":                "fryguy",
		"--x":                     "x",
		"^_^":                     "nobody",
		"":                        "nobody",
		"naïve":                   "na-ve",
		strings.Repeat("ab_", 30): strings.TrimRight(strings.Repeat("ab-", 30)[:40], "-"),
	}
	for nick, want := range cases {
		if got := label(nick); got != want {
			t.Errorf("label(%q) = %q, want %q", nick, got, want)
		}
	}
}

// A name that normalises to itself by lowercasing alone: internal/docs/format.md part 2.
var plainName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*\.user\.dm3\.eth$`)

func TestNamesAreUniqueStableAndPlain(t *testing.T) {
	contacts := newDirectory()
	nicks := []string{"gdb", "GDB", "gdb-2", "gdb_2", "gdb-3", "g|d", "^", "_", "gdb"}
	names := map[string]int{}
	for round := range 2 {
		for i, nick := range nicks {
			name := contacts.name(Place{Conversation: strings.Repeat("x", i), Nick: nick})
			if !plainName.MatchString(name) || len(name) > 59 {
				t.Errorf("%q gave %q", nick, name)
			}
			if owner, taken := names[name]; taken && owner != i {
				t.Errorf("%q and %q share %q", nicks[owner], nick, name)
			} else if !taken && round > 0 {
				t.Errorf("%q got another name the second time: %q", nick, name)
			}
			names[name] = i
		}
	}
}
