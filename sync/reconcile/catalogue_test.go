package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
	"pgregory.net/rapid"
)

// written is a state as a head names it: of the root, of a conversation (with
// contact), or of a chunk (with chunk too).
type written struct {
	contact string
	chunk   *container.ChunkIdentifier
	ref     container.StateRef
}

func (w *written) where() string { return where(w.contact, w.chunk) }

func where(contact string, chunk *container.ChunkIdentifier) string {
	if chunk == nil {
		return contact
	}
	return fmt.Sprintf("%s/%d@%d", contact, chunk.ID, chunk.Timestamp)
}

// bodyOf is what a state that travels in a head holds, in all tests.
func bodyOf(state reconcile.State) ([]byte, error) { return []byte("body of " + state.Name), nil }

// headOf makes a head that names states as they are, whatever they replace.
func headOf(states []written) *container.Head {
	head := &container.Head{Device: "device", Incarnation: "incarnation"}
	for _, state := range states {
		if state.ref.Length > 0 {
			body, _ := bodyOf(reconcile.State{StateRef: state.ref})
			state.ref.Offset, state.ref.Length = int64(len(head.Bodies)), int64(len(body))
			head.Bodies = append(head.Bodies, body...)
		}
		refs := &head.Root
		if state.contact != "" {
			refs = talkRefs(head, &state)
		}
		*refs = append(*refs, state.ref)
	}
	return head
}

func talkRefs(head *container.Head, state *written) *[]container.StateRef {
	at := slices.IndexFunc(head.Talks, func(t container.HeadConversation) bool { return t.Contact == state.contact })
	if at < 0 {
		head.Talks = append(head.Talks, container.HeadConversation{Contact: state.contact})
		at = len(head.Talks) - 1
	}
	talk := &head.Talks[at]
	if state.chunk == nil {
		return &talk.States
	}
	talk.Chunks = append(talk.Chunks, container.HeadChunk{Identifier: *state.chunk})
	return &talk.Chunks[len(talk.Chunks)-1].States
}

// catalogueOf unites heads in the order given.
func catalogueOf(heads ...*container.Head) *reconcile.Catalogue {
	var catalogue reconcile.Catalogue
	for i, head := range heads {
		catalogue.Add(fmt.Sprint("head-", i), head)
	}
	return &catalogue
}

