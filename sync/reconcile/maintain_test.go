package reconcile_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
	"pgregory.net/rapid"
)

// states reads sizes: "5" is an object of 5 bytes, "i5" travels in a head.
// Names are letters in the order given.
func states(text string) []reconcile.State {
	var list []reconcile.State
	for i, field := range strings.Fields(text) {
		state := reconcile.State{StateRef: container.StateRef{Name: string(rune('a' + i))}}
		if size, inline := strings.CutPrefix(field, "i"); inline {
			field, state.Length, state.Head = size, 1, "head"
		}
		_, _ = fmt.Sscan(field, &state.Size)
		list = append(list, state)
	}
	return list
}

func pickedNames(picked []reconcile.State) string {
	var names []string
	for _, state := range picked {
		names = append(names, state.Name)
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

func TestCompact(t *testing.T) {
	cases := []struct {
		name          string
		sizes         string
		closed, spill bool
		want          string
	}{
		{"nothing, open", "", false, false, ""},
		{"nothing, closed", "", true, true, ""},
		{"one state, closed", "5", true, false, ""},
		{"one state, spill", "5", true, true, ""},
		{"one state in a head, closed", "i5", true, false, ""},
		{"one state in a head, spill", "i5", true, true, "a"},
		{"two states, open", "5 5", false, false, ""},
		{"two states, closed", "5 900", true, false, "ab"},
		{"two states in heads, closed", "i5 i5", true, false, ""},
		{"an object and one in a head, closed", "900 i5", true, false, ""},
		{"as many as may be, open", "1 1 1 1 1 1 1 1", false, false, ""},
		{"too many equal ones", "1 1 1 1 1 1 1 1 1", false, false, "abcdefghi"},
		{"those in heads do not count, open", "1 1 1 1 1 1 1 1 i1", false, false, ""},
		{"a large one stays", "99 1 1 1 1 1 1 1 1", false, false, "bcdefghi"},
		{"a large one and a middle one stay", "1 99 1 1 1 30 1 1 1", false, false, "acdeghi"},
		{"the middle one's turn comes", "1 99 1 1 1 14 1 1 1", false, false, "acdefghi"},
		{"spill with nothing in heads", "1 1 1", false, true, ""},
		{"spill leaves larger objects", "i1 i1 9 9", false, true, "ab"},
		{"spill takes what is not larger", "i4 i1 9 10", false, true, "abcd"},
		{"spill takes step by step", "i4 8 24 73", false, true, "abc"},
		{"spill of a closed one takes all", "i4 8 24 9999", true, true, "abcd"},
		{"spill of a closed one without heads", "8 24 9999", true, true, "abc"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			list := states(c.sizes)
			before := slices.Clone(list)
			if got := pickedNames(reconcile.Compact(list, c.closed, c.spill)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			for i := range list {
				if list[i].Name != before[i].Name {
					t.Fatal("the states were reordered")
				}
			}
		})
	}
}

// store is a container whose states are compacted after each append.
type store struct {
	states          []reconcile.State
	made            int
	written, spills int64 // bytes rewritten from objects, from heads
	most            int   // objects
}

func (s *store) name() string { s.made++; return fmt.Sprintf("state%06d", s.made) }

func (s *store) append(size int64, inline bool) {
	state := reconcile.State{StateRef: container.StateRef{Name: s.name(), Size: size}}
	if inline {
		state.Length, state.Head = size, "head"
	}
	s.states = append(s.states, state)
}

// compact compacts until nothing is left to do and returns how often.
func (s *store) compact(t interface{ Fatalf(string, ...any) }, closed, spill bool) (rounds int) {
	for ; ; rounds++ {
		picked := reconcile.Compact(s.states, closed, spill)
		if len(picked) == 0 {
			break
		}
		s.replace(t, picked)
	}
	objects := 0
	for i := range s.states {
		if !s.states[i].Inline() {
			objects++
		}
	}
	s.most = max(s.most, objects)
	return rounds
}

func (s *store) replace(t interface{ Fatalf(string, ...any) }, picked []reconcile.State) {
	var size int64
	inline := 0
	for _, state := range picked {
		at := slices.IndexFunc(s.states, func(other reconcile.State) bool { return other.Name == state.Name })
		if at < 0 {
			t.Fatalf("%s is not there or picked twice", state.Name)
		}
		s.states = slices.Delete(s.states, at, at+1)
		size += state.Size
		if state.Inline() {
			inline++
			s.spills += state.Size
		} else {
			s.written += state.Size
		}
	}
	if len(picked) == 1 && inline == 0 {
		t.Fatalf("one object rewritten for nothing")
	}
	s.states = append(s.states, reconcile.State{StateRef: container.StateRef{Name: s.name(), Size: size}})
}

// growth is how many times a byte may be written again until its state has
// grown from one size to another, by half at least each time.
func growth(from, to int64) float64 { return math.Log(float64(to)/float64(from)) / math.Log(1.5) }

// TestCompactOften appends small states for a long time.
func TestCompactOften(t *testing.T) {
	for _, c := range []struct {
		name   string
		inline int // appends between two spills, 0 for objects at once
	}{{"as objects", 0}, {"in heads, spilled often", 3}, {"in heads, spilled seldom", 100}} {
		t.Run(c.name, func(t *testing.T) {
			const appends = 5000
			random := rand.New(rand.NewPCG(1, 2))
			var s store
			var total int64
			for i := range appends {
				size := 300 + random.Int64N(1700)
				total += size
				s.append(size, c.inline > 0)
				s.compact(t, false, c.inline > 0 && i%c.inline == 0)
			}
			s.compact(t, false, true)
			bound := float64(total) * growth(300, total)
			t.Logf("%d bytes, %.1f times rewritten (bound %.1f), at most %d objects", total, float64(s.written)/float64(total), bound/float64(total), s.most)
			if float64(s.written) > bound {
				t.Errorf("%d bytes rewritten, bound %.0f", s.written, bound)
			}
			if s.spills > total {
				t.Errorf("%d bytes left heads, %d came", s.spills, total)
			}
			if s.most > reconcile.ManyStates {
				t.Errorf("%d objects", s.most)
			}
		})
	}
}

// TestCompactProperties appends states of any sizes, in heads and beside them.
func TestCompactProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s store
		var total int64
		smallest := int64(math.MaxInt64)
		for range rapid.IntRange(1, 120).Draw(t, "appends") {
			size := int64(1) << rapid.IntRange(4, 16).Draw(t, "bits") // all together stay below CompactMost
			size += rapid.Int64Range(0, size).Draw(t, "size")
			total, smallest = total+size, min(smallest, size)
			s.append(size, rapid.Bool().Draw(t, "inline"))
			spill := rapid.IntRange(0, 9).Draw(t, "spill") == 0
			if rounds := s.compact(t, false, spill); rounds > 3 {
				t.Fatalf("%d rounds in one pass", rounds)
			}
			checkStates(t, &s)
			if spill && slices.ContainsFunc(s.states, func(state reconcile.State) bool { return state.Inline() }) {
				t.Fatal("spilled and still in a head")
			}
		}
		if bound := float64(total) * growth(smallest, total); float64(s.written) > bound {
			t.Fatalf("%d bytes rewritten, bound %.0f", s.written, bound)
		}
		s.compact(t, true, true)
		if len(s.states) != 1 || s.states[0].Inline() || s.states[0].Size != total {
			t.Fatalf("closed with %d states", len(s.states))
		}
	})
}

