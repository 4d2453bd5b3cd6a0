package thread

import (
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
)

// maxReactions bounds the texts beside one message, and the people beside one text: anybody can send many.
const maxReactions = 100

// Ref names a record of the conversation.
type Ref struct {
	Hash      container.MessageHash
	Timestamp int64  // Unix milliseconds
	From      string // normalised where it can be
	Own       bool   // the account's own
	Kind      Kind
}

// Reaction is one text that people put beside a message, and who did, each once, in the order of time.
type Reaction struct {
	Text string // cut after 64 bytes; hostile
	By   []Ref
}

// Entry is one line of a conversation as people see it.
type Entry struct {
	Ref
	// Position is the record's place among all, by time and hash; Number its place among the entries.
	Position, Number int
	// Why is not Counts for an edit, deletion, reaction or receipt that stands alone because it does not count, and for a
	// reply to something that is not there.
	Why Why
	// Current is the record whose text and attachments are shown: the last edit, or the entry itself.
	Current Ref
	// Size is the length of the current record's envelope, in bytes.
	Size int
	// Edits are those that count, in the order of time.
	Edits []Ref
	// Deleted is the first deletion that counts; its entry shows neither text nor attachments.
	Deleted *Ref
	// Reactions are those that nobody took back, at most 100 texts of at most 100 people; MoreReactions counts the rest.
	Reactions     []Reaction
	MoreReactions int
	// Received and Opened are the first receipts.
	Received, Opened *Ref
	// Reply is the message that this one answers, and ReplyNumber the number of its entry; nil where it is not there.
	Reply       *Ref
	ReplyNumber int
}

// Outcome is what became of one record.
type Outcome struct {
	// Shown says that it has an entry of its own; else it shows at Target, or, where it was taken back, nowhere.
	Shown bool
	Why   Why
	// Target is what it acts upon or answers; nil for none.
	Target *Ref
	// TakenBack says that it is a reaction which its author deleted.
	TakenBack bool
}

// Len returns the number of records.
func (x *Index) Len() int { return len(x.facts) }

// Entries returns the number of entries.
func (x *Index) Entries() int { return len(x.shown) }

// At returns the record at a position, 0 to Len()-1.
func (x *Index) At(position int) Ref { return x.ref(int32(position)) }

// Size is the length of the envelope at a position, in bytes.
func (x *Index) Size(position int) int { return int(x.facts[position].size) }

// Find returns a record's position, by its hash.
func (x *Index) Find(hash container.MessageHash) (position int, found bool) {
	i, found := x.position(hash)
	return int(i), found
}

// Outcome says what became of the record at a position.
func (x *Index) Outcome(position int) Outcome {
	i := int32(position)
	f := &x.facts[i]
	_, back := x.deletions[i]
	o := Outcome{Shown: !f.kind.acts() || f.why != Counts, Why: f.why, TakenBack: back && f.why == Counts}
	if f.target >= 0 {
		target := x.ref(f.target)
		o.Target = &target
	}
	return o
}

// Number returns the number of the entry at which the record at a position shows.
func (x *Index) Number(position int) (number int, shown bool) {
	i := int32(position)
	if f := &x.facts[i]; f.kind.acts() && f.why == Counts {
		if _, back := x.deletions[i]; back || x.takesBack(f) {
			return -1, false
		}
		i = f.target
	}
	return slices.BinarySearch(x.shown, i)
}

// Entry returns an entry, 0 to Entries()-1.
func (x *Index) Entry(number int) Entry {
	i := x.shown[number]
	f := &x.facts[i]
	e := Entry{Ref: x.ref(i), Position: int(i), Number: number, Why: f.why, Size: int(f.size)}
	e.Current = e.Ref
	for _, j := range x.effects[i] { // in the order of time
		x.apply(&e, j)
	}
	if f.kind == KindReply && f.target >= 0 {
		target := x.ref(f.target)
		e.Reply = &target
		e.ReplyNumber, _ = slices.BinarySearch(x.shown, f.target)
	}
	return e
}

// apply does to an entry what a record does to it.
func (x *Index) apply(e *Entry, j int32) {
	ref := x.ref(j)
	switch ref.Kind {
	case KindEdit:
		e.Edits, e.Current, e.Size = append(e.Edits, ref), ref, int(x.facts[j].size)
	case KindDelete:
		setFirst(&e.Deleted, ref)
	case KindReceived:
		setFirst(&e.Received, ref)
	case KindOpened:
		setFirst(&e.Opened, ref)
	case KindReaction:
		if _, back := x.deletions[j]; !back {
			e.react(x.reactions[ref.Hash], ref)
		}
	}
}

func (e *Entry) react(text string, by Ref) {
	same := slices.IndexFunc(e.Reactions, func(r Reaction) bool { return r.Text == text })
	switch {
	case same < 0 && len(e.Reactions) < maxReactions:
		e.Reactions = append(e.Reactions, Reaction{Text: text, By: []Ref{by}})
	case same < 0 || len(e.Reactions[same].By) >= maxReactions:
		e.MoreReactions++
	case !slices.ContainsFunc(e.Reactions[same].By, func(other Ref) bool { return other.From == by.From || other.Own && by.Own }):
		e.Reactions[same].By = append(e.Reactions[same].By, by)
	}
}

func setFirst(to **Ref, ref Ref) {
	if *to == nil {
		*to = &ref
	}
}

func (x *Index) ref(i int32) Ref {
	f := &x.facts[i]
	a := &x.authors[f.author]
	return Ref{Hash: f.hash, Timestamp: f.timestamp, From: a.name, Own: a.own, Kind: f.kind}
}

// Folded is an entry with its records.
type Folded struct {
	Entry
	// Record is the entry's own, as it was first stored; Shown the one whose text counts now; Quoted what it answers, as
	// that reads now, nil where it is not there or was deleted.
	Record, Shown, Quoted *Record
}

// Fold folds records that are all in memory. The names are those of the account, normalised.
func Fold(records []Record, own ...string) []Folded {
	b := NewBuilder(own...)
	byHash := make(map[container.MessageHash]*Record, len(records))
	for i := range records {
		b.Add(records[i])
		byHash[records[i].Hash] = &records[i]
	}
	x := b.Index()
	folded := make([]Folded, 0, x.Entries())
	for number := range x.Entries() {
		e := x.Entry(number)
		f := Folded{Entry: e, Record: byHash[e.Hash], Shown: byHash[e.Current.Hash]}
		if e.Reply != nil {
			if quoted := x.Entry(e.ReplyNumber); quoted.Deleted == nil {
				f.Quoted = byHash[quoted.Current.Hash]
			}
		}
		folded = append(folded, f)
	}
	return folded
}