// absorb writes a catalogue into a head, through its bytes.
func absorb(t interface{ Fatal(...any) }, catalogue *reconcile.Catalogue, forget bool) *container.Head {
	head := &container.Head{Device: "device", Incarnation: "absorbing"}
	var names func(string) bool
	if forget {
		names = func(string) bool { return true }
	}
	if err := catalogue.Fill(head, bodyOf, names); err != nil {
		t.Fatal(err)
	}
	decoded, err := container.DecodeHead(head.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	for ref := range decoded.States() {
		if ref.Length > 0 && string(decoded.Body(ref)) != "body of "+ref.Name {
			t.Fatal("wrong body of", ref.Name)
		}
	}
	return decoded
}

// live maps each state in use, by container and name, to what is said of it,
// without its place in a head and without what it replaces.
func live(t interface{ Fatal(...any) }, catalogue *reconcile.Catalogue) map[string]string {
	states := make(map[string]string)
	catalogue.States(func(contact string, chunk *container.ChunkIdentifier, state *reconcile.State) bool {
		key := where(contact, chunk) + " " + state.Name
		if _, twice := states[key]; twice {
			t.Fatal("twice:", key)
		}
		states[key] = said(&state.StateRef)
		return true
	})
	return states
}

func said(ref *container.StateRef) string {
	return fmt.Sprint(ref.First, ref.Last, ref.Items, ref.Size, ref.Length > 0)
}

// replaced lists all names, by container, that a catalogue knows as replaced.
func replaced(catalogue *reconcile.Catalogue) map[string]bool {
	names := make(map[string]bool)
	catalogue.States(func(contact string, chunk *container.ChunkIdentifier, state *reconcile.State) bool {
		for _, name := range state.Replaces {
			names[where(contact, chunk)+" "+name] = true
		}
		return true
	})
	return names
}

// expected says what the union of all that was written is, without the code
// under test: whatever nobody replaces is in use.
func expected(all []written) (states map[string]string, gone map[string]bool) {
	states, gone = make(map[string]string), make(map[string]bool)
	for i := range all {
		for _, name := range all[i].ref.Replaces {
			gone[all[i].where()+" "+name] = true
		}
	}
	for i := range all {
		if key := all[i].where() + " " + all[i].ref.Name; !gone[key] {
			states[key] = said(&all[i].ref)
		}
	}
	return states, gone
}

// root reads "c<a,b", a state c of the root that replaces a and b.
func root(text string) written {
	name, list, _ := strings.Cut(text, "<")
	state := written{ref: container.StateRef{Name: name, Size: 1}}
	if list != "" {
		state.ref.Replaces = strings.Split(list, ",")
	}
	return state
}

// permutations yields every order of n things.
func permutations(n int) [][]int {
	orders := [][]int{nil}
	for i := range n {
		var longer [][]int
		for _, order := range orders {
			for at := range i + 1 {
				longer = append(longer, slices.Insert(slices.Clone(order), at, i))
			}
		}
		orders = longer
	}
	return orders
}

// TestReplaces adds one head for each state in every order, and in every order
// with the first few absorbed into one head.
func TestReplaces(t *testing.T) {
	cases := []struct{ name, heads, want string }{
		{"nothing", "", ""},
		{"no one replaces another", "a b c", "a b c"},
		{"the same state in two heads", "a a", "a"},
		{"one replaces another", "a b<a", "b"},
		{"one replaces several", "a b c d<a,b", "c d"},
		{"a replaced name comes once more", "a b<a a", "b"},
		{"what it replaces was never seen", "b<a", "b"},
		{"two devices replace the same state", "a b<a c<a", "b c"},
		{"two devices replace overlapping sets", "a b c d<a,b e<b,c", "d e"},
		{"a third one unites what two devices made", "a b<a c<a d<b,c,a", "d"},
		{"a chain that names all before", "a b<a c<b,a d<c,b,a", "d"},
		{"a chain that names only the last before", "a b<a c<b d<c", "d"},
		{"a chain with a link that nobody shows", "a c<b", "a c"},
		{"a chain beside another state", "a x b<a c<b", "c x"},
		{"a state is found to replace more than at first", "a b c<a c<b", "c"},
		{"a state stands without its list elsewhere", "a b<a b", "b"},
		{"the replaced one is found to replace more", "a x b b<x c<b", "a c"},
		{"a state names itself", "a<a b", "a b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			names := strings.Fields(c.heads)
			for _, order := range permutations(len(names)) {
				var heads []*container.Head
				for _, at := range order {
					heads = append(heads, headOf([]written{root(names[at])}))
				}
				for first := range len(heads) + 1 {
					grouped := append([]*container.Head{absorb(t, catalogueOf(heads[:first]...), false)}, heads[first:]...)
					if got := rootNames(catalogueOf(grouped...)); got != c.want {
						t.Fatalf("order %v, %d absorbed: %q in use, want %q", order, first, got, c.want)
					}
				}
				if got := rootNames(catalogueOf(heads...)); got != c.want {
					t.Fatalf("order %v: %q in use, want %q", order, got, c.want)
				}
			}
		})
	}
}

