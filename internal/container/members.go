package container

import (
	"bytes"
	"fmt"
	"slices"
)

// Members returns the members of a JSON object in canonical form and order, the
// last of doubles. They share no memory with text. Errors are those of
// [Canonical], and [ErrField] for anything but an object.
func Members(text []byte) ([]Member, error) {
	canonical, err := Canonical(nil, text)
	if err != nil {
		return nil, err
	}
	if canonical[0] != '{' {
		return nil, fmt.Errorf("container: reading members: %w: no object", ErrField)
	}
	members := splitObject(canonical)
	for i := range members {
		members[i].JSON = bytes.Clone(members[i].JSON) // one long member must not keep the rest alive
	}
	return members, nil
}

// AppendMembers appends the canonical object with the given members, in any
// order, the last of doubles. Keys and values are in canonical form.
func AppendMembers(dst []byte, members []Member) []byte {
	return appendObject(dst, sortMembers(slices.Clone(members)))
}
