package container

import (
	"bytes"
	"cmp"
)

// Join returns the one envelope that two envelopes of the same message become,
// whatever the order in which devices met them. Both must have the same Hash
// and canonical JSON. The rule, for two values at the same place:
//
//   - equal values stay;
//   - two objects are joined member by member; a member that only one of them
//     has is kept as it is;
//   - an object wins against anything else, and anything wins against null;
//   - of two other values the one whose canonical text is longer wins; of texts
//     of one length the bytewise greater. So arrays are joined as a whole.
//
// The rule is the least upper bound of an order: null is below all other
// values that are no objects, which stand in a chain; objects are above these
// and ordered member by member, a missing member being lowest. A least upper
// bound is commutative, associative and idempotent, and so is Join. The member
// "message" is equal in both, for its hash is.
//
// The result may share memory with a or b.
func Join(a, b Envelope) Envelope {
	a.JSON = joinValues(a.JSON, b.JSON)
	return a
}

// joinValues joins two canonical values by the rule of [Join].
func joinValues(a, b []byte) []byte {
	if bytes.Equal(a, b) {
		return a
	}
	if a[0] == '{' && b[0] == '{' {
		return appendObject(nil, joinMembers(splitObject(a), splitObject(b)))
	}
	if cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a), len(b)), bytes.Compare(a, b)) < 0 {
		return b
	}
	return a
}

// rank orders canonical values by type: null, then all others, then objects.
func rank(value []byte) int {
	switch value[0] {
	case 'n':
		return 0
	case '{':
		return 2
	}
	return 1
}

// splitObject returns the members of a canonical object, in their order. They
// share its memory.
func splitObject(object []byte) []Member {
	var members []Member
	s := newScanner(object, maxDepth)
	defer s.release()
	_ = s.fields(func(name []byte) error { // canonical text has no errors
		key := string(name)
		value, shared, err := s.canonical()
		if !shared {
			value = bytes.Clone(value) // of a caller who broke the rule of canonical text
		}
		members = append(members, Member{Key: key, JSON: value})
		return err
	})
	return members
}
