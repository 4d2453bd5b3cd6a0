package local

import (
	"slices"
	"strings"
	"testing"
)

// FuzzDropCopies: what is dropped has its original in the same folder and a capital letter after it; all else stays.
func FuzzDropCopies(f *testing.F) {
	f.Add("s1\ns1-DESKTOP-7K2\ns2")
	f.Add("a\na-b\na-B\na-b-C\n-A")
	f.Add("x-Y\nx-Y-Z\n-")
	f.Fuzz(func(t *testing.T, text string) {
		names := strings.Split(text, "\n")
		slices.Sort(names)
		kept := dropCopies(names)
		for _, name := range names {
			copied := slices.ContainsFunc(names, func(original string) bool {
				rest, ok := strings.CutPrefix(name, original+"-")
				return ok && original != "" && strings.ToLower(rest) != rest
			})
			if slices.Contains(kept, name) == copied {
				t.Errorf("%q in %q: kept %v", name, names, !copied)
			}
		}
	})
}
