package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dm3sync/dm3sync/internal/container"
	"golang.org/x/crypto/chacha20poly1305"
)

// MaxPlaintext is the largest plaintext, in bytes, that is sealed, and the most that opening or
// decompressing ever yields.
const MaxPlaintext = 64 << 20

// Reasons for which an object cannot be sealed or opened; compare with errors.Is.
var (
	// ErrOtherKey: sealed for another account (or under another nonce of the same wallet). Never
	// damage: the object may be whole and somebody else's.
	ErrOtherKey = errors.New("seal: sealed with another key")
	// ErrNewerVersion: written by a newer program. Never damage.
	ErrNewerVersion = errors.New("seal: sealed in a newer version")
	// ErrDamaged: cut off, changed, or put in another object's place. In the dm3 form, which names
	// no key, another key looks the same.
	ErrDamaged = errors.New("seal: damaged or misplaced")
	// ErrTooLarge: more than [MaxPlaintext].
	ErrTooLarge = errors.New("seal: too large")
	// ErrFormNotAllowed: dm3 form in an account that doesn't ask for it, or of a head.
	ErrFormNotAllowed = errors.New("seal: dm3 form is not allowed here")
)

// Options change how a [Sealer] works. The zero value, or nil, is the default.
type Options struct {
	// NoCompression leaves chunks uncompressed, so that their size says nothing of their content.
	NoCompression bool
	// DM3 seals in the dm3 form and accepts it on opening beside the compact form. Heads stay compact:
	// no other client reads them, they are no text, and nothing inside them says what they are.
	DM3 bool
	// Random gives nonces; nil means crypto/rand. It must be safe for concurrent use, and its
	// bytes must never repeat.
	Random io.Reader
}

// Sealer seals and opens the objects of one account. It is safe for concurrent use. It prints as a
// placeholder.
type Sealer struct {
	storageKey [32]byte
	identifier [identifierSize]byte
	compact    cipher.AEAD
	record     cipher.AEAD
	options    Options
	codecs     codecs
	scratch    sync.Pool // *[]byte, plaintexts between decryption and decompression
}

// New returns a sealer for a storage key (identity.StorageKey). Options may be nil.
func New(storageKey [32]byte, options *Options) (*Sealer, error) {
	s := &Sealer{storageKey: storageKey}
	if options != nil {
		s.options = *options
	}
	if s.options.Random == nil {
		s.options.Random = rand.Reader
	}
	identifier, err := hkdf.Key(sha256.New, storageKey[:], nil, compactIdentifierInfo, identifierSize)
	if err != nil {
		return nil, fmt.Errorf("seal: deriving the key identifier: %w", err)
	}
	s.identifier = [identifierSize]byte(identifier)
	if s.compact, err = DeriveCipher(storageKey, compactKeyInfo); err != nil {
		return nil, err
	}
	if s.record, err = DeriveCipher(storageKey, recordKeyInfo); err != nil {
		return nil, err
	}
	return s, nil
}

// DeriveCipher returns XChaCha20-Poly1305 under a key of its own for one purpose (RFC 5869), a text that nothing else
// uses. It is for what is sealed on this machine; objects are sealed by a Sealer. The result is safe for concurrent use.
func DeriveCipher(storageKey [32]byte, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, storageKey[:], nil, purpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("seal: deriving a key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("seal: making a cipher: %w", err)
	}
	return aead, nil
}

// Seal appends the sealed form of plaintext, bound to its kind and container key, to dst and returns
// the result. plaintext must not overlap dst's spare capacity. Errors: [ErrTooLarge]; in the dm3
// form [ErrText]; those of the random source.
func (s *Sealer) Seal(dst []byte, kind container.Kind, key container.Key, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, ErrTooLarge
	}
	if s.takesDM3(kind) {
		return s.sealDM3(dst, plaintext)
	}
	return s.sealCompact(dst, kind, key, plaintext)
}

// Open appends the plaintext of a sealed object to dst and returns the result. sealed is left as it
// was and must not overlap dst's spare capacity. Errors: [ErrOtherKey], [ErrNewerVersion],
// [ErrDamaged], [ErrTooLarge], [ErrFormNotAllowed].
//
// An object in the dm3 form is bound neither to kind nor to key: the caller must check the identity
// inside the plaintext.
func (s *Sealer) Open(dst []byte, kind container.Kind, key container.Key, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, ErrDamaged
	}
	switch version := sealed[0]; {
	case version == dm3Mark && !s.takesDM3(kind):
		return nil, ErrFormNotAllowed
	case version == dm3Mark:
		return s.openDM3(dst, sealed)
	case version == 0:
		// Never given to a version, because a file that lost its content is often all zeros.
		return nil, ErrDamaged
	case version != compactVersion:
		return nil, ErrNewerVersion
	}
	return s.openCompact(dst, kind, key, sealed)
}

// takesDM3 tells whether objects of a kind are sealed in the dm3 form.
func (s *Sealer) takesDM3(kind container.Kind) bool {
	return s.options.DM3 && kind != container.KindHead
}

// Format prints a placeholder for every verb.
func (s *Sealer) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "[sealer]") }
