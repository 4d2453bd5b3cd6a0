package container

import (
	"bytes"
	"fmt"
	"slices"
)

// envelopeGuess is about the least size of an envelope, in bytes: how many
// DecodeChunk makes room for.
const envelopeGuess = 768

// DecodeChunk reads the plaintext of a chunk state, {"messages": [envelope]},
// with members and messages in any order. Without the extra field "dm3sync" the
// state is a plain one of the specification. Every message is held to the rules
// of [ParseEnvelope] and its hash is computed; doubles are joined.
//
// Errors wrap [ErrSyntax], [ErrField], [ErrKind] or an error of ParseEnvelope;
// those of a message name its index in the list. The messages of the result
// share the memory of text, which must not change any more.
func DecodeChunk(text []byte) (*Chunk, error) {
	c := new(Chunk)
	l := layout{
		kind: KindChunk, replaces: &c.Replaces, unknown: &c.Unknown,
		list:     `"messages"`,
		readList: c.readMessages,
		reset:    func() { c.Contact, c.Identifier, c.Tombstones = "", ChunkIdentifier{}, nil },
		extra: func(s *scanner, name string) (known bool, err error) {
			switch name {
			case `"contact"`:
				c.Contact, err = s.name()
			case `"id"`:
				c.Identifier.ID, err = s.integer()
			case `"timestamp"`:
				c.Identifier.Timestamp, err = s.integer()
			case `"tombstones"`:
				c.Tombstones, err = s.tombstones()
			default:
				return false, nil
			}
			return true, err
		},
	}
	if err := l.decode(text); err != nil {
		return nil, fmt.Errorf("container: reading chunk: %w", err)
	}
	return c, nil
}

func (c *Chunk) readMessages(s *scanner) error {
	limit := s.limit
	s.limit = s.depth + 1 + maxEnvelopeDepth
	defer func() { s.limit = limit }()
	c.Messages = make([]Envelope, 0, len(s.src)/envelopeGuess+1)
	err := s.list(func(index int) error {
		envelope, shared, err := s.envelope()
		if err != nil {
			return fmt.Errorf("message %d: %w", index, err)
		}
		if !shared {
			envelope.JSON = bytes.Clone(envelope.JSON)
		}
		c.Messages = append(c.Messages, envelope)
		return nil
	})
	c.Messages = sortedEnvelopes(c.Messages)
	return err
}

// AppendJSON appends the state's canonical plaintext to dst. The extra field,
// left out when it would say nothing, is {"kind": "chunk", "contact": name,
// "id": n, "timestamp": t, "tombstones": [{"hash", "timestamp"}], "replaces":
// [state name]} without what is empty; id and timestamp are there when contact
// is, or one of them is not 0. Messages and tombstones come out sorted by
// timestamp, then hash, messages of one hash joined. The JSON of each message
// must be canonical, as ParseEnvelope and DecodeChunk give it.
func (c *Chunk) AppendJSON(dst []byte) []byte {
	messages := sortedEnvelopes(c.Messages)
	return c.appendFrame(slices.Grow(dst, envelopesSize(messages)), func(dst []byte) []byte {
		return appendList(dst, messages, func(dst []byte, e Envelope) []byte { return append(dst, e.JSON...) })
	})
}

// Size returns the length of what AppendJSON appends, in bytes, without
// building it.
func (c *Chunk) Size() int {
	messages := sortedEnvelopes(c.Messages)
	frame := c.appendFrame(nil, func(dst []byte) []byte { return append(dst, "[]"...) })
	return len(frame) + envelopesSize(messages)
}

// envelopesSize is the size of a list's elements and commas.
func envelopesSize(messages []Envelope) int {
	size := max(len(messages)-1, 0)
	for _, e := range messages {
		size += len(e.JSON)
	}
	return size
}

// appendFrame appends the state with a list of messages that appendMessages
// appends.
func (c *Chunk) appendFrame(dst []byte, appendMessages func([]byte) []byte) []byte {
	var own extra
	own.text("contact", c.Contact)
	if c.Contact != "" || c.Identifier != (ChunkIdentifier{}) {
		own.integer("id", c.Identifier.ID)
		own.integer("timestamp", c.Identifier.Timestamp)
	}
	if len(c.Tombstones) > 0 {
		own.add("tombstones", appendTombstones(nil, c.Tombstones))
	}
	return appendState(dst, `"messages"`, appendMessages,
		own.members(KindChunk, c.Replaces, c.Unknown.Extra), c.Unknown.Top)
}

// appendTombstones appends a list of tombstones, sorted, once each.
func appendTombstones(dst []byte, list []Tombstone) []byte {
	return appendList(dst, sortedSet(list, Tombstone.Compare), func(dst []byte, t Tombstone) []byte {
		dst = t.Hash.appendText(append(dst, `{"hash":"`...))
		return fmt.Appendf(dst, `","timestamp":%d}`, t.Timestamp)
	})
}
