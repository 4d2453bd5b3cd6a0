package container

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// extraName is the one field that dm3sync adds to the specification's
// containers; its members are described at each kind's AppendJSON.
const extraName = `"dm3sync"`

// A layout says how a state of one kind is read.
type layout struct {
	kind     Kind
	list     string                                              // the name, quoted, of the specification's field
	readList func(s *scanner) error                              // reads its value
	extra    func(s *scanner, name string) (known bool, e error) // reads a member of the extra field, if known
	reset    func()                                              // forgets what extra has read
	replaces *[]string
	unknown  *Unknown
}

// decode reads a state whose members stand in any order. Of doubles the last
// counts, but all must be of the right type.
func (l *layout) decode(text []byte) error {
	s := newScanner(text, maxDepth)
	defer s.release()
	found := false
	s.space()
	err := s.fields(func(name []byte) error {
		switch string(name) {
		case l.list:
			found = true
			return within(l.list, l.readList(s))
		case extraName:
			l.reset()
			*l.replaces, l.unknown.Extra = nil, nil
			return within(extraName, l.decodeExtra(s))
		}
		return s.keep(&l.unknown.Top, string(name))
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && !found {
		err = fmt.Errorf("%w: %s is missing", ErrField, l.list)
	}
	l.unknown.Top = sortMembers(l.unknown.Top)
	l.unknown.Extra = sortMembers(l.unknown.Extra)
	return err
}

func (l *layout) decodeExtra(s *scanner) error {
	return s.fields(func(quoted []byte) error {
		name := string(quoted)
		switch name {
		case `"kind"`:
			return within(name, s.kind(l.kind))
		case `"replaces"`:
			var err error
			*l.replaces, err = s.names()
			return within(name, err)
		}
		if known, err := l.extra(s, name); known {
			return within(name, err)
		}
		return s.keep(&l.unknown.Extra, name)
	})
}

// within says in which member err happened.
func within(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", strings.Trim(name, `"`), err)
}

// keep reads a value that this package has no field for.
func (s *scanner) keep(members *[]Member, name string) error {
	text, _, err := s.canonical()
	if err != nil {
		return err
	}
	*members = append(*members, Member{Key: name, JSON: bytes.Clone(text)})
	return nil
}

// compareMembers orders members by their names.
func compareMembers(a, b Member) int {
	return compareKeys([]byte(a.Key), []byte(b.Key))
}

// sortMembers sorts members in place and keeps the last of doubles.
func sortMembers(members []Member) []Member {
	slices.SortStableFunc(members, compareMembers)
	kept := members[:0]
	for _, m := range members {
		if n := len(kept); n > 0 && kept[n-1].Key == m.Key {
			kept[n-1] = m
			continue
		}
		kept = append(kept, m)
	}
	return kept
}

// An extra collects the members of the extra field. What is empty is left out.
type extra []Member

func (e *extra) add(name string, json []byte) {
	*e = append(*e, Member{Key: `"` + name + `"`, JSON: json})
}

func (e *extra) text(name, value string) {
	if value != "" {
		e.add(name, appendString(nil, value))
	}
}

func (e *extra) integer(name string, value int64) {
	e.add(name, strconv.AppendInt(nil, value, 10))
}

func (e *extra) names(name string, list []string) {
	if len(list) > 0 {
		e.add(name, appendNameSet(nil, list))
	}
}

// members returns the extra field's members in order, none if there is nothing
// to say beyond the specification.
func (e extra) members(kind Kind, replaces []string, unknown []Member) []Member {
	e.names("replaces", replaces)
	if len(e) == 0 && len(unknown) == 0 {
		return nil
	}
	e.text("kind", kind.String())
	return sortMembers(append(slices.Clone(unknown), e...))
}

// appendState appends a state: the field of the specification, whose value
// appendList appends, the extra field if it has members, and unknown members.
func appendState(dst []byte, list string, appendList func([]byte) []byte, extra, unknown []Member) []byte {
	top := append(slices.Clone(unknown), Member{Key: list})
	if len(extra) > 0 {
		top = append(top, Member{Key: extraName, JSON: appendObject(nil, extra)})
	}
	dst = append(dst, '{')
	for i, m := range sortMembers(top) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, m.Key...), ':')
		if m.Key == list {
			dst = appendList(dst)
		} else {
			dst = append(dst, m.JSON...)
		}
	}
	return append(dst, '}')
}

// appendObject appends an object with the given members, which are in order.
func appendObject(dst []byte, members []Member) []byte {
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, m.Key...), ':'), m.JSON...)
	}
	return append(dst, '}')
}

// appendList appends a list whose elements appendOne appends.
func appendList[T any](dst []byte, list []T, appendOne func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, element := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendOne(dst, element)
	}
	return append(dst, ']')
}

// appendNameSet appends a list of strings, sorted by their bytes, once each.
func appendNameSet(dst []byte, list []string) []byte {
	return appendList(dst, sortedSet(list, strings.Compare), appendString)
}

// appendIdentifiers appends a list of chunk identifiers, sorted, once each.
func appendIdentifiers(dst []byte, list []ChunkIdentifier) []byte {
	return appendList(dst, sortedSet(list, ChunkIdentifier.Compare),
		func(dst []byte, id ChunkIdentifier) []byte { return id.AppendJSON(dst) })
}
