package mirror

import (
	"cmp"
	"slices"
)

// sight is what one look shows. Maps hold names of objects and their sizes.
type sight struct {
	needed  []string          // what the catalogue names, each after what it refers to
	primary map[string]int64  // nil: not listed
	mirror  map[string]int64  // nil: not listed, what was held counts
	held    func(string) bool // what the mirror was known to hold
	waiting map[string]bool   // what the last look found at the mirror alone
	looks   int64             // of the engine, when that look began
	shared  bool              // other devices write to the mirror, too
	isHead  func(string) bool // heads come last, and go first
}

// plan is what follows from a sight. Lists of what is written are in the order of
// writing.
type plan struct {
	copies  []string // to the mirror: what it lacks
	compare []string // both have it, at sizes that differ
	restore []string // to the primary: it is needed, and two looks found it at the mirror alone
	judge   []string // needed by nobody, and two looks found it at the mirror alone
	waiting map[string]bool
	gone    []string // the mirror held it, it is needed, and not there any more
	back    int      // what is at the mirror, was not there before, and is needed by nobody
	wiped   bool
}

// decide compares places. It is a pure function: what it says follows from the
// sight alone, and an empty or older primary never takes anything from the mirror,
// since what is needed is the catalogue's word.
func decide(s sight) plan {
	p := plan{waiting: make(map[string]bool)}
	needed := make(map[string]bool, len(s.needed))
	there := func(name string) bool {
		if s.mirror == nil {
			return s.held(name)
		}
		_, ok := s.mirror[name]
		return ok
	}
	want := func(name string) {
		if there(name) {
			return
		}
		p.copies = append(p.copies, name)
		if s.mirror != nil && s.held(name) {
			p.gone = append(p.gone, name)
		}
	}
	for _, name := range s.needed {
		needed[name] = true
		want(name)
	}
	for _, name := range ordered(s.primary, s.isHead) {
		if !needed[name] {
			want(name)
		}
		if size, ok := s.mirror[name]; ok && size != s.primary[name] {
			p.compare = append(p.compare, name)
		}
	}
	for _, name := range ordered(s.mirror, s.isHead) {
		p.look(s, name, needed[name])
	}
	slices.SortStableFunc(p.copies, func(a, b string) int { return rank(s.isHead(a)) - rank(s.isHead(b)) })
	p.wiped = s.mirror != nil && len(s.mirror) == 0 && len(p.gone) > 0
	return p
}

// look decides on an object that the mirror has.
func (p *plan) look(s sight, name string, needed bool) {
	_, atPrimary := s.primary[name]
	if atPrimary || needed && s.primary == nil {
		return // both have it, as far as is known
	}
	if !needed && !s.held(name) {
		p.back++
	}
	p.waiting[name] = true
	switch again := s.waiting[name] || s.shared; { // what another device wrote there need not wait
	case needed && again:
		p.restore = append(p.restore, name)
	case again:
		p.judge = append(p.judge, name)
	}
}

// ordered lists the names of a listing, heads last.
func ordered(listing map[string]int64, isHead func(string) bool) []string {
	names := make([]string, 0, len(listing))
	for name := range listing {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(isHead(a))-rank(isHead(b)), cmp.Compare(a, b)) })
	return names
}

func rank(isHead bool) int {
	if isHead {
		return 1
	}
	return 0
}
