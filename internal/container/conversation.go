package container

import "fmt"

// DecodeConversation reads the plaintext of a conversation state, {"chunks":
// [{"id", "timestamp"}]}, with members in any order. Identifiers and timestamps
// are integers of 0 to MaxInteger. Without the extra field "dm3sync" the state
// is a plain one of the specification. Errors wrap [ErrSyntax], [ErrField] or
// [ErrKind] and name the member. The result shares no memory with text.
func DecodeConversation(text []byte) (*Conversation, error) {
	c := new(Conversation)
	l := layout{
		kind: KindConversation, replaces: &c.Replaces, unknown: &c.Unknown,
		list:     `"chunks"`,
		readList: func(s *scanner) (err error) { c.Chunks, err = s.identifiers(); return err },
		reset:    func() { c.Contact, c.Retired = "", nil },
		extra: func(s *scanner, name string) (known bool, err error) {
			switch name {
			case `"contact"`:
				c.Contact, err = s.name()
			case `"retired"`:
				c.Retired, err = s.identifiers()
			default:
				return false, nil
			}
			return true, err
		},
	}
	if err := l.decode(text); err != nil {
		return nil, fmt.Errorf("container: reading conversation: %w", err)
	}
	return c, nil
}

// AppendJSON appends the state's canonical plaintext to dst. The extra field,
// left out when it would say nothing, is {"kind": "conversation", "contact":
// name, "retired": [{"id", "timestamp"}], "replaces": [state name]} without what
// is empty. Identifiers come out in their order, without doubles.
func (c *Conversation) AppendJSON(dst []byte) []byte {
	var own extra
	own.text("contact", c.Contact)
	if len(c.Retired) > 0 {
		own.add("retired", appendIdentifiers(nil, c.Retired))
	}
	return appendState(dst, `"chunks"`,
		func(dst []byte) []byte { return appendIdentifiers(dst, c.Chunks) },
		own.members(KindConversation, c.Replaces, c.Unknown.Extra), c.Unknown.Top)
}