// TestCompactMost: states that are too much for one, as a flood of messages of one
// timestamp makes them, become as few as fit, and then stay.
func TestCompactMost(t *testing.T) {
	const piece = reconcile.CompactMost / 20
	for _, closed := range []bool{false, true} {
		var list []reconcile.State
		for i := range 1000 {
			list = append(list, reconcile.State{StateRef: container.StateRef{Name: fmt.Sprintf("state%d", i), Size: piece}})
			for rounds := 0; ; rounds++ {
				picked := reconcile.Compact(list, closed, i%100 == 0)
				if len(picked) == 0 {
					break
				}
				union := reconcile.State{StateRef: container.StateRef{Name: fmt.Sprintf("union%d.%d", i, rounds)}}
				for _, state := range picked {
					union.Size += state.Size
				}
				if union.Size > reconcile.CompactMost || len(picked) < 2 || rounds > 3 {
					t.Fatalf("%d states of %d bytes in round %d", len(picked), union.Size, rounds)
				}
				list = slices.DeleteFunc(list, func(s reconcile.State) bool {
					return slices.ContainsFunc(picked, func(p reconcile.State) bool { return p.Name == s.Name })
				})
				list = append(list, union)
			}
		}
		if len(list) > 1000/20*2+reconcile.ManyStates {
			t.Errorf("closed %v: %d states are left", closed, len(list))
		}
	}
}

