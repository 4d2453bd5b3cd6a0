package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// NotesContact is the conversation in which an account keeps what its apps say of their
// conversations and the tree has no other place for (package storage writes it). It
// stays in the tree: no node is given it, and no app shown it.
const NotesContact = "notes.app.dm3sync"

// Sentinels of the codec.
var (
	// ErrDecrypt is a text that does not open with the account's keys: another
	// account's, another profile's, or damaged.
	ErrDecrypt = errors.New("the text doesn't open with this account's keys")
	// ErrRecord is a record that opens and is not what an app would have stored.
	ErrRecord = errors.New("the record is no stored message")
)

// Codec encrypts and decrypts what a dm3 app keeps at its node, with the keys of
// the app's profile. It is safe for concurrent use if its random source is. It
// prints as a placeholder.
type Codec struct {
	account         string
	private, public [32]byte
	random          io.Reader
}

// NewCodec returns the codec of one account. name is the name under which the app
// uses the node, in any spelling: another name means other encrypted contact names.
// random gives nonces and keys, as crypto/rand. The error is that of
// [identity.Normalize].
func NewCodec(profile identity.Profile, name string, random io.Reader) (*Codec, error) {
	normal, err := identity.Normalize(name)
	if err != nil {
		return nil, fmt.Errorf("bridge: reading the account's name: %w", err)
	}
	return &Codec{account: normal, private: profile.EncryptionPrivate(), public: profile.EncryptionPublic(), random: random}, nil
}

// Account is the normalised name under which the app uses the node.
func (c *Codec) Account() string { return c.account }

// Format prints a placeholder for every verb.
func (c *Codec) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte("[codec]")) }

// EncryptName encrypts the name of a contact. One name always gives one text, which
// the node uses as lookup key; it may stand in a path as it is. The error is
// [seal.ErrText] for a name that is not UTF-8.
func (c *Codec) EncryptName(name string) (string, error) {
	wire, err := seal.EncryptDeterministic(c.private, c.account, name)
	if err != nil {
		return "", fmt.Errorf("bridge: encrypting a name: %w", err)
	}
	return wire, nil
}

// DecryptName undoes [Codec.EncryptName]. The name is as the app wrote it, not
// normalised. The error matches [ErrDecrypt].
func (c *Codec) DecryptName(wire string) (string, error) {
	name, err := seal.DecryptDeterministic(c.private, wire)
	if err != nil {
		return "", fmt.Errorf("bridge: decrypting a name: %w: %w", ErrDecrypt, err)
	}
	return name, nil
}

// EncryptLocations encrypts the further names of a contact, as the app sees them
// (its "profile location").
func (c *Codec) EncryptLocations(names []string) (string, error) {
	if names == nil {
		names = []string{}
	}
	text, err := json.Marshal(names)
	if err == nil {
		text, err = container.Canonical(nil, text) // without Go's escapes for HTML
	}
	if err != nil {
		return "", fmt.Errorf("bridge: writing further names: %w", err)
	}
	return c.EncryptName(string(text))
}

// DecryptLocations undoes [Codec.EncryptLocations]; an empty text is no names.
// Errors match [ErrDecrypt] or [ErrRecord].
func (c *Codec) DecryptLocations(wire string) ([]string, error) {
	if wire == "" {
		return nil, nil
	}
	text, err := c.DecryptName(wire)
	if err != nil {
		return nil, err
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("bridge: reading further names: %w", ErrRecord)
	}
	return names, nil
}

// EncryptRecord encrypts the text of a storage container to the account itself. Each
// call gives another text. Errors are those of the random source and of package
// seal.
func (c *Codec) EncryptRecord(text []byte) (string, error) {
	var ephemeral [32]byte
	var nonce [12]byte
	for _, part := range [][]byte{ephemeral[:], nonce[:]} {
		if _, err := io.ReadFull(c.random, part); err != nil {
			return "", fmt.Errorf("bridge: drawing a key: %w", err)
		}
	}
	stored, err := seal.EncryptAsymmetric(c.public, text, ephemeral, nonce)
	if err != nil {
		return "", fmt.Errorf("bridge: encrypting a record: %w", err)
	}
	return seal.EncodeWire(stored), nil
}

// DecryptRecord undoes [Codec.EncryptRecord]. That a record opens proves nothing of
// its writer: whoever knows the public key can make one. The error matches
// [ErrDecrypt].
func (c *Codec) DecryptRecord(wire string) ([]byte, error) {
	stored, err := seal.DecodeWire(wire)
	if err == nil {
		stored, err = seal.DecryptAsymmetric(c.private, stored)
	}
	if err != nil {
		return nil, fmt.Errorf("bridge: decrypting a record: %w: %w", ErrDecrypt, err)
	}
	return stored, nil
}

// DecryptWire opens one encrypted part of a message in transit, which stands there as
// the text of an object. The error matches [ErrDecrypt].
func (c *Codec) DecryptWire(text string) ([]byte, error) {
	plain, err := seal.DecryptAsymmetric(c.private, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("bridge: decrypting a message: %w: %w", ErrDecrypt, err)
	}
	return plain, nil
}

// Seal is [ToStorage] and [Codec.EncryptRecord]: what an app's node is given for an
// envelope.
func (c *Codec) Seal(e container.Envelope) (string, error) {
	text, err := ToStorage(e)
	if err != nil {
		return "", err
	}
	return c.EncryptRecord(text)
}

// Open is [Codec.DecryptRecord] and [FromStorage]: the envelope of a record at the
// node. Errors match [ErrDecrypt] or [ErrRecord].
func (c *Codec) Open(wire string) (container.Envelope, container.Parties, error) {
	text, err := c.DecryptRecord(wire)
	if err != nil {
		return container.Envelope{}, container.Parties{}, err
	}
	return FromStorage(text)
}
