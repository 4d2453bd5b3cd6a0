package container

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// This file reads states member by member with a scanner. Each function reads
// the value at the current position, which is not white space, and expects the
// type that it names; another type is ErrField.

// fields reads an object. It calls visit with the canonical name, quotes
// included, of each member; visit reads the value. The name is good until then.
func (s *scanner) fields(visit func(name []byte) error) error {
	if s.peek() != '{' {
		return s.wrong("object")
	}
	return s.elements('}', func() error {
		s.begin()
		if err := s.key(); err != nil {
			return err
		}
		text, _ := s.text()
		return visit(text[:len(text)-1])
	})
}

// list reads an array. It calls visit with the index of each element; visit
// reads it.
func (s *scanner) list(visit func(index int) error) error {
	if s.peek() != '[' {
		return s.wrong("list")
	}
	index := -1
	return s.elements(']', func() error {
		s.begin()
		index++
		return visit(index)
	})
}

// canonical reads any value. The text shares memory as that of text does.
func (s *scanner) canonical() (text []byte, shared bool, err error) {
	s.begin()
	if err := s.value(shapeAny); err != nil {
		return nil, false, err
	}
	text, shared = s.text()
	return text, shared, nil
}

// wrong reads the value at the current position and says that it should have
// been another; a syntax error goes first.
func (s *scanner) wrong(want string) error {
	if _, _, err := s.canonical(); err != nil {
		return err
	}
	return fmt.Errorf("%w: no %s", ErrField, want)
}

// name reads a string to Go text.
func (s *scanner) name() (string, error) {
	text, _, err := s.canonical()
	if err != nil {
		return "", err
	}
	if text[0] != '"' {
		return "", fmt.Errorf("%w: no string", ErrField)
	}
	var buffer [64]byte // most names fit, and then only the result is allocated
	name, ok := appendUnquoted(buffer[:0], text)
	if !ok {
		return "", fmt.Errorf("%w: no Unicode text", ErrField)
	}
	return string(name), nil
}

// names reads an array of strings to a sorted list without doubles.
func (s *scanner) names() ([]string, error) {
	var names []string
	err := s.list(func(int) error {
		name, err := s.name()
		names = append(names, name)
		return err
	})
	return sortedSet(names, strings.Compare), err
}

// integer reads an integer of 0 to MaxInteger.
func (s *scanner) integer() (int64, error) {
	text, _, err := s.canonical()
	if err != nil {
		return 0, err
	}
	value, ok := parseInteger(text)
	if !ok {
		return 0, fmt.Errorf("%w: no integer in range", ErrField)
	}
	return value, nil
}

// identifiers reads an array of chunk identifiers to a sorted list without
// doubles.
func (s *scanner) identifiers() ([]ChunkIdentifier, error) {
	var ids []ChunkIdentifier
	err := s.list(func(int) error {
		var id ChunkIdentifier
		err := s.pair(`"id"`, `"timestamp"`,
			func() (err error) { id.ID, err = s.integer(); return err },
			func() (err error) { id.Timestamp, err = s.integer(); return err })
		ids = append(ids, id)
		return err
	})
	return sortedSet(ids, ChunkIdentifier.Compare), err
}

// tombstones reads an array of tombstones to a sorted list without doubles.
func (s *scanner) tombstones() ([]Tombstone, error) {
	var tombstones []Tombstone
	err := s.list(func(int) error {
		var t Tombstone
		err := s.pair(`"hash"`, `"timestamp"`,
			func() (err error) { t.Hash, err = s.hash(); return err },
			func() (err error) { t.Timestamp, err = s.integer(); return err })
		tombstones = append(tombstones, t)
		return err
	})
	return sortedSet(tombstones, Tombstone.Compare), err
}

// pair reads an object with two required members; their names are quoted. It
// passes over others: they have no part in the identity of an item.
func (s *scanner) pair(first, second string, readFirst, readSecond func() error) error {
	var seenFirst, seenSecond bool
	err := s.fields(func(name []byte) error {
		switch string(name) {
		case first:
			seenFirst = true
			return readFirst()
		case second:
			seenSecond = true
			return readSecond()
		}
		_, _, err := s.canonical()
		return err
	})
	if err == nil && !(seenFirst && seenSecond) {
		return fmt.Errorf("%w: item without %s or %s", ErrField, first, second)
	}
	return err
}

// hash reads a message hash.
func (s *scanner) hash() (MessageHash, error) {
	text, err := s.name()
	if err != nil {
		return MessageHash{}, err
	}
	hash, err := ParseMessageHash(text)
	if err != nil {
		return MessageHash{}, fmt.Errorf("%w: %w", ErrField, err)
	}
	return hash, nil
}

// counters reads an object of integers. Of doubles the last counts; a count of
// zero is as good as none.
func (s *scanner) counters() (map[string]int64, error) {
	counters := map[string]int64{}
	err := s.fields(func(quoted []byte) error {
		name, ok := appendUnquoted(nil, quoted)
		if !ok {
			return fmt.Errorf("%w: no Unicode text", ErrField)
		}
		value, err := s.integer()
		counters[string(name)] = value
		return err
	})
	maps.DeleteFunc(counters, func(_ string, count int64) bool { return count == 0 })
	if len(counters) == 0 {
		return nil, err
	}
	return counters, err
}

// kind reads the name of a kind and compares it with the expected one.
func (s *scanner) kind(want Kind) error {
	name, err := s.name()
	if err == nil && name != want.String() {
		return ErrKind
	}
	return err
}

// sortedSet returns list in order and without doubles: list itself if it is so
// already, otherwise a copy.
func sortedSet[T comparable](list []T, compare func(a, b T) int) []T {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			list = slices.Clone(list)
			slices.SortFunc(list, compare)
			return slices.Compact(list)
		}
	}
	return list
}