// checkStates: objects are few, or each is more than twice as large as all
// smaller ones together, so that there are no more than a logarithm of them.
func checkStates(t *rapid.T, s *store) {
	var sizes []int64
	for i := range s.states {
		if !s.states[i].Inline() {
			sizes = append(sizes, s.states[i].Size)
		}
	}
	if len(sizes) <= reconcile.ManyStates {
		return
	}
	slices.Sort(sizes)
	var sum int64
	for i, size := range sizes {
		if i > 0 && size <= 2*sum {
			t.Fatalf("%d objects of sizes %v", len(sizes), sizes)
		}
		sum += size
	}
}

func conversation(parts ...[]reconcile.State) *reconcile.Conversation {
	talk := &reconcile.Conversation{}
	for i, part := range parts {
		talk.Chunks = append(talk.Chunks, reconcile.Chunk{
			Identifier: container.ChunkIdentifier{ID: int64(i), Timestamp: int64(i+1) * 100}, States: part,
		})
	}
	return talk
}

func TestStrays(t *testing.T) {
	one := func(first, last int64) []reconcile.State { return []reconcile.State{span("a", first, last, 10)} }
	empty := []reconcile.State{{StateRef: container.StateRef{Name: "e"}}}
	cases := []struct {
		name string
		talk *reconcile.Conversation
		want []int
	}{
		{"no chunk", conversation(), nil},
		{"all at home", conversation(one(100, 199), one(200, 299), one(300, 999)), nil},
		{"older than all is at home in the first", conversation(one(0, 50), one(200, 250)), nil},
		{"the first holds what the second covers", conversation(one(100, 200), one(200, 250)), []int{0}},
		{"the second holds what the first covers", conversation(one(100, 150), one(199, 250)), []int{1}},
		{"the last is never too late", conversation(one(100, 150), one(200, container.MaxInteger)), nil},
		{"only one state of a chunk", conversation([]reconcile.State{span("a", 100, 150, 1), span("b", 150, 260, 1)}, one(200, 250)), []int{0}},
		{"each one", conversation(one(250, 260), one(100, 120), one(100, 120)), []int{0, 1, 2}},
		{"a state without items spans nothing", conversation(one(100, 150), empty, empty), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.talk.Strays(); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	var nobody *reconcile.Conversation
	if got := nobody.Strays(); got != nil {
		t.Errorf("an absent conversation: %v", got)
	}
}

func TestStraysOfOneTimestamp(t *testing.T) {
	talk := conversation([]reconcile.State{span("a", 100, 150, 10)}, []reconcile.State{span("b", 200, 200, 10)}, []reconcile.State{span("c", 200, 300, 10)})
	talk.Chunks[2].Identifier.Timestamp = 200
	if got := talk.Strays(); !slices.Equal(got, []int{1}) {
		t.Errorf("%v: of two chunks of one timestamp the later one covers", got)
	}
}

func TestOverfull(t *testing.T) {
	one := func(first, last, size int64) []reconcile.State {
		return []reconcile.State{span("a", first, last, size)}
	}
	inline := one(100, 150, 11)
	inline[0].Length = 5
	cases := []struct {
		name string
		talk *reconcile.Conversation
		want []int
	}{
		{"no chunk", conversation(), nil},
		{"no state", conversation(nil), nil},
		{"at the limit", conversation(one(100, 150, 10)), nil},
		{"above the limit", conversation(one(100, 150, 11)), []int{0}},
		{"one timestamp", conversation(one(100, 100, 11)), nil},
		{"in two states, which may overlap", conversation([]reconcile.State{span("a", 100, 150, 11), span("b", 100, 150, 11)}), nil},
		{"in a head", conversation(inline), nil},
		{"two of three", conversation(one(100, 150, 11), one(200, 250, 9), one(300, 350, 11)), []int{0, 2}},
		{"it holds strays", conversation(one(100, 250, 11), one(200, 250, 9)), nil},
		{"its predecessor holds strays", conversation(one(100, 250, 9), one(200, 250, 11)), nil},
		{"its successor holds strays", conversation(one(100, 150, 11), one(150, 250, 9)), []int{0}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.talk.Overfull(10); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// heads makes some live heads of each size.
func heads(counts map[int64]int) []reconcile.HeadInfo {
	var list []reconcile.HeadInfo
	for size, count := range counts {
		for i := range count {
			list = append(list, reconcile.HeadInfo{Name: fmt.Sprintf("%d-%02d", size, i), Size: size})
		}
	}
	return list
}

func TestAbsorb(t *testing.T) {
	const small, middle, large = 2 << 10, 60 << 10, 900 << 10
	cases := []struct {
		name   string
		counts map[int64]int
		want   map[int64]int
	}{
		{"no heads", nil, nil},
		{"few", map[int64]int{small: 15, middle: 15, large: 15}, nil},
		{"many small ones", map[int64]int{small: 16, middle: 15, large: 3}, map[int64]int{small: 16}},
		{"many middle ones take the small ones along", map[int64]int{small: 2, middle: 16, large: 3}, map[int64]int{small: 2, middle: 16}},
		{"many of two classes", map[int64]int{small: 20, large: 17, middle: 1}, map[int64]int{small: 20, middle: 1, large: 17}},
		{"edges of a class", map[int64]int{4096: 8, 4097: 8}, nil},
		{"one class", map[int64]int{4097: 8, 65536: 8, 65537: 1}, map[int64]int{4097: 8, 65536: 8}},
		{"empty ones", map[int64]int{0: 16}, map[int64]int{0: 16}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			for _, head := range heads(c.want) {
				want = append(want, head.Name)
			}
			slices.Sort(want)
			if got := reconcile.Absorb(heads(c.counts)); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// TestAbsorbOften writes heads for a long time: few are live at any time, and
// what they say is written again a few times only.
func TestAbsorbOften(t *testing.T) {
	padded := func(size int64) int64 { return (size + 2047) / 2048 * 2048 }
	for _, entry := range []int64{80, 1500, 40_000} {
		var live []reconcile.HeadInfo
		said := make(map[string]int64) // bytes without padding
		var total, written int64
		most := 0
		for i := range int64(20_000) {
			names := reconcile.Absorb(live)
			total += entry
			name, size := fmt.Sprint("head-", i), entry
			for _, absorbed := range names {
				size += said[absorbed]
				delete(said, absorbed)
			}
			live = slices.DeleteFunc(live, func(head reconcile.HeadInfo) bool { return slices.Contains(names, head.Name) })
			live = append(live, reconcile.HeadInfo{Name: name, Size: padded(200 + size)})
			said[name] = size
			written += size
			most = max(most, len(live))
		}
		classes := math.Log(float64(total)/4096)/math.Log(16) + 2
		t.Logf("%d bytes each: at most %d live, written %.1f times, %.1f classes", entry, most, float64(written)/float64(total), classes)
		if float64(most) > reconcile.ManyHeads*classes {
			t.Errorf("%d heads live", most)
		}
		// The smallest class holds up to 4 KiB, which may be written with each of its heads.
		if float64(written) > float64(total)*(classes+4096/float64(entry)/reconcile.ManyHeads+1) {
			t.Errorf("%d bytes written for %d", written, total)
		}
	}
}
