package seal

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"golang.org/x/crypto/blake2b"
)

// ErrPublicKey: a public key with which no key can be agreed on.
var ErrPublicKey = errors.New("seal: unusable public key")

// Session holds the two keys of a key exchange as libsodium's crypto_kx makes them. What one side
// transmits with, the other receives with.
type Session struct {
	Receive, Transmit [32]byte
}

// Format prints a placeholder for every verb.
func (s Session) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte("[session]")) }

// ClientSession agrees on keys as the client (the sender): BLAKE2b-512(X25519 secret, client public,
// server public) = receive, transmit. The error is [ErrPublicKey].
func ClientSession(private, serverPublic [32]byte) (Session, error) {
	secret, own, err := agree(private, serverPublic)
	if err != nil {
		return Session{}, err
	}
	first, second := sessionKeys(secret, own, serverPublic)
	return Session{Receive: first, Transmit: second}, nil
}

// ServerSession agrees on keys as the server (the receiver); see [ClientSession].
func ServerSession(private, clientPublic [32]byte) (Session, error) {
	secret, own, err := agree(private, clientPublic)
	if err != nil {
		return Session{}, err
	}
	first, second := sessionKeys(secret, clientPublic, own)
	return Session{Receive: second, Transmit: first}, nil
}

func agree(private, public [32]byte) (secret []byte, own [32]byte, err error) {
	key, err := ecdh.X25519().NewPrivateKey(private[:])
	if err != nil {
		return nil, own, fmt.Errorf("seal: reading a private key: %w", err)
	}
	other, err := ecdh.X25519().NewPublicKey(public[:])
	if err != nil {
		return nil, own, ErrPublicKey
	}
	secret, err = key.ECDH(other) // refuses a secret of zeros, as libsodium does
	if err != nil {
		return nil, own, ErrPublicKey
	}
	return secret, [32]byte(key.PublicKey().Bytes()), nil
}

func sessionKeys(secret []byte, client, server [32]byte) (first, second [32]byte) {
	keys := blake2b.Sum512(append(append(append(make([]byte, 0, 96), secret...), client[:]...), server[:]...))
	return [32]byte(keys[:32]), [32]byte(keys[32:])
}

// EncryptAsymmetric encrypts a text to the owner of public as encryptAsymmetric of
// @dm3-org/dm3-lib-crypto does, and returns stringify({ciphertext, ephemPublicKey, nonce}). ephemeral
// is a fresh random X25519 private key, nonce random. Errors: [ErrPublicKey] and those of
// [EncryptDM3].
func EncryptAsymmetric(public [32]byte, text []byte, ephemeral [32]byte, nonce [12]byte) ([]byte, error) {
	session, err := ClientSession(ephemeral, public)
	if err != nil {
		return nil, err
	}
	key, err := ecdh.X25519().NewPrivateKey(ephemeral[:])
	if err != nil {
		return nil, fmt.Errorf("seal: reading a private key: %w", err)
	}
	return appendDM3(nil, session.Transmit, text, nonce, dm3Padding, key.PublicKey().Bytes())
}

// DecryptAsymmetric undoes [EncryptAsymmetric] with the receiver's private key. Errors: [ErrDamaged],
// [ErrPublicKey].
func DecryptAsymmetric(private [32]byte, stored []byte) ([]byte, error) {
	payload, err := parsePayload(stored)
	if err != nil {
		return nil, err
	}
	public, ok := decodeBase64([]byte(payload.ephemeral))
	if !ok || len(public) != 32 {
		return nil, ErrDamaged
	}
	session, err := ServerSession(private, [32]byte(public))
	if err != nil {
		return nil, err
	}
	return payload.open(nil, session.Receive, dm3Padding)
}

// EncryptDeterministic encrypts a contact name or profile location as upstream's client does for its
// storage service: under the account's X25519 private key, with a nonce made of the account's
// normalised name, padding 1; in wire form. One text always gives one result, so it can serve as a
// lookup key, and for the same reason it tells the XOR of two names and lets tags be forged: use it for
// that service only. Errors: those of [EncryptDM3].
func EncryptDeterministic(private [32]byte, account, text string) (string, error) {
	stored, err := EncryptDM3(private, []byte(text), deterministicNonce(account), 1)
	if err != nil {
		return "", err
	}
	return EncodeWire(stored), nil
}

// DecryptDeterministic undoes [EncryptDeterministic]. The error is [ErrDamaged].
func DecryptDeterministic(private [32]byte, wire string) (string, error) {
	stored, err := DecodeWire(wire)
	if err != nil {
		return "", err
	}
	text, err := DecryptDM3(private, stored, 1)
	return string(text), err
}

// deterministicNonce is the first 12 bytes of the hash of the account's name.
func deterministicNonce(account string) (nonce [12]byte) {
	digits := strings.TrimPrefix(string(container.Hash(account)), "0x")
	_, _ = hex.Decode(nonce[:], []byte(digits[:2*len(nonce)])) // a hash is hex
	return nonce
}

// EncodeWire returns the base64 of a stored form, as upstream's client sends it to the service.
func EncodeWire(stored []byte) string { return base64.StdEncoding.EncodeToString(stored) }

// DecodeWire undoes [EncodeWire]. The error is [ErrDamaged].
func DecodeWire(wire string) ([]byte, error) {
	stored, ok := decodeBase64([]byte(wire))
	if !ok {
		return nil, ErrDamaged
	}
	return stored, nil
}
