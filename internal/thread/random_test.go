package thread_test

import (
	"fmt"
	"testing"

	"github.com/dm3sync/dm3sync/internal/thread"
	"pgregory.net/rapid"
)

// TestRandomConversations: whatever refers to whatever, each record shows exactly once or was taken back, nobody changes what
// somebody else said, and the order of adding says nothing.
func TestRandomConversations(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		names := []string{"alice.eth", "0xa.addr.dm3.eth", "bob.eth", "BOB.eth", "eve.eth"}
		kinds := []string{"NEW", "REPLY", "EDIT", "EDIT", "EDIT", "DELETE_REQUEST", "DELETE_REQUEST", "REACTION", "READ_OPENED", "READ_RECEIVED", "LINK", "RESEND_REQUEST"}
		var list []said
		for i := range rapid.IntRange(0, 25).Draw(r, "records") {
			s := said{letter: fmt.Sprint("m", i), from: rapid.SampledFrom(names).Draw(r, "from"), kind: rapid.SampledFrom(kinds).Draw(r, "kind"),
				text: rapid.SampledFrom([]string{"", "ok", "no"}).Draw(r, "text"), at: rapid.Int64Range(1, 9).Draw(r, "at")}
			// A letter that comes later, or never, stands for a name that an envelope claims, or for nothing.
			s.about = rapid.SampledFrom([]string{"", fmt.Sprint("m", rapid.IntRange(0, 30).Draw(r, "about")), "claimed"}).Draw(r, "which")
			s.claim = rapid.SampledFrom([]string{"", "", "claimed", fmt.Sprint("m", rapid.IntRange(0, 30).Draw(r, "claim"))}).Draw(r, "claims")
			list = append(list, s)
		}
		records, letters := conversation(t, list...)
		folded := thread.Fold(records, "alice.eth", "0xa.addr.dm3.eth")
		shuffled := rapid.Permutation(records).Draw(r, "order")
		if a, b := drawn(folded, letters), drawn(thread.Fold(shuffled, "alice.eth", "0xa.addr.dm3.eth"), letters); a != b {
			r.Fatalf("%s\n%s", a, b)
		}
		b := thread.NewBuilder("alice.eth", "0xa.addr.dm3.eth")
		for _, record := range records {
			b.Add(record)
		}
		checkIndex(r, b.Index())
	})
}

func checkIndex(r *rapid.T, x *thread.Index) {
	shown := 0
	for position := range x.Len() {
		o := x.Outcome(position)
		number, visible := x.Number(position)
		switch {
		case o.Shown:
			shown++
			if e := x.Entry(number); !visible || e.Position != position {
				r.Fatalf("record %d has its own entry %d, %v", position, number, visible)
			}
		case o.Target == nil || o.Why != thread.Counts:
			r.Fatalf("record %d is nowhere: %+v", position, o)
		case o.TakenBack && visible:
			r.Fatalf("record %d was taken back, and shows at %d", position, number)
		case !o.TakenBack && !visible && o.Target.Kind != thread.KindReaction:
			r.Fatalf("record %d does not show at %+v", position, o.Target)
		}
	}
	if shown != x.Entries() {
		r.Fatalf("%d entries, %d records with one", x.Entries(), shown)
	}
	for number := range x.Entries() {
		e := x.Entry(number)
		same := func(other thread.Ref) bool { return other.From == e.From || other.Own && e.Own }
		for _, edit := range e.Edits {
			if !same(edit) {
				r.Fatalf("%s edited what %s said", edit.From, e.From)
			}
		}
		if e.Deleted != nil && !same(*e.Deleted) || e.Opened != nil && same(*e.Opened) || e.Received != nil && same(*e.Received) {
			r.Fatalf("entry %d: %+v", number, e)
		}
		if e.Reply != nil && x.Entry(e.ReplyNumber).Hash != e.Reply.Hash {
			r.Fatalf("entry %d answers %+v", number, e.Reply)
		}
	}
}
