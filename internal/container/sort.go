package container

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// sort rewrites the object that began at offset start and has just ended, with
// members from index first on, into canonical order.
func (s *scanner) sort(start, first int) {
	s.flush()
	members := s.members[first:]
	slices.SortStableFunc(members, func(a, b member) int {
		return compareKeys(s.out[a.from:a.colon], s.out[b.from:b.colon])
	})
	s.scratch = s.scratch[:0]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(s.out[m.from:m.colon], s.out[members[i+1].from:members[i+1].colon]) {
			continue // the last of doubles counts, as with JSON.parse
		}
		if len(s.scratch) > 0 {
			s.scratch = append(s.scratch, ',')
		}
		s.scratch = append(s.scratch, s.out[m.from:m.to]...)
	}
	s.out = append(s.out[:start+1], s.scratch...)
	s.out = append(s.out, '}')
}

// compareKeys orders two member names, in canonical form with their quotes, by
// the UTF-16 code units that they stand for, as JavaScript's sort does. It
// returns a negative number, 0 or a positive number.
func compareKeys(a, b []byte) int {
	a, b = a[1:len(a)-1], b[1:len(b)-1]
	i, n := 0, min(len(a), len(b))
	for i < n && a[i] == b[i] {
		i++
	}
	if i == len(a) && i == len(b) {
		return 0
	}
	if bytes.IndexByte(a, '\\') >= 0 || bytes.IndexByte(b, '\\') >= 0 {
		return compareUnits(a, b)
	}
	if i == n {
		return len(a) - len(b)
	}
	return compareLead(a[i], b[i])
}

// compareLead orders two different bytes at the same place of two UTF-8 texts.
// Byte order is code point order; UTF-16 differs from it only in that what
// lies beyond U+FFFF, written with surrogates, comes before U+E000 to U+FFFF.
func compareLead(a, b byte) int {
	if a >= 0xee && b >= 0xee && (a >= 0xf0) != (b >= 0xf0) {
		return int(b) - int(a)
	}
	return int(a) - int(b)
}

// compareUnits is compareKeys for names with escapes, without their quotes.
func compareUnits(a, b []byte) int {
	var x, y units
	x.rest, y.rest = a, b
	for {
		u, okU := x.next()
		v, okV := y.next()
		switch {
		case !okU && !okV:
			return 0
		case !okU:
			return -1
		case !okV:
			return 1
		case u != v:
			return int(u) - int(v)
		}
	}
}

// units yields the UTF-16 code units of a canonical string.
type units struct {
	rest []byte
	low  uint16 // second half of a surrogate pair, still to be yielded
}

func (u *units) next() (uint16, bool) {
	if u.low != 0 {
		low := u.low
		u.low = 0
		return low, true
	}
	if len(u.rest) == 0 {
		return 0, false
	}
	if u.rest[0] == '\\' {
		unit, size := unescape(u.rest)
		u.rest = u.rest[size:]
		return unit, true
	}
	r, size := utf8.DecodeRune(u.rest)
	u.rest = u.rest[size:]
	if r < 0x10000 {
		return uint16(r), true
	}
	u.low = uint16(0xdc00 + (r-0x10000)&0x3ff)
	return uint16(0xd800 + (r-0x10000)>>10), true
}
