package search

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
)

// source is a part that is written into a new segment: its documents and terms in order.
type source interface {
	documents() int
	// inOrder returns the document at a place among all.
	inOrder(at int) (document, error)
	// nextTerm returns the next term and its posting list, whose numbers are places; false at the end.
	nextTerm() (term string, list *cursor, ok bool, err error)
	// names are the contacts of the documents.
	names() []string
}

// wholeSegment is a segment as a source.
type wholeSegment struct {
	*segment
	walk walk
}

func (s *wholeSegment) inOrder(at int) (document, error) { return s.document(uint32(at)) }
func (s *wholeSegment) names() []string                  { return s.contacts }

func (s *wholeSegment) nextTerm() (string, *cursor, bool, error) {
	term, at, length, ok, err := s.walk.next()
	if err != nil || !ok {
		return "", nil, false, err
	}
	return term, s.postings(at, length), true, nil
}

// wholeBuffer is the buffer as a source.
type wholeBuffer struct {
	*buffer
	order  []uint32
	places []uint32 // by number
	sorted []string
}

func newWholeBuffer(b *buffer) *wholeBuffer {
	w := &wholeBuffer{buffer: b, order: b.sorted(), places: make([]uint32, len(b.items)), sorted: slices.Sorted(maps.Keys(b.terms))}
	for at, number := range w.order {
		w.places[number] = uint32(at)
	}
	return w
}

func (w *wholeBuffer) inOrder(at int) (document, error) { return w.items[w.order[at]], nil }

