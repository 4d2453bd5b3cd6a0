package search

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// errDamaged is a block or file that fails its seal or its structure.
var errDamaged = errors.New("damaged")

// A posting list says in which documents of a part a term stands, and where: for each document, in order, the distance
// from the one before, the length of what follows in bytes, and the distances of the positions, all as varints.

// appendPosting adds one document to a list.
func appendPosting(list []byte, distance uint32, positions []uint32) []byte {
	list = binary.AppendUvarint(list, uint64(distance))
	size, last := 0, uint32(0)
	for _, p := range positions {
		size += (bits.Len32(p-last|1) + 6) / 7
		last = p
	}
	list = binary.AppendUvarint(list, uint64(size))
	last = 0
	for _, p := range positions {
		list = binary.AppendUvarint(list, uint64(p-last))
		last = p
	}
	return list
}

// cursor goes through a posting list. The rest of it comes from a stream, if that has a segment.
type cursor struct {
	data      []byte
	stream    stream
	doc       uint32
	begun     bool
	raw       []byte // of the positions
	positions []uint32
	err       error
}

// begin goes to another list of the same segment.
func (c *cursor) begin(at, length int64) {
	c.data, c.raw, c.doc, c.begun, c.err = nil, nil, 0, false, nil
	c.stream.at, c.stream.left = at, length
}

// next goes to the next document; false is the end, or err.
func (c *cursor) next() bool {
	if c.err != nil || !c.fill(1) {
		return false
	}
	distance, size := c.uvarint(), c.uvarint()
	if c.err == nil && (distance > 1<<31 || size > 5*maxWords) {
		c.err = errDamaged
	}
	if c.err != nil || size > 0 && !c.fill(int(size)) {
		return false
	}
	if len(c.data) < int(size) {
		c.err = errDamaged
		return false
	}
	c.raw, c.data = c.data[:size], c.data[size:]
	if c.begun {
		c.doc += uint32(distance)
	} else {
		c.doc, c.begun = uint32(distance), true
	}
	return true
}

// fill sees to it that so many bytes are there, if there are so many; false when there are none.
func (c *cursor) fill(want int) bool {
	for len(c.data) < want && c.stream.left > 0 {
		piece, err := c.stream.next()
		switch {
		case err != nil:
			c.err = err
			return false
		case len(c.data) == 0:
			c.data = piece
		default:
			c.data = append(slices.Clone(c.data), piece...)
		}
	}
	return len(c.data) > 0
}

func (c *cursor) uvarint() uint64 {
	if len(c.data) < binary.MaxVarintLen32 {
		c.fill(binary.MaxVarintLen32)
	}
	value, n := binary.Uvarint(c.data)
	if n <= 0 {
		if c.err == nil {
			c.err = errDamaged
		}
		return 0
	}
	c.data = c.data[n:]
	return value
}

// where are the positions in the present document, valid until next.
func (c *cursor) where() []uint32 {
	c.positions = c.positions[:0]
	at := uint32(0)
	for raw := c.raw; len(raw) > 0; {
		distance, n := binary.Uvarint(raw)
		if n <= 0 {
			c.err = errDamaged
			return nil
		}
		at += uint32(distance)
		raw = raw[n:]
		c.positions = append(c.positions, at)
	}
	return c.positions
}

// set is a set of documents of one part.
type set []uint64

func newSet(documents int) set         { return make(set, (documents+63)/64) }
func (s set) add(document uint32)      { s[document/64] |= 1 << (document % 64) }
func (s set) has(document uint32) bool { return s[document/64]&(1<<(document%64)) != 0 }

// and keeps what both have, tells whether that is anything.
func (s set) and(other set) (some bool) {
	for i := range s {
		s[i] &= other[i]
		some = some || s[i] != 0
	}
	return some
}

func (s set) without(other set) {
	for i := range s {
		s[i] &^= other[i]
	}
}

// addAll adds the documents of a posting list.
func (s set) addAll(c *cursor) error {
	for c.next() {
		if int(c.doc/64) >= len(s) {
			return errDamaged
		}
		s.add(c.doc)
	}
	return c.err
}
