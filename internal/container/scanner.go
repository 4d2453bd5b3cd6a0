package container

import (
	"fmt"
	"sync"
)

const (
	// maxDepth is how many objects and arrays may enclose a value.
	maxDepth = 512
	// maxEnvelopeDepth is the same for an envelope. It is smaller, so that a
	// chunk that holds one still is a text that Canonical accepts.
	maxEnvelopeDepth = 500
)

// A scanner reads JSON text once, validates it and builds its canonical form
// meanwhile. The canonical text so far is out followed by src[mark:pos]: what
// is canonical already stays where it is and is copied in runs, or not at all.
// Positions in the canonical text are called offsets.
type scanner struct {
	src  []byte
	pos  int
	mark int
	out  []byte

	depth, limit int

	members []member // of all open objects, innermost last
	scratch []byte   // for sorting members
	number  []byte   // for formatting numbers
	found   findings // of the envelope that is being read
}

// A member is where one member of an open object lies, as offsets.
type member struct {
	from, colon, to int // "key" is [from, colon), the whole is [from, to)
}

// scanners are reused for their buffers.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// maxKept bounds the buffers that a scanner takes back to the pool, in bytes,
// a member counted as 24.
const maxKept = 1 << 20

func newScanner(src []byte, limit int) *scanner {
	s := scanners.Get().(*scanner)
	s.src, s.pos, s.depth, s.limit = src, 0, 0, limit
	s.members = s.members[:0]
	s.begin()
	return s
}

// release gives the scanner back. Nothing may point into out or scratch then.
func (s *scanner) release() {
	s.src = nil
	if cap(s.out)+cap(s.scratch)+cap(s.members)*24+cap(s.found.from)+cap(s.found.to) > maxKept {
		*s = scanner{}
	}
	scanners.Put(s)
}

// begin starts a new canonical text at the next value.
func (s *scanner) begin() {
	s.out = s.out[:0]
	s.mark = s.pos
	s.space()
	s.mark = s.pos
}

// text returns the canonical text since begin. It shares memory with src if
// src was canonical already; otherwise with out, until the next begin.
func (s *scanner) text() (text []byte, shared bool) {
	if len(s.out) == 0 {
		return s.src[s.mark:s.pos:s.pos], true
	}
	s.flush()
	return s.out, false
}

// flush moves what is pending in src to out.
func (s *scanner) flush() {
	s.out = append(s.out, s.src[s.mark:s.pos]...)
	s.mark = s.pos
}

// offset is the length of the canonical text so far.
func (s *scanner) offset() int {
	return len(s.out) + s.pos - s.mark
}

// slice returns the canonical text between two offsets that are bounds of one
// token or value. It is good until the next call of another method.
func (s *scanner) slice(from, to int) []byte {
	if from >= len(s.out) {
		shift := s.mark - len(s.out)
		return s.src[from+shift : to+shift]
	}
	if to > len(s.out) {
		s.flush()
	}
	return s.out[from:to]
}

// peek returns the next byte, or 0 at the end, which begins no token either.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

// space skips white space; canonical text has none.
func (s *scanner) space() {
	if s.pos >= len(s.src) || s.src[s.pos] > ' ' {
		return
	}
	s.flush()
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
			continue
		}
		break
	}
	s.mark = s.pos
}

// syntax reports what is wrong at the current position.
func (s *scanner) syntax(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrSyntax, what, s.pos)
}

// end checks that nothing but white space follows. The canonical text must
// have been taken before.
func (s *scanner) end() error {
	s.space()
	if s.pos != len(s.src) {
		return s.syntax("more text after the value")
	}
	return nil
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > s.limit {
		return s.syntax("too deep")
	}
	s.pos++
	s.space()
	return nil
}

// value reads the value at the current position, which is not white space.
func (s *scanner) value(as shape) error {
	switch c := s.peek(); c {
	case '{':
		return s.object(as)
	case '[':
		return s.array()
	case '"':
		return s.quoted()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return s.syntax("no value")
		}
		return s.numeral()
	}
}

func (s *scanner) literal(word string) error {
	end := s.pos + len(word)
	if end > len(s.src) || string(s.src[s.pos:end]) != word {
		return s.syntax("no value")
	}
	s.pos = end
	return nil
}

func (s *scanner) array() error {
	return s.elements(']', func() error { return s.value(shapeAny) })
}

// elements reads what stands between brackets; visit reads one element.
func (s *scanner) elements(closing byte, visit func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == closing {
		s.pos++
		s.depth--
		return nil
	}
	for more := true; more; {
		err := visit()
		if err != nil {
			return err
		}
		if more, err = s.more(closing); err != nil {
			return err
		}
	}
	s.depth--
	return nil
}

// more reads the comma or closing bracket after an element. It returns false
// after the closing bracket and on errors.
func (s *scanner) more(closing byte) (bool, error) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		s.space()
		return true, nil
	case closing:
		s.pos++
		return false, nil
	}
	return false, s.syntax("no comma or closing bracket")
}

// object reads an object, sorts its members and keeps the last of doubles.
func (s *scanner) object(as shape) error {
	start, first := s.offset(), len(s.members)
	if err := s.enter(); err != nil {
		return err
	}
	sorted := true
	for more := s.peek() != '}'; more; {
		m, err := s.member(as)
		if err != nil {
			return err
		}
		if n := len(s.members); sorted && n > first {
			last := s.members[n-1]
			sorted = compareKeys(s.slice(last.from, last.colon), s.slice(m.from, m.colon)) < 0
		}
		s.members = append(s.members, m)
		if more, err = s.more('}'); err != nil {
			return err
		}
	}
	if len(s.members) == first {
		s.pos++
	}
	if !sorted {
		s.sort(start, first)
	}
	s.members = s.members[:first]
	s.depth--
	return nil
}

// member reads one member of an object.
func (s *scanner) member(as shape) (m member, err error) {
	m.from = s.offset()
	if err := s.key(); err != nil {
		return m, err
	}
	m.colon = s.offset() - 1
	f := fieldNone
	if as != shapeAny {
		f = s.found.field(as, s.slice(m.from, m.colon))
	}
	from := s.offset()
	if err := s.value(f.shape()); err != nil {
		return m, err
	}
	m.to = s.offset()
	if f != fieldNone {
		s.found.note(f, s.slice(from, m.to))
	}
	return m, nil
}

// key reads a member's name and the colon.
func (s *scanner) key() error {
	if s.peek() != '"' {
		return s.syntax("no member name")
	}
	if err := s.quoted(); err != nil {
		return err
	}
	s.space()
	if s.peek() != ':' {
		return s.syntax("no colon")
	}
	s.pos++
	s.space()
	return nil
}
