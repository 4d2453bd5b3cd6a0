package container

import (
	"fmt"
)

// DecodeRoot reads the plaintext of a root state, {"conversations": [name]},
// with members in any order. Without the extra field "dm3sync" the state is a
// plain one of the specification. Errors wrap [ErrSyntax], [ErrField] or
// [ErrKind] and name the member. The result shares no memory with text.
func DecodeRoot(text []byte) (*Root, error) {
	r := new(Root)
	l := layout{
		kind: KindRoot, replaces: &r.Replaces, unknown: &r.Unknown,
		list:     `"conversations"`,
		readList: func(s *scanner) (err error) { r.Conversations, err = s.names(); return err },
		reset:    func() { r.Account, r.Names, r.Hidden = "", nil, nil },
		extra: func(s *scanner, name string) (known bool, err error) {
			switch name {
			case `"account"`:
				r.Account, err = s.name()
			case `"names"`:
				r.Names, err = s.names()
			case `"hidden"`:
				r.Hidden, err = s.counters()
			default:
				return false, nil
			}
			return true, err
		},
	}
	if err := l.decode(text); err != nil {
		return nil, fmt.Errorf("container: reading root: %w", err)
	}
	return r, nil
}

// AppendJSON appends the state's canonical plaintext to dst. The extra field,
// left out when it would say nothing, is {"kind": "root", "account": name,
// "names": [name], "hidden": {name: count}, "replaces": [state name]} without
// what is empty. Lists come out sorted by bytes, without doubles.
func (r *Root) AppendJSON(dst []byte) []byte {
	var own extra
	own.text("account", r.Account)
	own.names("names", r.Names)
	if hidden := r.hiddenMembers(); len(hidden) > 0 {
		own.add("hidden", appendObject(nil, hidden))
	}
	return appendState(dst, `"conversations"`,
		func(dst []byte) []byte { return appendNameSet(dst, r.Conversations) },
		own.members(KindRoot, r.Replaces, r.Unknown.Extra), r.Unknown.Top)
}

func (r *Root) hiddenMembers() []Member {
	var members []Member
	for name, count := range r.Hidden {
		if count != 0 {
			members = append(members, Member{Key: string(appendString(nil, name)), JSON: fmt.Append(nil, count)})
		}
	}
	return sortMembers(members)
}
