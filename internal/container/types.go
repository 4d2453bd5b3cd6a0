package container

import (
	"bytes"
	"cmp"
	"strconv"
)

// MaxInteger is the largest timestamp and identifier: 2^53-1, the largest
// integer that JavaScript holds exactly.
const MaxInteger = 1<<53 - 1

// A ChunkIdentifier names a chunk within its conversation. It is frozen when
// the chunk is made. It is comparable, so it can be a map key.
type ChunkIdentifier struct {
	// ID counts the chunks of a conversation from 0.
	ID int64
	// Timestamp is that of the chunk's first message, Unix milliseconds,
	// 0 to MaxInteger.
	Timestamp int64
}

// Compare orders identifiers by timestamp, then by ID. It returns -1, 0 or +1.
func (id ChunkIdentifier) Compare(other ChunkIdentifier) int {
	return cmp.Or(cmp.Compare(id.Timestamp, other.Timestamp), cmp.Compare(id.ID, other.ID))
}

// AppendJSON appends the canonical text, {"id":n,"timestamp":t}, to dst.
func (id ChunkIdentifier) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"id":`...), id.ID, 10)
	dst = strconv.AppendInt(append(dst, `,"timestamp":`...), id.Timestamp, 10)
	return append(dst, '}')
}

// A Tombstone says that the message with this hash was deleted. Its timestamp
// is the message's, so that it belongs to the same chunk. Tombstones never
// expire.
type Tombstone struct {
	Hash      MessageHash
	Timestamp int64 // Unix milliseconds, 0 to MaxInteger
}

// Compare orders tombstones by timestamp, then by hash, as messages are.
func (t Tombstone) Compare(other Tombstone) int {
	return cmp.Or(cmp.Compare(t.Timestamp, other.Timestamp), bytes.Compare(t.Hash[:], other.Hash[:]))
}

// An Envelope is one stored message.
type Envelope struct {
	// Timestamp is message.metadata.timestamp: Unix milliseconds, 0 to
	// MaxInteger.
	Timestamp int64
	// Hash is the SHA-256 of the canonical text of the message object,
	// recomputed, never taken from the envelope.
	Hash MessageHash
	// JSON is the whole envelope in canonical form. It may share memory with
	// the text that it was decoded from; nobody writes to it.
	JSON []byte
}

// Compare orders envelopes by timestamp, then by hash.
func (e Envelope) Compare(other Envelope) int {
	return cmp.Or(cmp.Compare(e.Timestamp, other.Timestamp), bytes.Compare(e.Hash[:], other.Hash[:]))
}

// Parties are the two sides of a message, as the message gives them, not
// normalised and not verified.
type Parties struct {
	From, To string
}

// A Member is one member of a JSON object that this package has no field for.
type Member struct {
	// Key is the member's name in canonical form, quotes included.
	Key string
	// JSON is the member's value in canonical form; nobody writes to it.
	JSON []byte
}

// Unknown holds what other clients or later versions wrote into a state. It
// survives decoding, union and encoding.
type Unknown struct {
	// Top are the unknown members of the state itself, in canonical order.
	Top []Member
	// Extra are the unknown members of the field "dm3sync", in canonical order.
	Extra []Member
}

// A Root is the content of one state of a root container. The zero value is an
// empty state. A value that nobody changes may be read concurrently.
type Root struct {
	// Account is the normalised name of the account whose root this is; empty
	// in a state that only follows the specification.
	Account string
	// Conversations are the contacts with live messages, normalised names.
	Conversations []string
	// Names are all contacts that were ever listed; they stay for ever.
	Names []string
	// Hidden counts, per contact, how often its conversation was hidden or
	// shown again; an odd count says hidden. Counts only grow.
	Hidden map[string]int64
	// Replaces names the states that this state was written to replace.
	Replaces []string
	// Unknown is what other writers added.
	Unknown Unknown
}

// A Conversation is the content of one state of a conversation container. The
// zero value is an empty state. A value that nobody changes may be read
// concurrently.
type Conversation struct {
	// Contact is the normalised name of the other side; empty in a state that
	// only follows the specification.
	Contact string
	// Chunks are the identifiers of the conversation's chunks.
	Chunks []ChunkIdentifier
	// Retired are identifiers that are no longer in use; they are kept for ever.
	Retired []ChunkIdentifier
	// Replaces names the states that this state was written to replace.
	Replaces []string
	// Unknown is what other writers added.
	Unknown Unknown
}

// A Chunk is the content of one state of a chunk container. The zero value is
// an empty state. A value that nobody changes may be read concurrently.
type Chunk struct {
	// Contact is the normalised name of the other side; empty in a state that
	// only follows the specification.
	Contact string
	// Identifier is the chunk's own; zero in a state that only follows the
	// specification.
	Identifier ChunkIdentifier
	// Messages are the envelopes.
	Messages []Envelope
	// Tombstones are the deleted messages that this state knows of.
	Tombstones []Tombstone
	// Replaces names the states that this state was written to replace.
	Replaces []string
	// Unknown is what other writers added.
	Unknown Unknown
}
