package webui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// told is one record of a test's conversation.
type told = webtest.Told

func say(from, kind, text string, about int) told {
	return told{From: from, Kind: kind, Text: text, About: about}
}

// around cuts a window out of records, with the longest looks to either side.
func around(records []container.Envelope, from, to, behind, ahead int) *foldWindow {
	return &foldWindow{behind: records[max(0, from-behind):from], slice: records[from:to], ahead: records[to:min(len(records), to+ahead)]}
}

// drawn writes entries as text: the number of each record, "=n" the one whose text shows, "-" deleted, "+text" a reaction, "<" an
// answer, "!" what stands alone, "✓" a receipt.
func drawn(entries []foldedEntry, records []container.Envelope) string {
	number := map[container.MessageHash]int{}
	for i := range records {
		number[records[i].Hash] = i
	}
	var words []string
	for _, e := range entries {
		word := fmt.Sprint(number[e.Hash])
		if e.Current.Hash != e.Hash {
			word += fmt.Sprint("=", number[e.Current.Hash])
		}
		if e.Deleted != nil {
			word = "-" + word
		}
		for _, reaction := range e.Reactions {
			word += "+" + reaction.Text
		}
		if e.Quoted != nil {
			word += "<" + e.Quoted.Text
		}
		if e.Why != thread.Counts {
			word += "!"
		}
		if e.Received != nil || e.Opened != nil {
			word += "✓"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestFoldAtBorders: what lies in another slice than its message shows at the message while it is near, and by itself when it
// is not.
func TestFoldAtBorders(t *testing.T) {
	const a, b = "alice.eth", "bob.eth"
	list := []told{
		say(a, "NEW", "zero", -1), say(b, "NEW", "one", -1), say(a, "NEW", "two", -1), // 0 1 2
		say(b, "EDIT", "one, better", 1), say(a, "REACTION", "+", 1), say(a, "DELETE_REQUEST", "", 2), // 3 4 5
		say(a, "READ_OPENED", "", 1), say(b, "EDIT", "one, best", 3), say(a, "REPLY", "eight", 1), // 6 7 8
		say(b, "REACTION", "ok", 0), say(b, "DELETE_REQUEST", "", 9), say(a, "DELETE_REQUEST", "", 1), // 9 10 11
	}
	records := webtest.Envelopes(t, list...)
	for name, c := range map[string]struct {
		from, to, behind, ahead int
		want                    string
	}{
		"all at once":                       {0, 12, 0, 0, "0 1=7++✓ -2 8<one, best 11!"},
		"messages see what came later":      {0, 3, 0, 9, "0 1=7++✓ -2"},
		"as far as is looked":               {0, 3, 0, 2, "0 1=3++ 2"},
		"what came later shows there":       {3, 8, 3, 0, ""},
		"what is too far back, alone":       {3, 8, 0, 0, "3=7! 4! 5! 6!"},
		"an edit of an edit that is alone":  {6, 8, 3, 0, "6! 7!"},
		"an answer to what is near":         {8, 9, 8, 0, "8<one, best"},
		"an answer to what is not":          {8, 9, 0, 0, "8!"},
		"what was taken back is nowhere":    {9, 11, 9, 0, ""},
		"not even where it was, when known": {0, 1, 0, 11, "0"},
		"what does not count, alone":        {11, 12, 11, 0, "11!"},
	} {
		t.Run(name, func(t *testing.T) {
			entries := around(records, c.from, c.to, c.behind, c.ahead).fold([]string{a})
			if got := drawn(entries, records); got != c.want {
				t.Errorf("shown %q, want %q", got, c.want)
			}
		})
	}
}

// TestFoldLosesNothing: wherever the borders of slices lie, each record shows in one of them: by itself, or at the entry that it
// acts upon, unless it was taken back; and messages show once, in their order.
func TestFoldLosesNothing(t *testing.T) {
	kinds := []string{"NEW", "NEW", "NEW", "REPLY", "EDIT", "EDIT", "DELETE_REQUEST", "REACTION", "READ_OPENED"}
	rapid.Check(t, func(r *rapid.T) {
		var list []told
		for i := range rapid.IntRange(1, 40).Draw(r, "records") {
			list = append(list, told{
				From: rapid.SampledFrom([]string{"alice.eth", "bob.eth"}).Draw(r, "from"), Kind: rapid.SampledFrom(kinds).Draw(r, "kind"),
				Text: fmt.Sprint("text ", i), About: rapid.IntRange(0, max(i-1, 0)).Draw(r, "about"),
			})
		}
		list[0].Kind = "NEW"
		records := webtest.Envelopes(t, list...)
		length, behind := rapid.IntRange(1, 6).Draw(r, "length"), rapid.IntRange(0, 12).Draw(r, "behind")
		var order []container.MessageHash
		shown := map[container.MessageHash]bool{}
		taken := map[container.MessageHash]bool{}
		for from := 0; from < len(records); {
			to := min(len(records), from+rapid.IntRange(1, length).Draw(r, "slice"))
			w := around(records, from, to, behind, behind+length)
			entries := w.fold([]string{"alice.eth"})
			for _, e := range entries {
				order = append(order, e.Hash)
				mark(shown, &e)
			}
			markTaken(taken, w)
			from = to
		}
		for i, record := range records {
			if !shown[record.Hash] && !taken[record.Hash] {
				r.Fatalf("record %d (%+v) shows nowhere", i, list[i])
			}
			if isMessage := !acts(thread.Read(record).Kind); isMessage && !slices.Contains(order, record.Hash) {
				r.Fatalf("message %d has no place of its own", i)
			}
		}
		if !slices.IsSortedFunc(order, func(a, b container.MessageHash) int {
			return slices.IndexFunc(records, func(e container.Envelope) bool { return e.Hash == a }) - slices.IndexFunc(records, func(e container.Envelope) bool { return e.Hash == b })
		}) || len(slices.Compact(order)) != len(order) {
			r.Fatal("entries are out of order, or stand twice")
		}
	})
}

// mark notes what shows at an entry. A second receipt, deletion, or the same reaction says nothing new, and shows with the first.
func mark(shown map[container.MessageHash]bool, e *foldedEntry) {
	shown[e.Hash] = true
	for _, edit := range e.Edits {
		shown[edit.Hash] = true
	}
	for _, ref := range []*thread.Ref{e.Deleted, e.Received, e.Opened} {
		if ref != nil {
			shown[ref.Hash] = true
		}
	}
	for _, reaction := range e.Reactions {
		for _, by := range reaction.By {
			shown[by.Hash] = true
		}
	}
}

// markTaken notes what a slice may leave out: what was taken back, takes back, or repeats what is there.
func markTaken(taken map[container.MessageHash]bool, w *foldWindow) {
	f := newFolding(w, []string{"alice.eth"})
	for _, record := range w.slice {
		position, _ := f.index.Find(record.Hash)
		number, shown := f.index.Number(position)
		if !shown {
			taken[record.Hash] = true
			continue
		}
		e := f.index.Entry(number)
		switch f.index.At(position).Kind {
		case thread.KindDelete:
			taken[record.Hash] = taken[record.Hash] || e.Deleted != nil && e.Deleted.Hash != record.Hash && e.Hash != record.Hash
		case thread.KindOpened:
			taken[record.Hash] = taken[record.Hash] || e.Opened != nil && e.Opened.Hash != record.Hash && e.Hash != record.Hash
		}
	}
}