func rootNames(catalogue *reconcile.Catalogue) string {
	var names []string
	for _, state := range catalogue.Root {
		names = append(names, state.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestCircle: no writer makes a circle, since what is replaced was there
// before. A damaged one must not make all its states vanish.
func TestCircle(t *testing.T) {
	for _, circle := range []string{"a<b b<a", "a<b b<c c<a", "a<b,c b<a,c c<a,b"} {
		names := strings.Fields(circle)
		for _, order := range permutations(len(names)) {
			var catalogue reconcile.Catalogue
			for range 2 {
				for _, at := range order {
					catalogue.Add("head", headOf([]written{root(names[at])}))
				}
			}
			if len(catalogue.Root) != 1 {
				t.Errorf("%s in order %v: %d in use", circle, order, len(catalogue.Root))
			}
		}
	}
}

var contacts = []string{"", "bob.eth", "carol.eth"}

var identifiers = []*container.ChunkIdentifier{nil, {ID: 0, Timestamp: 10}, {ID: 1, Timestamp: 10}, {ID: 2, Timestamp: 5}}

// drawStates draws a history of states; each may replace some of those written
// before it in the same container and stand in it more than once with more or
// less of that list.
func drawStates(t *rapid.T) []written {
	var all []written
	for i := range rapid.IntRange(0, 14).Draw(t, "states") {
		state := written{contact: rapid.SampledFrom(contacts).Draw(t, "contact")}
		if state.contact != "" {
			state.chunk = rapid.SampledFrom(identifiers).Draw(t, "chunk")
		}
		state.ref = container.StateRef{Name: fmt.Sprint("state", i), First: int64(i), Last: int64(2 * i), Items: int64(i), Size: int64(100 * i)}
		if rapid.Bool().Draw(t, "inline") {
			state.ref.Length = 1
		}
		for j := range all {
			if all[j].where() == state.where() && rapid.Bool().Draw(t, "replaces") {
				state.ref.Replaces = append(state.ref.Replaces, all[j].ref.Name)
			}
		}
		all = append(all, state)
		if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
			state.ref.Replaces = state.ref.Replaces[:rapid.IntRange(0, len(state.ref.Replaces)).Draw(t, "less")]
			all = append(all, state)
		}
	}
	return all
}

// drawHeads deals states to heads; a state may stand in several.
func drawHeads(t *rapid.T, all []written) []*container.Head {
	dealt := make([][]written, rapid.IntRange(1, 6).Draw(t, "heads"))
	for i := range all {
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			at := rapid.IntRange(0, len(dealt)-1).Draw(t, "head")
			dealt[at] = append(dealt[at], all[i])
		}
	}
	heads := make([]*container.Head, len(dealt))
	for i := range dealt {
		heads[i] = headOf(dealt[i])
		heads[i].Limit = rapid.Int64Range(0, 3).Draw(t, "limit")
	}
	return heads
}

// regroup absorbs random groups of heads into one, several times over.
func regroup(t *rapid.T, heads []*container.Head) []*container.Head {
	heads = slices.Clone(heads)
	for range rapid.IntRange(0, 4).Draw(t, "absorptions") {
		heads = rapid.Permutation(heads).Draw(t, "order")
		count := rapid.IntRange(0, len(heads)).Draw(t, "absorbed")
		one := absorb(t, catalogueOf(heads[:count]...), false)
		heads = append(heads[count:], one)
	}
	return rapid.Permutation(heads).Draw(t, "order")
}

func TestOrderAndGroupingDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawStates(t)
		heads := drawHeads(t, all)
		wantLive, wantGone := expected(all)
		var limit int64
		for _, head := range heads {
			limit = max(limit, head.Limit)
		}
		catalogue := catalogueOf(regroup(t, heads)...)
		if got := live(t, catalogue); !maps.Equal(got, wantLive) {
			t.Fatalf("in use %v, want %v", got, wantLive)
		}
		if got := replaced(catalogue); !maps.Equal(got, wantGone) {
			t.Fatalf("known as replaced %v, want %v", got, wantGone)
		}
		if catalogue.Limit != limit {
			t.Fatalf("limit %d, want %d", catalogue.Limit, limit)
		}
		for _, conversation := range catalogue.Conversations {
			if !slices.IsSortedFunc(conversation.Chunks, func(a, b reconcile.Chunk) int { return a.Identifier.Compare(b.Identifier) }) {
				t.Fatal("chunks not in the order of time")
			}
		}
	})
}

