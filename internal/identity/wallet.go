package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"
)

// Sentinels for what a wallet gives.
var (
	// ErrWalletKey: not 32 bytes of hex, zero, or not below the order of the curve.
	ErrWalletKey = errors.New("identity: not a wallet key")
	// ErrAddress: not "0x" and 40 hex digits.
	ErrAddress = errors.New("identity: not an address")
	// ErrSignature: not a wallet signature of 65 bytes in hex, or not of the expected signer.
	ErrSignature = errors.New("identity: not a valid signature")
)

// redacted is what secrets print as.
const redacted = "[secret]"

// WalletKey is the secp256k1 private key of an Ethereum account. Its zero value signs nothing; make
// one with [ParseWalletKey]. It prints as a placeholder.
type WalletKey struct {
	private *secp256k1.PrivateKey
}

// ParseWalletKey reads 64 hex digits, with or without "0x". The error is [ErrWalletKey] and does not
// contain the text.
func ParseWalletKey(text string) (WalletKey, error) {
	var scalar secp256k1.ModNScalar
	key, err := hex.DecodeString(trimHex(text))
	if err != nil || len(key) != secp256k1.PrivKeyBytesLen {
		return WalletKey{}, ErrWalletKey
	}
	if overflow := scalar.SetByteSlice(key); overflow || scalar.IsZero() {
		return WalletKey{}, ErrWalletKey
	}
	return WalletKey{private: secp256k1.NewPrivateKey(&scalar)}, nil
}

// Address returns the account's address with the EIP-55 checksum.
func (k WalletKey) Address() string {
	return addressOf(k.private.PubKey())
}

// Sign signs a text as personal_sign does (EIP-191 version 0x45, RFC 6979, low s) and returns
// "0x" + r + s + v in lower case, v being 1b or 1c.
func (k WalletKey) Sign(message string) string {
	digest := PersonalDigest(message)
	compact := ecdsa.SignCompact(k.private, digest[:], false) // v first
	return "0x" + hex.EncodeToString(append(compact[1:], compact[0]))
}

// Format prints a placeholder for every verb.
func (k WalletKey) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// MarshalText keeps the key out of every text format.
func (k WalletKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// RecoverAddress returns the address, in EIP-55 form, of the wallet that signed message. The error is
// [ErrSignature].
func RecoverAddress(message, signature string) (string, error) {
	raw, err := decodeSignature(signature)
	if err != nil {
		return "", err
	}
	digest := PersonalDigest(message)
	public, _, err := ecdsa.RecoverCompact(append([]byte{raw[64]}, raw[:64]...), digest[:])
	if err != nil {
		return "", ErrSignature
	}
	return addressOf(public), nil
}

// VerifyWallet reports with nil that address signed message; the error is [ErrSignature] or
// [ErrAddress]. The address may come in any case.
func VerifyWallet(message, signature, address string) error {
	expected, err := ChecksumAddress(address)
	if err != nil {
		return err
	}
	signer, err := RecoverAddress(message, signature)
	if err != nil {
		return err
	}
	if signer != expected {
		return ErrSignature
	}
	return nil
}

// PersonalDigest returns the Keccak-256 hash that EIP-191 personal_sign signs: of the prefix, the
// text's length in bytes, and the text.
func PersonalDigest(message string) [32]byte {
	return keccak("\x19Ethereum Signed Message:\n" + strconv.Itoa(len(message)) + message)
}

// ChecksumAddress returns an address with the EIP-55 checksum; the case given is not judged. The
// error is [ErrAddress].
func ChecksumAddress(address string) (string, error) {
	digits := strings.ToLower(trimHex(address))
	if raw, err := hex.DecodeString(digits); err != nil || len(raw) != 20 || len(address) != 42 {
		return "", ErrAddress
	}
	hash := keccak(digits)
	shown := []byte("0x" + digits)
	for i := range digits {
		nibble := hash[i/2] >> (4 * (1 - i%2)) & 0xf
		if nibble >= 8 && shown[i+2] >= 'a' {
			shown[i+2] -= 'a' - 'A'
		}
	}
	return string(shown), nil
}

// addressOf is the last 20 bytes of the hash of the uncompressed public point.
func addressOf(public *secp256k1.PublicKey) string {
	hash := keccak(string(public.SerializeUncompressed()[1:]))
	address, _ := ChecksumAddress("0x" + hex.EncodeToString(hash[12:]))
	return address
}

func keccak(text string) (sum [32]byte) {
	hash := sha3.NewLegacyKeccak256()
	hash.Write([]byte(text))
	hash.Sum(sum[:0])
	return sum
}

func trimHex(text string) string {
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		return text[2:]
	}
	return text
}
