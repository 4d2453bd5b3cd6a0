package search

import (
	"context"
	"slices"
)

// part is a segment, or what is in memory: documents with numbers of their own, and the posting lists of terms.
type part interface {
	// documents is how many there are.
	documents() int
	// document returns one.
	document(number uint32) (document, error)
	// list opens the posting list of a term, nil where nothing has it; size is its length in bytes.
	list(term string) (c *cursor, size int, err error)
	// lists opens those of all terms that begin so.
	lists(prefix string, visit func(*cursor) error) error
	// newest hands out the documents of a set within a window, newest first, until visit returns false.
	newest(ctx context.Context, s set, window window, visit func(document) bool) error
}

// window bounds what is looked for: the times, and the place that a page goes on after.
type window struct {
	from, to int64
	before   *place
}

// holds tells whether a document is within.
func (w *window) holds(d *document) bool {
	return d.at >= w.from && d.at < w.to && (w.before == nil || d.place().compare(*w.before) < 0)
}

// find returns the documents of a part that clauses and contact ask for; nil: none. An empty contact is all.
func find(ctx context.Context, p part, clauses []clause, contact string) (set, error) {
	var found set
	take := func(s set, err error) (bool, error) {
		if err != nil || s == nil {
			return false, err
		}
		if found == nil {
			found = s
			return true, nil
		}
		return found.and(s), nil
	}
	if contact != "" {
		if some, err := take(exactly(p, contactTerm(contact))); !some {
			return nil, err
		}
	}
	for _, c := range clauses {
		if c.not {
			continue
		}
		if some, err := take(c.find(ctx, p)); !some {
			return nil, err
		}
	}
	for _, c := range clauses {
		if !c.not || found == nil {
			continue
		}
		s, err := c.find(ctx, p)
		if err != nil {
			return nil, err
		}
		if s != nil {
			found.without(s)
		}
	}
	return found, nil
}

// find returns the documents that have the clause's terms; nil: none.
func (c *clause) find(ctx context.Context, p part) (set, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(c.terms) > 1:
		return c.inARow(ctx, p)
	case !c.prefix:
		return exactly(p, c.terms[0])
	}
	found := newSet(p.documents())
	err := p.lists(c.terms[0], func(list *cursor) error {
		if err := found.addAll(list); err != nil {
			return err
		}
		return ctx.Err()
	})
	return found, err
}

func exactly(p part, term string) (set, error) {
	list, _, err := p.list(term)
	if err != nil || list == nil {
		return nil, err
	}
	found := newSet(p.documents())
	return found, found.addAll(list)
}

// batchPlaces is how many places are compared at once; it bounds the memory of a query for words in a row.
const batchPlaces = 1 << 17

// inARow finds terms that follow each other. It goes through the places of the rarest one, and keeps those around which
// the others are.
func (c *clause) inARow(ctx context.Context, p part) (set, error) {
	exact := c.terms
	if c.prefix {
		exact = c.terms[:len(c.terms)-1]
	}
	lists := make([]*cursor, len(exact))
	rarest, least := 0, 0
	for i, term := range exact {
		list, size, err := p.list(term)
		if err != nil || list == nil {
			return nil, err
		}
		if lists[i] = list; i == 0 || size < least {
			rarest, least = i, size
		}
	}
	row := row{clause: c, part: p, lists: lists, rarest: rarest, found: newSet(p.documents())}
	for list := lists[rarest]; list.next(); {
		for _, at := range list.where() {
			if at >= uint32(rarest) {
				row.starts = append(row.starts, uint64(list.doc)<<32|uint64(at-uint32(rarest)))
			}
		}
		if len(row.starts) >= batchPlaces {
			if err := row.flush(ctx); err != nil {
				return nil, err
			}
		}
	}
	if err := lists[rarest].err; err != nil {
		return nil, err
	}
	return row.found, row.flush(ctx)
}

// row is the state of looking for terms in a row. A start is a document and the position of the first term.
type row struct {
	clause *clause
	part   part
	lists  []*cursor
	rarest int
	starts []uint64
	found  set
}

// flush keeps the starts at which all terms stand.
func (r *row) flush(ctx context.Context) error {
	for i, list := range r.lists {
		if i == r.rarest || len(r.starts) == 0 {
			continue
		}
		there := make([]bool, len(r.starts))
		if err := r.mark(list, i, there); err != nil {
			return err
		}
		r.keep(there)
	}
	if r.clause.prefix && len(r.starts) > 0 {
		there := make([]bool, len(r.starts))
		last := len(r.clause.terms) - 1
		err := r.part.lists(r.clause.terms[last], func(list *cursor) error {
			if err := r.mark(list, last, there); err != nil {
				return err
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		r.keep(there)
	}
	for _, start := range r.starts {
		if document := uint32(start >> 32); int(document/64) < len(r.found) {
			r.found.add(document)
		}
	}
	r.starts = r.starts[:0]
	return ctx.Err()
}

// mark notes the starts that have a term of this list so many places behind them. The list stays at the document that it
// came to, so that the next batch goes on there.
func (r *row) mark(list *cursor, offset int, there []bool) error {
	if !list.begun && !list.next() {
		return list.err
	}
	at := 0
	for at < len(r.starts) {
		document := uint32(r.starts[at] >> 32)
		switch {
		case list.doc < document:
			if !list.next() {
				return list.err
			}
			continue
		case list.doc > document:
			at++
			continue
		}
		places := list.where()
		for ; at < len(r.starts) && uint32(r.starts[at]>>32) == document; at++ {
			_, there[at] = slices.BinarySearch(places, uint32(r.starts[at])+uint32(offset))
		}
	}
	return list.err
}

func (r *row) keep(there []bool) {
	kept := r.starts[:0]
	for i, start := range r.starts {
		if there[i] {
			kept = append(kept, start)
		}
	}
	r.starts = kept
}