func (w *wholeBuffer) names() (list []string) {
	seen := map[string]bool{}
	for i := range w.items {
		if name := w.items[i].contact; !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}

func (w *wholeBuffer) nextTerm() (string, *cursor, bool, error) {
	if len(w.sorted) == 0 {
		return "", nil, false, nil
	}
	term := w.sorted[0]
	w.sorted = w.sorted[1:]
	type entry struct {
		place uint32
		raw   []byte
	}
	var entries []entry
	list := cursor{data: w.terms[term].data}
	for list.next() {
		entries = append(entries, entry{w.places[list.doc], list.raw})
	}
	slices.SortFunc(entries, func(a, b entry) int { return int(a.place) - int(b.place) })
	var data []byte
	last := uint32(0)
	for _, e := range entries {
		data = appendRaw(data, e.place-last, e.raw)
		last = e.place
	}
	return term, &cursor{data: data}, true, list.err
}

// appendRaw is appendPosting for positions that are encoded already.
func appendRaw(list []byte, distance uint32, raw []byte) []byte {
	list = binary.AppendUvarint(list, uint64(distance))
	list = binary.AppendUvarint(list, uint64(len(raw)))
	return append(list, raw...)
}

// dropped is the new number of a document that is left out.
const dropped = ^uint32(0)

// merging writes sources into one segment.
type merging struct {
	sources []source
	floor   int64                           // documents before it are left out
	buried  func(d *document) (bool, error) // a tombstone outside of the sources names it
	rest    func(ctx context.Context) error // called now and then
	numbers [][]uint32                      // new numbers, by source and place
	contact map[string]uint32
}

// contacts are those of all sources, in order.
func (m *merging) contacts() []string {
	all := map[string]bool{}
	for _, s := range m.sources {
		for _, name := range s.names() {
			all[name] = true
		}
	}
	list := slices.Sorted(maps.Keys(all))
	m.contact = make(map[string]uint32, len(list))
	for i, name := range list {
		m.contact[name] = uint32(i)
	}
	return list
}

func (m *merging) run(ctx context.Context, w *writer) error {
	if err := m.documents(ctx, w); err != nil {
		return err
	}
	return m.terms(ctx, w)
}

// front is the next document of a source.
type front struct {
	source, at int
	document   document
}

func (m *merging) front(source, at int, fronts []front) ([]front, error) {
	if at == m.sources[source].documents() {
		return fronts, nil
	}
	d, err := m.sources[source].inOrder(at)
	return append(fronts, front{source, at, d}), err
}

// documents writes the documents: of several about one message one, and none that a tombstone names.
func (m *merging) documents(ctx context.Context, w *writer) (err error) {
	m.numbers = make([][]uint32, len(m.sources))
	var fronts []front
	for i, s := range m.sources {
		m.numbers[i] = make([]uint32, s.documents())
		if fronts, err = m.front(i, 0, fronts); err != nil {
			return err
		}
	}
	for count := 0; len(fronts) > 0; count++ {
		if count%1024 == 0 {
			if err := m.rest(ctx); err != nil {
				return err
			}
		}
		var same []front
		if same, fronts, err = m.take(fronts); err != nil {
			return err
		}
		if err := m.write(w, same); err != nil {
			return err
		}
	}
	return nil
}

// take cuts off the documents about the message that comes next, and moves their sources on.
func (m *merging) take(fronts []front) (same, rest []front, err error) {
	least := 0
	for i := range fronts {
		if fronts[i].document.compare(&fronts[least].document) < 0 {
			least = i
		}
	}
	first := fronts[least].document
	for again := true; again; { // a source may have both the message and its tombstone
		again, rest = false, nil
		for _, f := range fronts {
			if !f.document.same(&first) {
				rest = append(rest, f)
				continue
			}
			same, again = append(same, f), true
			if rest, err = m.front(f.source, f.at+1, rest); err != nil {
				return nil, nil, err
			}
		}
		fronts = rest
	}
	return same, rest, nil
}

// write writes one of the documents about a message, and says of all what became of them.
func (m *merging) write(w *writer, same []front) error {
	for _, f := range same {
		m.numbers[f.source][f.at] = dropped
	}
	kept := same[0]
	if kept.document.at < m.floor {
		return nil // tombstones too: nothing of that time comes any more
	}
	if at := slices.IndexFunc(same, func(f front) bool { return f.document.tombstone() }); at >= 0 {
		kept = same[at]
	} else if buried, err := m.buried(&kept.document); err != nil || buried {
		return err
	}
	m.numbers[kept.source][kept.at] = uint32(w.info.documents)
	return w.document(&kept.document, m.contact[kept.document.contact])
}

// termFront is the next term of a source.
type termFront struct {
	source int
	term   string
	list   *cursor
}

func (m *merging) terms(ctx context.Context, w *writer) error {
	var fronts []termFront
	advance := func(source int) error {
		term, list, ok, err := m.sources[source].nextTerm()
		if ok {
			fronts = append(fronts, termFront{source, term, list})
		}
		return err
	}
	for i := range m.sources {
		if err := advance(i); err != nil {
			return err
		}
	}
	for count := 0; len(fronts) > 0; count++ {
		if count%1024 == 0 {
			if err := m.rest(ctx); err != nil {
				return err
			}
		}
		term := slices.MinFunc(fronts, func(a, b termFront) int {
			if a.term < b.term {
				return -1
			}
			if a.term > b.term {
				return 1
			}
			return 0
		}).term
		var having, others []termFront
		for _, f := range fronts {
			if f.term == term {
				having = append(having, f)
			} else {
				others = append(others, f)
			}
		}
		if err := m.lists(w, term, having); err != nil {
			return err
		}
		fronts = others
		for _, f := range having {
			if err := advance(f.source); err != nil {
				return err
			}
		}
	}
	return nil
}

// lists unites the posting lists of one term.
func (m *merging) lists(w *writer, term string, having []termFront) error {
	type open struct {
		list    *cursor
		numbers []uint32
		number  uint32 // of the present document
	}
	var lists []open
	step := func(o open) error {
		for o.list.next() {
			if int(o.list.doc) >= len(o.numbers) {
				return errDamaged
			}
			if o.number = o.numbers[o.list.doc]; o.number != dropped {
				lists = append(lists, o)
				return nil
			}
		}
		return o.list.err
	}
	for _, f := range having {
		if err := step(open{list: f.list, numbers: m.numbers[f.source]}); err != nil {
			return err
		}
	}
	length, last := int64(0), uint32(0)
	var posting []byte
	for len(lists) > 0 {
		least := 0
		for i := range lists {
			if lists[i].number < lists[least].number {
				least = i
			}
		}
		o := lists[least]
		posting = appendRaw(posting[:0], o.number-last, o.list.raw)
		last, length = o.number, length+int64(len(posting))
		if err := w.postings(posting); err != nil {
			return err
		}
		lists = slices.Delete(lists, least, least+1)
		if err := step(o); err != nil {
			return err
		}
	}
	if length == 0 {
		return nil
	}
	return w.term(term, length)
}
