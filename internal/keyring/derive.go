package keyring

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/internal/identity"
)

// Form says what an account's secret is.
type Form string

// The forms of a secret.
const (
	FormStorageKey Form = "storage-key" // base64 of 32 bytes
	FormSignature  Form = "signature"   // wallet signature of the creation message, 0x and 130 hex digits
	FormWalletKey  Form = "wallet-key"  // private key of the wallet, 0x and 64 hex digits
)

// Valid tells whether the form is one of the three.
func (f Form) Valid() bool {
	return f == FormStorageKey || f == FormSignature || f == FormWalletKey
}

// StorageKey reads the secret at source and derives the storage key from it.
// The nonce matters to FormWalletKey alone; empty means identity.DefaultNonce.
func StorageKey(source Source, form Form, nonce string, options *Options) ([32]byte, error) {
	secret, err := Read(source, options)
	if err != nil {
		return [32]byte{}, err
	}
	key, err := Derive(form, secret, nonce)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w (read from %s)", err, source)
	}
	return key, nil
}

// Derive turns a secret into the 32 bytes of the storage key, as
// internal/docs/format.md part 1 says: the SHA-256 of the wallet's signature of
// the creation message. It fails with ErrSecret, naming the form that the secret
// seems to have.
func Derive(form Form, secret, nonce string) ([32]byte, error) {
	switch form {
	case FormStorageKey:
		return decodeStorageKey(secret)
	case FormSignature:
		// The errors of identity are not wrapped: they may quote their input.
		key, err := identity.StorageKey(secret)
		if err != nil {
			return key, wrongForm(form, secret, "0x and 130 hex digits, whose last byte is 1b or 1c")
		}
		return key, nil
	case FormWalletKey:
		return fromWallet(secret, nonce)
	}
	return [32]byte{}, fmt.Errorf("keyring: %w: unknown form %q; use %s, %s or %s", ErrSecret, form, FormStorageKey, FormSignature, FormWalletKey)
}

func decodeStorageKey(secret string) (key [32]byte, err error) {
	data, err := base64.StdEncoding.Strict().DecodeString(secret)
	// The decoder passes over line breaks; a key file with one inside is damaged.
	if err != nil || len(data) != len(key) || strings.ContainsAny(secret, "\r\n") {
		return key, wrongForm(FormStorageKey, secret, "the base64 text of 32 bytes")
	}
	return [32]byte(data), nil
}

func fromWallet(secret, nonce string) ([32]byte, error) {
	wallet, err := identity.ParseWalletKey(secret)
	if err != nil {
		return [32]byte{}, wrongForm(FormWalletKey, secret, "0x and 64 hex digits")
	}
	if nonce == "" {
		nonce = identity.DefaultNonce
	}
	signature := wallet.Sign(identity.CreationMessage(nonce, wallet.Address()))
	key, err := identity.StorageKey(signature)
	if err != nil {
		return key, fmt.Errorf("keyring: %w: the wallet's own signature was refused", ErrSecret)
	}
	return key, nil
}

// wrongForm says what was expected and, judged by length alone, what was found.
func wrongForm(form Form, secret, expected string) error {
	hint := ""
	for guess, fits := range map[Form]bool{
		FormStorageKey: len(secret) == 44 && strings.HasSuffix(secret, "="),
		FormSignature:  len(secret) == 132 && strings.HasPrefix(secret, "0x"),
		FormWalletKey:  len(secret) == 66 && strings.HasPrefix(secret, "0x"),
	} {
		if fits && guess != form {
			hint = fmt.Sprintf("; this looks like form = %q", guess)
		}
	}
	return fmt.Errorf("keyring: %w: a %s is %s%s", ErrSecret, form, expected, hint)
}
