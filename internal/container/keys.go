package container

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// A Key names a container at a provider: "0x" and the 64 lowercase hexadecimal
// digits of a SHA-256. Keys are joined to other text as text, 0x included. The
// derivations below are the specification's page "Data Structure" as
// internal/docs/format.md part 2 reads it.
type Key string

// Hash returns the SHA-256 of the UTF-8 bytes of text, the function that the
// specification calls sha256 and upstream publishes under the same name.
func Hash(text string) Key {
	return Key(MessageHash(sha256.Sum256([]byte(text))).String())
}

// RootKey returns the key of an account's root. The signature is the base64
// text of the Ed25519 signature that the profile's signing key makes over the
// account's own normalised name; the text is hashed, not its 64 bytes.
func RootKey(signature string) Key {
	return Hash(signature)
}

// ConversationKey returns the key of the conversation with contact, a
// normalised name, below root.
func ConversationKey(root Key, contact string) Key {
	return Hash(string(root) + contact)
}

// ChunkKey returns the key of the chunk with identifier id below conversation.
// What the specification writes as conversation.name is the conversation's key.
func ChunkKey(conversation Key, id ChunkIdentifier) Key {
	buffer := make([]byte, 0, len(conversation)+64)
	buffer = append(buffer, conversation...)
	sum := sha256.Sum256(id.AppendJSON(buffer))
	return Key(MessageHash(sum).String())
}

// HeadsKey returns the prefix under which the heads of an account stand. No
// conversation can share it: normalisation refuses a name with a dot that begins
// with a hyphen (internal/docs/format.md part 2, decisions/0006-heads-key.md).
func HeadsKey(root Key) Key {
	return Hash(string(root) + "-heads.dm3sync")
}

// A Kind says what a sealed object holds. The numbers are part of the format.
type Kind uint8

// The kinds of sealed objects.
const (
	KindRoot         Kind = 1
	KindConversation Kind = 2
	KindChunk        Kind = 3
	KindHead         Kind = 4
)

// String returns the kind as it stands in the extra field.
func (k Kind) String() string {
	switch k {
	case KindRoot:
		return "root"
	case KindConversation:
		return "conversation"
	case KindChunk:
		return "chunk"
	case KindHead:
		return "head"
	}
	return "kind " + strconv.Itoa(int(k))
}

// A MessageHash is the identity of a message: the SHA-256 of the canonical
// text of the message object, its signature included.
type MessageHash [sha256.Size]byte

// String returns the hash as "0x" and 64 lowercase hexadecimal digits.
func (h MessageHash) String() string {
	var text [hashTextSize]byte
	return string(h.appendText(text[:0]))
}

// hashTextSize is the length of a hash or key as text.
const hashTextSize = 2 + 2*sha256.Size

func (h MessageHash) appendText(dst []byte) []byte {
	return hex.AppendEncode(append(dst, "0x"...), h[:])
}

// MarshalText implements [encoding.TextMarshaler] with the form of String.
func (h MessageHash) MarshalText() ([]byte, error) {
	return h.appendText(make([]byte, 0, hashTextSize)), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]; see [ParseMessageHash].
func (h *MessageHash) UnmarshalText(text []byte) error {
	parsed, err := ParseMessageHash(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}

// ParseMessageHash reads the form that String writes. Only lowercase digits
// are taken, because hashes are compared and joined as text elsewhere; any
// other text gives [ErrHash].
func ParseMessageHash(text string) (MessageHash, error) {
	var h MessageHash
	if len(text) != hashTextSize || text[:2] != "0x" {
		return h, ErrHash
	}
	for i := 2; i < len(text); i++ {
		if 'A' <= text[i] && text[i] <= 'F' {
			return MessageHash{}, ErrHash
		}
	}
	if _, err := hex.Decode(h[:], []byte(text[2:])); err != nil {
		return MessageHash{}, ErrHash
	}
	return h, nil
}
