package search

import (
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
)

func messages(contact string, from, count int, text string) (list []container.Envelope) {
	for i := range count {
		list = append(list, said(contact, "NEW", int64(from+i), text))
	}
	return list
}

// TestGaps: what was never here is said, with what fetching it takes; once it came, it is found. What was indexed and left
// the device stays found, and is fetched when it is shown.
func TestGaps(t *testing.T) {
	r := newRig(t, nil)
	r.history.put("bob.eth", true, messages("bob.eth", 5000, 3, "near")...)
	far := r.history.put("bob.eth", false, messages("bob.eth", 1000, 4, "far")...)
	id := far.ID
	r.history.put("carol.eth", false, messages("carol.eth", 100, 2, "far too")...)
	r.update()
	result := r.search(Query{Text: "far"})
	want := []Gap{{Contact: "bob.eth", From: 1000, To: 1004, Messages: 4, Fetch: 1, Reason: ReasonFar}, {Contact: "carol.eth", From: 100, To: 102, Messages: 2, Fetch: 1, Reason: ReasonFar}}
	if len(result.Hits) != 0 || !slices.Equal(result.Missing, want) || result.MissingMessages != 6 || result.MissingFar != 6 || result.MissingFetch != 2 || result.Indexed != 3 {
		t.Fatalf("%+v", result)
	}
	if result := r.search(Query{Text: "far", Contact: "Carol.eth"}); !slices.Equal(result.Missing, want[1:]) {
		t.Errorf("of carol: %+v", result)
	}
	if result := r.search(Query{Text: "far", From: 200, To: 1000}); len(result.Missing) != 0 || result.MissingMessages != 0 {
		t.Errorf("between: %+v", result)
	}
	r.history.mu.Lock()
	r.history.pieces["bob.eth"][1].Here = true // somebody fetched it
	r.history.mu.Unlock()
	r.index.Arrived()
	r.update()
	if result := r.search(Query{Text: "far"}); len(result.Hits) != 4 || !slices.Equal(result.Missing, want[1:]) {
		t.Fatalf("after fetching: %+v", result)
	}

	r.history.mu.Lock()
	r.history.pieces["bob.eth"][1].Here, r.history.evicted[id] = false, true
	r.history.mu.Unlock()
	r.flush()
	r.reopen()
	r.update()
	if result := r.search(Query{Text: "far"}); len(result.Hits) != 4 || result.Hits[0].Snippet == nil || !slices.Equal(result.Missing, want[1:]) {
		t.Errorf("after eviction: %+v", result)
	}
	r.history.offline = true
	if result := r.search(Query{Text: "far"}); len(result.Hits) != 4 || !strings.Contains(result.Hits[0].Unread, "not on this device") {
		t.Errorf("offline: %+v", result)
	}
}

// TestReplacedPieces: a union of pieces that were indexed is no gap, unless it has more than they had.
func TestReplacedPieces(t *testing.T) {
	r := newRig(t, nil)
	a := messages("bob.eth", 1000, 2, "one")
	b := messages("bob.eth", 2000, 2, "two")
	first, second := *r.history.put("bob.eth", true, a...), *r.history.put("bob.eth", true, b...)
	r.update()
	union := *r.history.put("bob.eth", false, append(slices.Clone(a), b...)...)
	for _, c := range []struct {
		replaces [][16]byte
		items    int
		gaps     int
	}{{[][16]byte{first.ID, second.ID}, 4, 0}, {[][16]byte{first.ID, second.ID}, 5, 1}, {[][16]byte{first.ID}, 4, 1}, {nil, 4, 1}} {
		union.Replaces, union.Items = c.replaces, c.items
		r.history.mu.Lock()
		r.history.pieces["bob.eth"] = []Piece{union}
		r.history.note("bob.eth")
		r.history.mu.Unlock()
		r.update()
		if got := len(r.search(Query{Text: "one"}).Missing); got != c.gaps {
			t.Errorf("%+v: %d gaps", c, got)
		}
	}
}

// TestWhole: with Whole, all is fetched, and what is new goes before it.
func TestWhole(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Whole = true })
	for i := range 20 {
		r.history.put("bob.eth", false, messages("bob.eth", i*100, 3, "far")...)
	}
	r.update()
	if result := r.search(Query{Text: "far", Limit: 100}); len(result.Hits) != 60 || result.MissingMessages != 0 || r.history.fetches != 20 {
		t.Errorf("%d hits, %d fetches, %+v", len(result.Hits), r.history.fetches, result.Missing)
	}
	r.history.offline = true
	r.history.put("bob.eth", false, messages("bob.eth", 10_000, 3, "far")...)
	r.update()
	if result := r.search(Query{Text: "far"}); result.MissingMessages != 3 {
		t.Errorf("offline: %+v", result)
	}
}

// TestRoom: the oldest messages leave the index when its files grow too large, and that is said; more room brings them
// back. It is never larger than it may be, not while it merges either.
func TestRoom(t *testing.T) {
	most := int64(0)
	r := newRig(t, func(o *Options) {
		o.Room, o.Memory = 200<<10, 200<<10
	})
	text := func(i int) string { return strings.Repeat("x", i%7+1) + " " + strings.Repeat("y", i%11+1) + " word" }
	for batch := range 40 {
		var list []container.Envelope
		for i := range 100 {
			list = append(list, said("bob.eth", "NEW", int64(batch*100+i), text(i)))
		}
		r.history.put("bob.eth", true, list...)
		r.flush()
		most = max(most, r.disk.Used())
	}
	r.update()
	if most > 200<<10 {
		t.Errorf("%d bytes", most)
	}
	result := r.search(Query{Text: "word", Limit: 1})
	if result.Indexed >= 4000 || result.Indexed < 1000 || len(result.Missing) != 1 || result.Missing[0].Reason != ReasonRoom || result.MissingMessages+result.Indexed < 3900 || result.MissingMessages+result.Indexed > 4100 {
		t.Errorf("%+v", result)
	}
	if result.MissingRoom != result.MissingMessages || result.RoomBefore != result.Missing[0].To {
		t.Errorf("room before %d: %+v", result.RoomBefore, result.Missing[0])
	}
	if hits := r.search(Query{Text: "word", To: result.Missing[0].To}).Hits; len(hits) != 0 {
		t.Error("found what is said not to be searched", hits[0].Timestamp)
	}
	r.options.Room = 100 << 20
	r.reopen()
	r.update()
	if result := r.search(Query{Text: "word"}); result.Indexed != 4000 || len(result.Missing) != 0 {
		t.Errorf("with room: %+v", result.Missing)
	}
}
