package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sentinels of the dm3 functions, beside [ErrDamaged].
var (
	// ErrText: a plaintext that is not UTF-8; the dm3 packages encrypt texts only.
	ErrText = errors.New("seal: not utf-8 text")
	// ErrPadding: a padding block of less than one byte, or more than [MaxPlaintext].
	ErrPadding = errors.New("seal: padding block out of range")
)

const (
	dm3Mark    = '{'
	dm3Padding = 2048 // upstream's default block

	dm3Start  = `{"ciphertext":"`
	dm3Middle = `","nonce":"0x`
	dm3End    = `"}`
	dm3Key    = `","ephemPublicKey":"`
)

// EncryptDM3 returns the stored form stringify({ciphertext, nonce}) of a text, as
// @dm3-org/dm3-lib-crypto encrypt does: ChaCha20-Poly1305 (RFC 8439), ISO 7816-4 padding to a
// multiple of padding bytes (2,048 for containers, 1 for names). A nonce must not serve twice under
// one key for two texts. Errors: [ErrText], [ErrPadding], [ErrTooLarge].
func EncryptDM3(key [32]byte, text []byte, nonce [12]byte, padding int) ([]byte, error) {
	return appendDM3(nil, key, text, nonce, padding, nil)
}

// DecryptDM3 undoes [EncryptDM3]; padding must be the one that served there. Other members of the
// stored object are ignored, as upstream does. Errors: [ErrDamaged], [ErrPadding].
func DecryptDM3(key [32]byte, stored []byte, padding int) ([]byte, error) {
	payload, err := parsePayload(stored)
	if err != nil {
		return nil, err
	}
	return payload.open(nil, key, padding)
}

func (s *Sealer) sealDM3(dst, plaintext []byte) ([]byte, error) {
	var nonce [chacha20poly1305.NonceSize]byte
	if _, err := io.ReadFull(s.options.Random, nonce[:]); err != nil {
		return nil, fmt.Errorf("seal: drawing a nonce: %w", err)
	}
	return appendDM3(dst, s.storageKey, plaintext, nonce, dm3Padding, nil)
}

func (s *Sealer) openDM3(dst, sealed []byte) ([]byte, error) {
	if len(sealed) > maxSealed/3*4 {
		return nil, ErrTooLarge
	}
	payload, err := parsePayload(sealed)
	if err != nil {
		return nil, err
	}
	return payload.open(dst, s.storageKey, dm3Padding)
}

// appendDM3 appends stringify({ciphertext, ephemPublicKey?, nonce}).
func appendDM3(dst []byte, key [32]byte, text []byte, nonce [12]byte, padding int, ephemeral []byte) ([]byte, error) {
	switch {
	case padding < 1 || padding > MaxPlaintext:
		return nil, ErrPadding
	case len(text) > MaxPlaintext:
		return nil, ErrTooLarge
	case !utf8.Valid(text):
		return nil, ErrText
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return nil, fmt.Errorf("seal: making a cipher: %w", err)
	}
	padded := (len(text)/padding + 1) * padding
	content := make([]byte, 0, padded+chacha20poly1305.Overhead)
	content = appendPadding(append(content, text...), padded)
	content = aead.Seal(content[:0], nonce[:], content, nil)

	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(content))+128)
	dst = append(dst, dm3Start...)
	dst = base64.StdEncoding.AppendEncode(dst, content)
	if ephemeral != nil {
		dst = append(dst, dm3Key...)
		dst = base64.StdEncoding.AppendEncode(dst, ephemeral)
	}
	dst = append(dst, dm3Middle...)
	dst = hex.AppendEncode(dst, nonce[:])
	return append(dst, dm3End...), nil
}

// payload is a parsed dm3 object. Its members are texts; ciphertext may alias what was parsed.
type payload struct {
	ciphertext       []byte
	nonce, ephemeral string
}

// parsePayload reads the members by their exact names. What stringify wrote is cut apart without a
// JSON decoder, since the ciphertext of a chunk has megabytes; a changed byte there is found by the tag.
func parsePayload(stored []byte) (payload, error) {
	nonceEnd := len(stored) - len(dm3End)
	middle := nonceEnd - 2*chacha20poly1305.NonceSize - len(dm3Middle)
	if middle >= len(dm3Start) && bytes.HasPrefix(stored, []byte(dm3Start)) && string(stored[nonceEnd:]) == dm3End &&
		string(stored[middle:middle+len(dm3Middle)]) == dm3Middle && bytes.IndexByte(stored[len(dm3Start):middle], '"') < 0 {
		return payload{ciphertext: stored[len(dm3Start):middle], nonce: string(stored[nonceEnd-26 : nonceEnd])}, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(stored, &members); err != nil {
		return payload{}, ErrDamaged
	}
	var ciphertext string
	var parsed payload
	for name, target := range map[string]*string{"ciphertext": &ciphertext, "nonce": &parsed.nonce, "ephemPublicKey": &parsed.ephemeral} {
		value, ok := members[name]
		if !ok && name == "ephemPublicKey" {
			continue
		}
		if !ok || json.Unmarshal(value, target) != nil {
			return payload{}, ErrDamaged
		}
	}
	parsed.ciphertext = []byte(ciphertext)
	return parsed, nil
}

// open appends the plaintext to dst.
func (p payload) open(dst []byte, key [32]byte, padding int) ([]byte, error) {
	if padding < 1 || padding > MaxPlaintext {
		return nil, ErrPadding
	}
	nonce, ok := parseNonce(p.nonce)
	if !ok {
		return nil, ErrDamaged
	}
	content, ok := decodeBase64(p.ciphertext)
	if !ok {
		return nil, ErrDamaged
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return nil, fmt.Errorf("seal: making a cipher: %w", err)
	}
	padded, err := aead.Open(content[:0], nonce[:], content, nil)
	if err != nil {
		return nil, ErrDamaged
	}
	text, ok := trimPadding(padded)
	// The mark stands in the last block: another block size than the writer's is an error upstream.
	if !ok || len(padded)%padding != 0 || len(padded)-len(text) > padding || !utf8.Valid(text) {
		return nil, ErrDamaged
	}
	if len(text) > MaxPlaintext {
		return nil, ErrTooLarge
	}
	return append(dst, text...), nil
}

func parseNonce(text string) (nonce [12]byte, ok bool) {
	if len(text) != 2+2*len(nonce) || text[:2] != "0x" {
		return nonce, false
	}
	_, err := hex.Decode(nonce[:], []byte(text[2:]))
	return nonce, err == nil
}

// decodeBase64 decodes standard base64 with padding, and nothing that reads the same.
func decodeBase64(text []byte) ([]byte, bool) {
	decoded, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	// The decoder skips line ends; the length shows them.
	return decoded, err == nil && base64.StdEncoding.EncodedLen(len(decoded)) == len(text)
}
