package search

import (
	"context"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// buffer is the part in memory: what was indexed since the last segment was written. Documents have numbers in the order
// in which they came.
type buffer struct {
	items []document
	terms map[string]*bufferList
	there map[bufferKey]byte // which documents there are
	bytes int                // estimate of the memory that it takes
	// messages counts documents with words, cut those that are indexed in part, tombstones those.
	messages, cut, tombstones int
	words                     map[string][]uint32
}

type bufferList struct {
	data []byte
	last uint32
	some bool
}

type bufferKey struct {
	hash    container.MessageHash
	contact string
	buried  bool
}

// What entries take in memory, about, besides their texts.
const (
	itemCost = 300 // a document, and its key in the map with the map's own room
	termCost = 160
)

func newBuffer() *buffer {
	return &buffer{terms: map[string]*bufferList{}, there: map[bufferKey]byte{}, words: map[string][]uint32{}}
}

// add takes a record in; a tombstone is one of its own kind, see bury. Records that nobody searches are left out.
func (b *buffer) add(s *splitter, contact string, r *thread.Record) {
	kind, indexed := kindOf(r)
	if !indexed {
		return
	}
	clear(b.words)
	if kind != kindRemoval && b.gather(s, text(r)) {
		kind |= flagCut
	}
	b.words[contactTerm(contact)] = nil
	if r.Reference != nil && (r.Kind == thread.KindEdit || r.Kind == thread.KindDelete) {
		b.words[referenceTerm(*r.Reference)] = nil
	}
	number := b.place(document{contact: contact, hash: r.Hash, at: r.Timestamp, kind: kind})
	for term, positions := range b.words {
		b.note(term, number, positions)
	}
}

// gather sorts the words of a text by term; cut says that it has more than are indexed.
func (b *buffer) gather(s *splitter, all string) (cutOff bool) {
	shown := cut(all, maxText)
	position := uint32(0)
	s.each(shown, func(term string, _, _ int) bool {
		if position == maxWords {
			cutOff = true
			return false
		}
		b.words[term] = append(b.words[term], position)
		position++
		return true
	})
	return cutOff || len(shown) < len(all)
}

// bury notes that a message is deleted.
func (b *buffer) bury(contact string, t container.Tombstone) {
	b.place(document{contact: contact, hash: t.Hash, at: t.Timestamp, kind: kindTombstone})
}

func (b *buffer) place(d document) uint32 {
	b.items = append(b.items, d)
	b.there[bufferKey{d.hash, d.contact, d.tombstone()}] = d.kind
	b.bytes += itemCost
	switch d.kind & kindMask {
	case kindSaid, kindEdit:
		b.messages++
	case kindTombstone:
		b.tombstones++
	}
	if d.kind&flagCut != 0 {
		b.cut++
	}
	return uint32(len(b.items) - 1)
}

func (b *buffer) note(term string, number uint32, positions []uint32) {
	list := b.terms[term]
	if list == nil {
		list = &bufferList{}
		term = strings.Clone(term)
		b.terms[term] = list
		b.bytes += termCost + len(term)
	}
	distance := number
	if list.some {
		distance -= list.last
	}
	before := cap(list.data)
	list.data = appendPosting(list.data, distance, positions)
	list.last, list.some = number, true
	b.bytes += cap(list.data) - before
}

// has tells whether a message, or its tombstone, is there.
func (b *buffer) has(d *document) bool {
	_, there := b.there[bufferKey{d.hash, d.contact, d.tombstone()}]
	return there
}

func (b *buffer) documents() int { return len(b.items) }

func (b *buffer) document(number uint32) (document, error) {
	if int(number) >= len(b.items) {
		return document{}, errDamaged
	}
	return b.items[number], nil
}

func (b *buffer) list(term string) (*cursor, int, error) {
	list := b.terms[term]
	if list == nil {
		return nil, 0, nil
	}
	return &cursor{data: list.data}, len(list.data), nil
}

func (b *buffer) lists(prefix string, visit func(*cursor) error) error {
	for term, list := range b.terms {
		if strings.HasPrefix(term, prefix) {
			if err := visit(&cursor{data: list.data}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *buffer) newest(_ context.Context, s set, w window, visit func(document) bool) error {
	var found []document
	for number := range b.items {
		if d := &b.items[number]; s.has(uint32(number)) && !d.tombstone() && w.holds(d) {
			found = append(found, *d)
		}
	}
	slices.SortFunc(found, func(x, y document) int { return y.compare(&x) })
	for _, d := range found {
		if !visit(d) {
			break
		}
	}
	return nil
}

// sorted returns the numbers of the documents in the order of a segment.
func (b *buffer) sorted() []uint32 {
	order := make([]uint32, len(b.items))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(x, y uint32) int { return b.items[x].compare(&b.items[y]) })
	return order
}