// TestUnite compares with adding the heads one by one, and looks whether the
// other catalogue stays as it was.
func TestUnite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawStates(t)
		heads := drawHeads(t, all)
		cut := rapid.IntRange(0, len(heads)).Draw(t, "cut")
		first, second := catalogueOf(heads[:cut]...), catalogueOf(heads[cut:]...)
		liveBefore, goneBefore := live(t, second), replaced(second)
		first.Unite(second)
		wantLive, wantGone := expected(all)
		if got := live(t, first); !maps.Equal(got, wantLive) {
			t.Fatalf("in use %v, want %v", got, wantLive)
		}
		if got := replaced(first); !maps.Equal(got, wantGone) {
			t.Fatalf("known as replaced %v, want %v", got, wantGone)
		}
		first.Unite(first)
		if got := live(t, first); !maps.Equal(got, wantLive) {
			t.Fatalf("united with itself: in use %v, want %v", got, wantLive)
		}
		if !maps.Equal(live(t, second), liveBefore) || !maps.Equal(replaced(second), goneBefore) {
			t.Fatal("the other catalogue changed")
		}
	})
}

// TestHeadsStayAsTheyAre: what a head says may be added again and again.
func TestHeadsStayAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		heads := drawHeads(t, drawStates(t))
		var before []string
		for _, head := range heads {
			before = append(before, string(head.Append(nil)))
		}
		catalogueOf(append(heads, heads...)...)
		for i, head := range heads {
			if string(head.Append(nil)) != before[i] {
				t.Fatalf("head %d changed", i)
			}
		}
	})
}

// TestForget: once every head is absorbed, nobody names what was replaced, so
// the names may go and the states in use stay the same.
func TestForget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawStates(t)
		catalogue := catalogueOf(drawHeads(t, all)...)
		head := absorb(t, catalogue, true)
		again := catalogueOf(head)
		want, _ := expected(all)
		if got := live(t, again); !maps.Equal(got, want) {
			t.Fatalf("in use %v, want %v", got, want)
		}
		if names := replaced(again); len(names) > 0 {
			t.Fatalf("still names %v", names)
		}
		_, gone := expected(all)
		if got := replaced(catalogue); !maps.Equal(got, gone) {
			t.Fatal("filling changed the catalogue")
		}
	})
}

// TestFill looks at the head itself: order, bodies back to back, limit.
func TestFill(t *testing.T) {
	ten := &container.ChunkIdentifier{Timestamp: 10}
	inline := func(name string) container.StateRef { return container.StateRef{Name: name, Size: 9, Length: 1} }
	catalogue := catalogueOf(headOf([]written{
		{contact: "carol.eth", ref: inline("c")},
		{contact: "bob.eth", chunk: ten, ref: container.StateRef{Name: "z", Size: 7}},
		{contact: "bob.eth", chunk: ten, ref: inline("y")},
		{ref: container.StateRef{Name: "r"}},
	}))
	catalogue.Limit = 500
	head := &container.Head{Device: "d", Incarnation: "i", Limit: 400}
	if err := catalogue.Fill(head, bodyOf, nil); err != nil {
		t.Fatal(err)
	}
	if head.Limit != 500 || string(head.Bodies) != "body of ybody of c" {
		t.Errorf("limit %d, bodies %q", head.Limit, head.Bodies)
	}
	if len(head.Talks) != 2 || head.Talks[0].Contact != "bob.eth" || head.Talks[0].Chunks[0].States[0].Name != "y" {
		t.Errorf("not in order: %+v", head.Talks)
	}
	back := catalogueOf(head)
	state := back.Conversations["carol.eth"].States[0]
	if !state.Inline() || state.Head != "head-0" || back.Root[0].Inline() || back.Root[0].Head != "" {
		t.Errorf("places: %+v, %+v", state, back.Root[0])
	}
	if got := back.InlineBytes(); got != int64(len(head.Bodies)) {
		t.Errorf("%d inline bytes, want %d", got, len(head.Bodies))
	}
	missing := errors.New("gone")
	err := catalogue.Fill(&container.Head{}, func(reconcile.State) ([]byte, error) { return nil, missing }, nil)
	if !errors.Is(err, missing) {
		t.Errorf("without bodies: %v", err)
	}
}

