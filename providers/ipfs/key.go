package ipfs

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"math/big"
)

// keyOf derives a device's IPNS name, and the key that signs for it in the form that Kubo's key/import reads
// (libp2p-protobuf-cleartext), from the account's seed and the device's number.
func keyOf(seed [32]byte, number int) (name string, file []byte, err error) {
	own, err := hkdf.Key(sha256.New, seed[:], nil, fmt.Sprintf("dm3sync ipns v1 device %d", number), ed25519.SeedSize)
	if err != nil {
		return "", nil, fmt.Errorf("ipfs: key of device %d: %w", number, err)
	}
	private := ed25519.NewKeyFromSeed(own)
	public := private[ed25519.SeedSize:]
	// libp2p's PrivateKey: field 1 (type) = 1 (Ed25519), field 2 (data) = seed and public key.
	file = append([]byte{0x08, 0x01, 0x12, byte(len(private))}, private...)
	return nameOf(public), file, nil
}

// nameOf is the IPNS name of a key: a CIDv1, codec libp2p-key, of the public key itself (multihash "identity"), in base 36.
func nameOf(public []byte) string {
	identifier := append([]byte{0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, byte(len(public))}, public...)
	return "k" + new(big.Int).SetBytes(identifier).Text(36)
}
