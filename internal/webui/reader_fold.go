package webui

import (
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// How many records a slice of a conversation has, and how many on either side it is folded with, as far as they are on this
// device. An edit, a deletion, a reaction or a receipt within the slice is left to its message when that is at most lookBehind
// records older than the slice; a message shows what was done to it within lookAhead records after its slice. As lookAhead is
// lookBehind and the longest slice together, whatever one slice leaves to another one shows there, wherever the borders lie.
// What is further apart shows as a line of its own, with a way to its message: nothing gets lost.
const (
	firstSlice   = 40  // records of the first view
	longSlice    = 100 // of the others
	longestSlice = 200 // to which one may grow while messages arrive within its time
	lookBehind   = 400
	lookAhead    = lookBehind + longestSlice
)

// foldWindow is a slice of records with their neighbours, each part in the order of time.
type foldWindow struct {
	behind, slice, ahead []container.Envelope
}

// foldedEntry is an entry of a slice.
type foldedEntry struct {
	thread.Entry
	// Shown is the record whose text counts now; Quoted what the entry answers, nil where that is not near, or was deleted.
	Shown, Quoted *thread.Record
	// Reference is what the entry's own record names; nil for nothing.
	Reference *container.MessageHash
	// Away says that the entry acts upon a record that shows as a line of its own in another slice.
	Away bool
}

// fold returns the entries of the window's slice. The names are those of the account, normalised.
func (w *foldWindow) fold(own []string) (entries []foldedEntry) {
	f := newFolding(w, own)
	for i := range w.slice {
		position, _ := f.index.Find(w.slice[i].Hash)
		if f.index.Outcome(position).Shown {
			number, _ := f.index.Number(position)
			entries = append(entries, f.entry(number))
			continue
		}
		number, shown := f.index.Number(position)
		switch {
		case !shown: // taken back
			continue
		case f.inSlice[f.index.Entry(number).Hash]: // stands there
			continue
		case acts(f.index.Entry(number).Kind): // a line of its own elsewhere, which may itself be left to another
			entries = append(entries, f.away(position))
		}
	}
	return entries
}

// last returns the newest entry that says something; found is false where there is none.
func (w *foldWindow) last(own []string) (entry foldedEntry, found bool) {
	f := newFolding(w, own)
	for number := f.index.Entries() - 1; number >= 0; number-- {
		if e := f.index.Entry(number); !acts(e.Kind) {
			return f.entry(number), true
		}
	}
	return foldedEntry{}, false
}

// folding is a window while it is folded.
type folding struct {
	index    *thread.Index
	inSlice  map[container.MessageHash]bool
	envelope map[container.MessageHash]*container.Envelope
}

func newFolding(w *foldWindow, own []string) *folding {
	n := len(w.behind) + len(w.slice) + len(w.ahead)
	f := &folding{inSlice: make(map[container.MessageHash]bool, len(w.slice)), envelope: make(map[container.MessageHash]*container.Envelope, n)}
	b := thread.NewBuilder(own...)
	for _, part := range [][]container.Envelope{w.behind, w.slice, w.ahead} {
		for i := range part {
			b.AddEnvelope(part[i])
			f.envelope[part[i].Hash] = &part[i]
		}
	}
	for i := range w.slice {
		f.inSlice[w.slice[i].Hash] = true
	}
	f.index = b.Index()
	return f
}

// entry is the entry of a number.
func (f *folding) entry(number int) foldedEntry {
	e := foldedEntry{Entry: f.index.Entry(number)}
	e.Shown = f.record(e.Current.Hash)
	if e.Current.Hash == e.Hash {
		e.Reference = e.Shown.Reference
	} else {
		e.Reference = f.record(e.Hash).Reference
	}
	if e.Reply != nil {
		if quoted := f.index.Entry(e.ReplyNumber); quoted.Deleted == nil {
			e.Quoted = f.record(quoted.Current.Hash)
		}
	}
	return e
}

// away is the entry of a record that acts upon one which shows elsewhere.
func (f *folding) away(position int) foldedEntry {
	ref := f.index.At(position)
	record := f.record(ref.Hash)
	return foldedEntry{
		Entry: thread.Entry{Ref: ref, Position: position, Why: thread.NoTarget, Current: ref, Size: f.index.Size(position)},
		Shown: record, Reference: record.Reference, Away: true,
	}
}

func (f *folding) record(hash container.MessageHash) *thread.Record {
	record := thread.Read(*f.envelope[hash])
	return &record
}

// acts tells whether records of a kind are there for what they do to another.
func acts(kind thread.Kind) bool {
	switch kind {
	case thread.KindEdit, thread.KindDelete, thread.KindReaction, thread.KindReceived, thread.KindOpened:
		return true
	}
	return false
}