// TestPlaceInHeads: a state that stands in several heads is found in the last
// one added, in whatever order they come.
func TestPlaceInHeads(t *testing.T) {
	head := headOf([]written{{ref: container.StateRef{Name: "a", Length: 1}}})
	var catalogue reconcile.Catalogue
	for _, name := range []string{"first", "second", "first"} {
		catalogue.Add(name, head)
		if got := catalogue.Root[0].Head; got != name || len(catalogue.Root) != 1 {
			t.Errorf("in %s, want %s", got, name)
		}
	}
}

func TestConversationChunk(t *testing.T) {
	ten := &container.ChunkIdentifier{ID: 3, Timestamp: 10}
	catalogue := catalogueOf(headOf([]written{{contact: "bob.eth", chunk: ten, ref: container.StateRef{Name: "a"}}}))
	if chunk := catalogue.Conversations["bob.eth"].Chunk(*ten); chunk == nil || chunk.States[0].Name != "a" {
		t.Errorf("%+v", chunk)
	}
	if chunk := catalogue.Conversations["bob.eth"].Chunk(container.ChunkIdentifier{Timestamp: 10}); chunk != nil {
		t.Errorf("found another one: %+v", chunk)
	}
	absent := catalogue.Conversations["nobody"]
	if absent.Chunk(*ten) != nil || absent.Extents() != nil {
		t.Error("an absent conversation has chunks")
	}
}

func TestStatesStopsEarly(t *testing.T) {
	ten := &container.ChunkIdentifier{Timestamp: 10}
	catalogue := catalogueOf(headOf([]written{
		{ref: container.StateRef{Name: "r"}}, {contact: "bob.eth", ref: container.StateRef{Name: "b"}},
		{contact: "bob.eth", chunk: ten, ref: container.StateRef{Name: "c"}},
	}))
	for most := 1; most <= 3; most++ {
		seen := 0
		catalogue.States(func(string, *container.ChunkIdentifier, *reconcile.State) bool { seen++; return seen < most })
		if seen != most {
			t.Errorf("%d seen, want %d", seen, most)
		}
	}
}

// What a head says of a replaced state reaches the heir whichever comes first, as
// long as nothing is dropped in between; and an heir that is written anew inherits.
func TestInherit(t *testing.T) {
	chunk := &container.ChunkIdentifier{ID: 1}
	name := func(name string, replaces ...string) written {
		return written{"bob.eth", chunk, container.StateRef{Name: name, Replaces: replaces}}
	}
	oldest, old, heir := headOf([]written{name("a")}), headOf([]written{name("b", "a")}), headOf([]written{name("c", "b")})
	gone := func(name string) bool { return name == "b" }
	for _, heads := range [][]*container.Head{{old, heir}, {heir, old}} {
		catalogue := catalogueOf(heads...)
		catalogue.DropAll(gone)
		catalogue.Add("late", oldest)
		if states := catalogue.Conversations["bob.eth"].Chunks[0].States; len(states) != 1 || states[0].Name != "c" {
			t.Errorf("%+v", states)
		}
	}
	catalogue := catalogueOf(old)
	for _, c := range []struct {
		contact    string
		identifier *container.ChunkIdentifier
		want       []string
	}{{"bob.eth", chunk, []string{"b", "a"}}, {"bob.eth", nil, []string{"b"}}, {"", nil, []string{"b"}}, {"carol.eth", chunk, []string{"b"}}} {
		if got := catalogue.Inherit(c.contact, c.identifier, []string{"b"}); !slices.Equal(got, c.want) {
			t.Errorf("%q %v: %q, want %q", c.contact, c.identifier, got, c.want)
		}
	}
	catalogue.DropAll(gone)
	if states := catalogue.Conversations["bob.eth"].Chunks[0].States; len(states) != 0 {
		t.Errorf("%+v", states)
	}
}
