package mirror

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// objects makes a listing of names, all of size 1 but those that carry another one.
func objects(names ...string) map[string]int64 {
	listing := map[string]int64{}
	for _, name := range names {
		plain, long := strings.CutSuffix(name, "+")
		listing[plain] = map[bool]int64{false: 1, true: 2}[long]
	}
	return listing
}

func words(text string) []string { return strings.Fields(text) }

func TestDecide(t *testing.T) {
	const unlisted = "-"
	for _, c := range []struct {
		name                          string
		needed, primary, mirror       string
		held, waited                  string
		shared                        bool
		copies, compare               string
		restore, judge, waiting, gone string
		back                          int
		wiped                         bool
	}{
		{name: "nothing known, nothing listed", needed: "a b heads/1", primary: unlisted, mirror: unlisted, copies: "a b heads/1"},
		{name: "only what is new", needed: "a b heads/1", primary: unlisted, mirror: unlisted, held: "a", copies: "b heads/1"},
		{name: "all is there", needed: "a heads/1", primary: "a heads/1", mirror: "a heads/1", held: "a heads/1"},
		{name: "heads come last", needed: "z heads/1", primary: "z heads/1 b heads/0", mirror: "", copies: "z b heads/1 heads/0"},
		{name: "the primary has what nothing names", needed: "a", primary: "a new", mirror: "a", copies: "new"},
		{
			name: "the primary is wiped", needed: "a b heads/1", primary: "", mirror: "a b heads/1", held: "a b heads/1",
			waiting: "a b heads/1",
		},
		{
			name: "a wiped primary is filled after two looks", needed: "a b heads/1", primary: "", mirror: "a b heads/1", held: "a b heads/1", waited: "a b heads/1",
			restore: "a b heads/1", waiting: "a b heads/1",
		},
		{
			name: "a rolled-back primary takes nothing from the mirror", needed: "a c heads/2", primary: "a b heads/1", mirror: "a c heads/2", held: "a c heads/2", waited: "c heads/2",
			copies: "b heads/1", restore: "c heads/2", waiting: "c heads/2",
		},
		{name: "superseded, first look", needed: "c", primary: "c", mirror: "a b c", held: "a b c", waiting: "a b"},
		{name: "superseded, second look", needed: "c", primary: "c", mirror: "a b c", held: "a b c", waited: "a b", judge: "a b", waiting: "a b"},
		{name: "superseded, and the primary was not listed", needed: "c", primary: unlisted, mirror: "a c", held: "a c", waited: "a", judge: "a", waiting: "a"},
		{name: "not superseded at the primary yet", needed: "c", primary: "a c", mirror: "a c", held: "a c", waited: "a"},
		{name: "the mirror is wiped", needed: "a heads/1", primary: "a heads/1", mirror: "", held: "a heads/1", copies: "a heads/1", gone: "a heads/1", wiped: true},
		{name: "the mirror is new", needed: "a heads/1", primary: "a heads/1", mirror: "", copies: "a heads/1"},
		{
			name: "the mirror is rolled back", needed: "b heads/2", primary: "b heads/2", mirror: "a heads/1", held: "b heads/2",
			copies: "b heads/2", waiting: "a heads/1", gone: "b heads/2", back: 2,
		},
		{name: "the mirror lost one", needed: "a b", primary: unlisted, mirror: "a", held: "a b", copies: "b", gone: "b"},
		{name: "what is needed no more is not lost", needed: "b", primary: "b", mirror: "b", held: "a b"},
		{name: "copies differ in size", needed: "a b", primary: "a b", mirror: "a b+", held: "a b", compare: "b"},
		{
			name: "another device wrote to the mirror", needed: "a", primary: "a", mirror: "a x heads/9", held: "a", shared: true,
			judge: "x heads/9", waiting: "x heads/9", back: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sight{
				needed: words(c.needed), shared: c.shared, waiting: map[string]bool{},
				held:   func(name string) bool { return slices.Contains(words(c.held), name) },
				isHead: func(name string) bool { return strings.HasPrefix(name, "heads/") },
			}
			for _, name := range words(c.waited) {
				s.waiting[name] = true
			}
			if c.primary != unlisted {
				s.primary = objects(words(c.primary)...)
			}
			if c.mirror != unlisted {
				s.mirror = objects(words(c.mirror)...)
			}
			p := decide(s)
			for _, part := range []struct {
				what, want string
				got        []string
			}{
				{"copies", c.copies, p.copies}, {"compare", c.compare, p.compare}, {"restore", c.restore, p.restore},
				{"judge", c.judge, p.judge}, {"gone", c.gone, p.gone},
			} {
				if !slices.Equal(words(part.want), part.got) {
					t.Errorf("%s %q, want %q", part.what, part.got, part.want)
				}
			}
			waiting := slices.Sorted(maps.Keys(p.waiting))
			if want := words(c.waiting); !slices.Equal(waiting, slices.Sorted(slices.Values(want))) || p.back != c.back || p.wiped != c.wiped {
				t.Errorf("waiting %q, back %d, wiped %v; want %q, %d, %v", waiting, p.back, p.wiped, want, c.back, c.wiped)
			}
		})
	}
}
