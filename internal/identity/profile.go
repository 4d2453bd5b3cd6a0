package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/blake2b"
)

// Profile holds the keys of one account. Its zero value is not usable; make one with
// [FromStorageKey]. It prints as a placeholder and marshals as one; keys leave it only through the
// methods that name them.
type Profile struct {
	storage    [32]byte
	encryption *ecdh.PrivateKey
	signing    ed25519.PrivateKey
}

// FromStorageKey derives both key pairs from the storage key: X25519 as libsodium's
// crypto_kx_seed_keypair does (private = BLAKE2b-256 of the key), Ed25519 with the key as seed.
func FromStorageKey(key [32]byte) Profile {
	private := blake2b.Sum256(key[:])
	encryption, err := ecdh.X25519().NewPrivateKey(private[:])
	if err != nil {
		// Every 32 bytes are an X25519 private key.
		panic("identity: deriving the encryption key: " + err.Error())
	}
	return Profile{storage: key, encryption: encryption, signing: ed25519.NewKeyFromSeed(key[:])}
}

// StorageKey returns the key that the profile was made from: upstream's storageEncryptionKey.
func (p Profile) StorageKey() [32]byte { return p.storage }

// EncryptionPrivate returns the X25519 private key.
func (p Profile) EncryptionPrivate() [32]byte { return [32]byte(p.encryption.Bytes()) }

// EncryptionPublic returns the X25519 public key.
func (p Profile) EncryptionPublic() [32]byte { return [32]byte(p.encryption.PublicKey().Bytes()) }

// SigningPrivate returns the Ed25519 private key in libsodium's form, seed and public key.
func (p Profile) SigningPrivate() [64]byte { return [64]byte(p.signing) }

// SigningPublic returns the Ed25519 public key.
func (p Profile) SigningPublic() [32]byte { return [32]byte(p.signing[32:]) }

// Sign returns the Ed25519 signature of a text's UTF-8 bytes, in base64 (88 characters).
func (p Profile) Sign(text string) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(p.signing, []byte(text)))
}

// Verify reports whether a signature of [Profile.Sign]'s form over text is this profile's own.
func (p Profile) Verify(text, signature string) bool {
	return Verify(p.SigningPublic(), text, signature)
}

// RootSignature normalises the account's own name and signs it: the text that container.RootKey
// takes. Errors are those of [Normalize].
func (p Profile) RootSignature(name string) (string, error) {
	normal, err := Normalize(name)
	if err != nil {
		return "", fmt.Errorf("identity: signing the own name: %w", err)
	}
	return p.Sign(normal), nil
}

// UserProfile returns the public half, to be published with the given delivery services.
func (p Profile) UserProfile(deliveryServices ...string) UserProfile {
	encryption, signing := p.EncryptionPublic(), p.SigningPublic()
	return UserProfile{
		PublicEncryptionKey: EncodeKey(encryption[:]),
		PublicSigningKey:    EncodeKey(signing[:]),
		DeliveryServices:    deliveryServices,
	}
}

// Format prints a placeholder for every verb.
func (p Profile) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// MarshalText keeps the keys out of every text format.
func (p Profile) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Verify reports whether signature (base64) is the Ed25519 signature of text's UTF-8 bytes by the
// owner of public. A signature of another form is not valid.
func Verify(public [32]byte, text, signature string) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(signature)
	return err == nil && len(raw) == ed25519.SignatureSize && ed25519.Verify(public[:], []byte(text), raw)
}

// EncodeKey writes a key as dm3 does: standard base64 with padding.
func EncodeKey(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

// ParseKey reads a key of 32 bytes from base64, as [EncodeKey] writes it. The error names no content.
func ParseKey(text string) (key [32]byte, err error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(key) {
		return key, ErrKey
	}
	return [32]byte(raw), nil
}
