package thread

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// maxReaction is how many bytes of a reaction's text are kept: an emoji of many parts, or a word.
const maxReaction = 64

// fact is what the index keeps of a record.
type fact struct {
	hash      container.MessageHash
	timestamp int64
	reference *container.MessageHash
	other     *container.MessageHash
	author    int32
	size      int32
	target    int32 // position of what it acts upon or answers, after edits were followed; -1: none
	kind      Kind
	why       Why
	state     uint8
}

// States of resolving a fact.
const (
	stateNew uint8 = iota
	stateBusy
	stateDone
)

func (f *fact) compare(other *fact) int {
	return cmp.Or(cmp.Compare(f.timestamp, other.timestamp), bytes.Compare(f.hash[:], other.hash[:]))
}

// author is one name that messages come from.
type author struct {
	name string // normalised where it can be
	own  bool
}

// Builder gathers the records of one conversation. It is not safe for concurrent use.
type Builder struct {
	own       map[string]bool
	authors   []author
	byName    map[string]int32 // as given, and normalised
	facts     []fact
	reactions map[container.MessageHash]string
}

// NewBuilder returns an empty builder. The names are those of the account, normalised: they all are one author.
func NewBuilder(own ...string) *Builder {
	b := &Builder{own: map[string]bool{}, byName: map[string]int32{}, reactions: map[container.MessageHash]string{}}
	for _, name := range own {
		b.own[name] = true
	}
	return b
}

// Add takes a record, in any order; one that was added before changes nothing. The record is not kept.
func (b *Builder) Add(r Record) {
	b.facts = append(b.facts, fact{
		hash: r.Hash, timestamp: r.Timestamp, reference: r.Reference, other: r.other, author: b.author(r.From),
		size: int32(min(len(r.JSON), 1<<30)), target: -1, kind: r.Kind,
	})
	if r.Kind == KindReaction {
		text := r.Text
		if len(text) > maxReaction {
			text = string(bytes.ToValidUTF8([]byte(text[:maxReaction]), nil)) + "…"
		}
		b.reactions[r.Hash] = text
	}
}

// AddEnvelope is Add for a record that is not read yet, and costs less.
func (b *Builder) AddEnvelope(envelope container.Envelope) { b.Add(readHead(envelope)) }

// author returns the number of a name.
func (b *Builder) author(given string) int32 {
	if number, known := b.byName[given]; known {
		return number
	}
	name := given
	if normal, err := identity.Normalize(given); err == nil && normal != "" {
		name = normal
	}
	number, known := b.byName[name]
	if !known {
		number = int32(len(b.authors))
		b.authors = append(b.authors, author{name: name, own: b.own[name]})
		b.byName[name] = number
	}
	b.byName[given] = number
	return number
}

// Index knows what became of each record of a conversation. It does not change, and is safe for concurrent use.
type Index struct {
	authors   []author
	facts     []fact  // by time, then hash
	byHash    []int32 // positions, by hash
	byOther   []int32 // positions of those with another name, by that, then by position
	shown     []int32 // positions of the entries
	effects   map[int32][]int32
	deletions map[int32]int32 // position of a reaction -> of its deletion
	reactions map[container.MessageHash]string
}

// Index resolves what was added; the builder must not be used afterwards.
func (b *Builder) Index() *Index {
	slices.SortFunc(b.facts, func(a, c fact) int { return a.compare(&c) })
	b.facts = slices.CompactFunc(b.facts, func(a, c fact) bool { return a.hash == c.hash })
	x := &Index{authors: b.authors, facts: b.facts, reactions: b.reactions, effects: map[int32][]int32{}, deletions: map[int32]int32{}}
	x.byHash = make([]int32, len(x.facts))
	for i := range x.facts {
		x.byHash[i] = int32(i)
		if x.facts[i].other != nil {
			x.byOther = append(x.byOther, int32(i))
		}
	}
	slices.SortFunc(x.byHash, func(i, j int32) int { return bytes.Compare(x.facts[i].hash[:], x.facts[j].hash[:]) })
	slices.SortStableFunc(x.byOther, func(i, j int32) int { return bytes.Compare(x.facts[i].other[:], x.facts[j].other[:]) })
	for i := range x.facts {
		x.resolve(int32(i))
	}
	for i := range x.facts {
		x.gather(int32(i))
	}
	return x
}

// gather puts a fact where it shows.
func (x *Index) gather(i int32) {
	f := &x.facts[i]
	switch {
	case !f.kind.acts() || f.why != Counts:
		x.shown = append(x.shown, i)
	case x.takesBack(f):
		if _, deleted := x.deletions[f.target]; !deleted {
			x.deletions[f.target] = i
		}
	default:
		x.effects[f.target] = append(x.effects[f.target], i)
	}
}

// takesBack tells whether a fact deletes a reaction that would count.
func (x *Index) takesBack(f *fact) bool {
	return f.kind == KindDelete && f.why == Counts && x.facts[f.target].kind == KindReaction && x.facts[f.target].why == Counts
}

// position finds a record by its own hash.
func (x *Index) position(hash container.MessageHash) (int32, bool) {
	at, found := slices.BinarySearchFunc(x.byHash, hash, func(i int32, want container.MessageHash) int {
		return bytes.Compare(x.facts[i].hash[:], want[:])
	})
	if !found {
		return -1, false
	}
	return x.byHash[at], true
}

// lookup finds what a fact refers to. A record's own hash goes first. Other names are only claimed: of several that claim
// one, that of the same author is meant, else the first.
func (x *Index) lookup(f *fact) int32 {
	if f.reference == nil {
		return -1
	}
	if i, found := x.position(*f.reference); found {
		return i
	}
	at, found := slices.BinarySearchFunc(x.byOther, *f.reference, func(i int32, want container.MessageHash) int {
		return bytes.Compare(x.facts[i].other[:], want[:])
	})
	if !found {
		return -1
	}
	first := x.byOther[at]
	for ; at < len(x.byOther) && *x.facts[x.byOther[at]].other == *f.reference; at++ {
		if x.sameAuthor(&x.facts[x.byOther[at]], f) {
			return x.byOther[at]
		}
	}
	return first
}

// sameAuthor takes all names of the account for one.
func (x *Index) sameAuthor(a, b *fact) bool {
	return a.author == b.author || x.authors[a.author].own && x.authors[b.author].own
}
