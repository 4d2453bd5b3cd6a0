package container

import (
	"encoding/binary"
	"fmt"
)

// This file reads the directory of a head. As the first versions did it with
// Go's own decoder, null stands for nothing wherever a head has a member or an
// element: for an empty list, an empty text, a zero, a conversation or a chunk
// without members. A reference or a cover is never null.

// DecodeHead reads what Append wrote. Bodies and nothing else alias plaintext:
// names live long, and one that shared its memory would keep all of it.
// Members that it does not know and elements after the last one of a reference
// are passed over. Of doubles the last counts, but all must be of the right
// type. Every inline state lies within the bodies and every number within 0 to
// [MaxInteger], in plain digits; anything else is [ErrHead], and so is text
// that [Canonical] refuses. DecodeHead is safe for concurrent use.
func DecodeHead(plaintext []byte) (*Head, error) {
	if len(plaintext) < 4 {
		return nil, fmt.Errorf("%w: %d bytes", ErrHead, len(plaintext))
	}
	length := int64(binary.BigEndian.Uint32(plaintext))
	if length > int64(len(plaintext))-4 {
		return nil, fmt.Errorf("%w: directory of %d bytes in %d", ErrHead, length, len(plaintext))
	}
	head := &Head{Bodies: plaintext[4+length:]}
	if err := head.readDirectory(plaintext[4 : 4+length]); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrHead, err.Error()) // no other sentinel: a bad head is not a bad state
	}
	if err := head.check(); err != nil {
		return nil, err
	}
	return head, nil
}

func (h *Head) readDirectory(text []byte) error {
	s := newScanner(text, maxDepth)
	defer s.release()
	s.space()
	if err := s.fields(func(name []byte) error { return h.readMember(s, name) }); err != nil {
		return err
	}
	return s.end()
}

func (h *Head) readMember(s *scanner, name []byte) (err error) {
	switch string(name) {
	case `"absorbed"`:
		h.Absorbed, err = readList(s, (*scanner).nameOrNull)
	case `"conversations"`:
		h.Talks, err = readList(s, readTalk)
	case `"covers"`:
		h.Covers, err = readList(s, readCover)
	case `"void"`:
		h.Void, err = readList(s, readCover)
	case `"device"`:
		h.Device, err = s.nameOrNull()
	case `"incarnation"`:
		h.Incarnation, err = s.nameOrNull()
	case `"known"`:
		h.Known, err = readList(s, readCover)
	case `"limit"`:
		h.Limit, err = s.digits()
	case `"root"`:
		h.Root, err = readList(s, readRef)
	case `"sequence"`:
		h.Sequence, err = s.digits()
	default:
		err = s.skip()
	}
	return err
}

func (h *Head) check() error {
	if h.Device == "" || h.Incarnation == "" {
		return fmt.Errorf("%w: names no writer", ErrHead)
	}
	for ref := range h.States() {
		if ref.Offset+ref.Length > int64(len(h.Bodies)) {
			return fmt.Errorf("%w: inline state outside the bodies", ErrHead)
		}
	}
	return nil
}

func readTalk(s *scanner) (talk HeadConversation, err error) {
	if s.null() {
		return talk, nil
	}
	err = s.fields(func(name []byte) (err error) {
		switch string(name) {
		case `"chunks"`:
			talk.Chunks, err = readList(s, readHeadChunk)
		case `"contact"`:
			talk.Contact, err = s.nameOrNull()
		case `"hidden"`:
			talk.Hidden, err = s.digits()
		case `"states"`:
			talk.States, err = readList(s, readRef)
		default:
			err = s.skip()
		}
		return err
	})
	return talk, err
}

func readHeadChunk(s *scanner) (chunk HeadChunk, err error) {
	if s.null() {
		return chunk, nil
	}
	err = s.fields(func(name []byte) (err error) {
		switch string(name) {
		case `"id"`:
			chunk.Identifier.ID, err = s.digits()
		case `"states"`:
			chunk.States, err = readList(s, readRef)
		case `"timestamp"`:
			chunk.Identifier.Timestamp, err = s.digits()
		default:
			err = s.skip()
		}
		return err
	})
	return chunk, err
}

// readCover reads ["incarnation", from, to].
func readCover(s *scanner) (cover Cover, err error) {
	elements := 0
	err = s.list(func(index int) (err error) {
		elements++
		switch index {
		case 0:
			cover.Incarnation, err = s.nameOrNull()
		case 1:
			cover.From, err = s.digits()
		case 2:
			cover.To, err = s.digits()
		default:
			return fmt.Errorf("%w: cover", ErrField)
		}
		return err
	})
	if err == nil && (elements != 3 || cover.To < cover.From) {
		return cover, fmt.Errorf("%w: cover", ErrField)
	}
	return cover, err
}

// readRef reads ["name", first, last, items, size, [replaces], offset, length,
// tombstones, first of them, last of them].
func readRef(s *scanner) (r StateRef, err error) {
	numbers := [...]*int64{1: &r.First, &r.Last, &r.Items, &r.Size, nil, &r.Offset, &r.Length,
		&r.Tombstones, &r.TombstoneFirst, &r.TombstoneLast}
	elements := 0
	err = s.list(func(index int) (err error) {
		elements++
		switch {
		case index == 0:
			r.Name, err = s.nameOrNull()
		case index == 5:
			r.Replaces, err = readList(s, (*scanner).nameOrNull)
		case index < len(numbers):
			*numbers[index], err = s.digits()
		default:
			err = s.skip()
		}
		return err
	})
	if err == nil && (elements < 5 || r.Name == "" || r.Last < r.First || r.TombstoneLast < r.TombstoneFirst || r.Tombstones > r.Items) {
		return r, fmt.Errorf("%w: state", ErrField)
	}
	if r.Tombstones == 0 {
		r.TombstoneFirst, r.TombstoneLast = 0, 0 // the span of nothing says nothing
	}
	return r, err
}

// readList reads an array, or null, to a list in the same order.
func readList[T any](s *scanner, read func(*scanner) (T, error)) ([]T, error) {
	if s.null() {
		return nil, nil
	}
	var list []T
	err := s.list(func(int) error {
		element, err := read(s)
		list = append(list, element)
		return err
	})
	return list, err
}

// nameOrNull reads a string to Go text, null to an empty one.
func (s *scanner) nameOrNull() (string, error) {
	if s.null() {
		return "", nil
	}
	return s.name()
}

// digits reads an integer of 0 to MaxInteger that is written as canonical text
// writes it, or null as 0. Whoever asks for the next element refuses what
// follows of another number.
func (s *scanner) digits() (int64, error) {
	if s.null() {
		return 0, nil
	}
	from := s.pos
	end := from + spanDigits(s.src[from:])
	value, ok := parseInteger(s.src[from:end])
	if !ok || s.src[from] == '0' && end > from+1 {
		return 0, fmt.Errorf("%w: no integer in range at byte %d", ErrField, from)
	}
	s.pos = end
	return value, nil
}

// null reads null, if that is the value.
func (s *scanner) null() bool {
	return s.peek() == 'n' && s.literal("null") == nil
}

// skip reads any value that nobody asked for.
func (s *scanner) skip() error {
	s.begin()
	return s.value(shapeAny)
}
