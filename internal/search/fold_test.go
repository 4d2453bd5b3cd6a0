package search

import (
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
)

// TestEdits: what was edited shows once, at its place, as it reads now; an earlier text finds it, and says so; what others
// claim to edit is their own.
func TestEdits(t *testing.T) {
	first := said("alice.eth", "NEW", 1000, "meet at the harbour")
	second := said("alice.eth", "EDIT", 2000, "meet at the station", first.Hash)
	third := said("alice.eth", "EDIT", 3000, "meet at the airport", second.Hash)
	forged := said("eve.eth", "EDIT", 4000, "meet at the swamp", first.Hash)
	other := said("bob.eth", "NEW", 1500, "which station?")
	for name, pieces := range map[string][][]container.Envelope{
		"at once": {{first, second, third, forged, other}}, "one by one": {{third}, {other}, {first}, {forged}, {second}},
	} {
		r := newRig(t, nil)
		for _, piece := range pieces {
			r.history.put("bob.eth", true, piece...)
			r.update()
			r.flush()
		}
		for range 2 {
			r.expect("harbour", "meet at the airport (edited)")
			r.expect("station", "meet at the airport (edited)", "which [station]?")
			r.expect("airport", "meet at the [airport]")
			r.expect("swamp", "meet at the [swamp]")
			r.expect("meet", "[meet] at the swamp", "[meet] at the airport")
			r.reopen()
		}
		hit := r.search(Query{Text: "airport"}).Hits[0]
		if hit.Hash != first.Hash || hit.Timestamp != 1000 || !hit.Edited || hit.Former {
			t.Errorf("%s: %+v", name, hit)
		}
		// Each page shows what no page before did.
		seen, q := 0, Query{Text: "meet", Limit: 1}
		for {
			result := r.search(q)
			seen += len(result.Hits)
			if q.After = result.More; q.After == "" {
				break
			}
		}
		if seen != 2 {
			t.Errorf("%s: %d hits on pages of one", name, seen)
		}
	}
}

// TestDeletions: what its author deleted for the eyes, and what was deleted for ever, is never shown, indexed or not; its
// words leave the index.
func TestDeletions(t *testing.T) {
	r := newRig(t, nil)
	veiled := said("bob.eth", "NEW", 1000, "secret veiled")
	gone := said("bob.eth", "NEW", 2000, "secret gone")
	kept := said("bob.eth", "NEW", 3000, "secret kept")
	r.history.put("bob.eth", true, veiled, gone, kept)
	r.update()
	r.flush()
	r.expect("secret", "[secret] kept", "[secret] gone", "[secret] veiled")

	r.history.put("bob.eth", true, said("bob.eth", "DELETE_REQUEST", 4000, "", veiled.Hash), said("eve.eth", "DELETE_REQUEST", 4001, "", kept.Hash))
	r.history.mu.Lock()
	r.history.gone[gone.Hash] = true // the index has not heard of it
	r.history.mu.Unlock()
	r.update()
	r.expect("secret", "[secret] kept")

	r.history.putChunk("bob.eth", true, &container.Chunk{Tombstones: []container.Tombstone{{Hash: gone.Hash, Timestamp: gone.Timestamp}}})
	r.flush()
	r.now = r.now.Add(2 * purgeEvery)
	r.update()
	r.expect("secret", "[secret] kept")
	for _, s := range r.index.segments {
		if list, _, err := s.list("gone"); list != nil || err != nil {
			t.Error("a deleted word is in a segment", err)
		}
	}
	// It does not come back, with whatever piece.
	r.history.put("bob.eth", true, gone)
	r.flush()
	r.reopen()
	r.expect("gone")
	if found, err := r.index.candidates(t.Context(), []clause{{terms: []string{"gone"}}}, "", window{to: 1 << 60}, 10); len(found) > 0 || err != nil {
		t.Error("a deleted message was indexed again", err)
	}
}
