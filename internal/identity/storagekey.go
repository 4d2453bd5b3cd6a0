package identity

import (
	"crypto/sha256"
	"encoding/hex"
)

// StorageKey derives the storage key from a wallet's signature of [CreationMessage]: the SHA-256 of
// the signature's hex text. Since one letter changes the key, the text is brought into ethers' form
// first: "0x", lower case, v as 1b or 1c (wallets also give 00 and 01). The error is [ErrSignature]
// for anything but 65 bytes, among them the signatures of contract wallets, which have no one form
// and so no stable key.
func StorageKey(signature string) (key [32]byte, err error) {
	raw, err := decodeSignature(signature)
	if err != nil {
		return key, err
	}
	return sha256.Sum256([]byte("0x" + hex.EncodeToString(raw))), nil
}

// decodeSignature returns r, s and v as 65 bytes, v being 0x1b or 0x1c.
func decodeSignature(signature string) ([]byte, error) {
	raw, err := hex.DecodeString(trimHex(signature))
	if err != nil || len(raw) != 65 {
		return nil, ErrSignature
	}
	if raw[64] < 2 {
		raw[64] += 0x1b
	}
	if raw[64] != 0x1b && raw[64] != 0x1c {
		return nil, ErrSignature
	}
	return raw, nil
}
