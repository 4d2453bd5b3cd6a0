package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/internal/files"
	"github.com/dm3sync/dm3sync/internal/seal"
)

const (
	sealedPurpose = "dm3sync sealed secret v1 key"
	sealedPrefix  = "dm3sync-sealed-1:" // the rest of the line is base64: nonce, ciphertext
)

// WriteSealed writes a secret that the user typed into a file, sealed under the
// account's storage key, for a [Source] with Sealed. A file of that name is
// replaced. Whoever holds the storage key can open it; nobody else can.
func WriteSealed(path string, storageKey [32]byte, secret string) error {
	cipher, err := seal.DeriveCipher(storageKey, sealedPurpose)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	nonce := make([]byte, cipher.NonceSize(), cipher.NonceSize()+len(secret)+cipher.Overhead())
	rand.Read(nonce) // never fails
	text := sealedPrefix + base64.StdEncoding.EncodeToString(cipher.Seal(nonce, nonce, []byte(secret), []byte(sealedPurpose))) + "\n"
	if err := files.Replace(path, []byte(text), files.Private); err != nil {
		return fmt.Errorf("keyring: sealing a secret: %w", err)
	}
	return nil
}

// readSealed opens what WriteSealed wrote.
func readSealed(path string, options *Options) (string, error) {
	if options.Unlock == nil {
		return "", fmt.Errorf("keyring: %w: %s is sealed, and the account's own secret can't be", ErrSource, path)
	}
	// Others who read the file gain nothing: its mode is not judged.
	text, err := readFile(path, &Options{})
	if err != nil {
		return "", err
	}
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), sealedPrefix)
	data, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return "", fmt.Errorf("keyring: %w: %s was not sealed by dm3sync; name a file with the secret itself as secret_file", ErrSource, path)
	}
	key, err := options.Unlock()
	if err != nil {
		return "", fmt.Errorf("keyring: unsealing %s: %w", path, err)
	}
	cipher, err := seal.DeriveCipher(key, sealedPurpose)
	if err != nil {
		return "", fmt.Errorf("keyring: %w", err)
	}
	size := cipher.NonceSize()
	if len(data) < size {
		return "", fmt.Errorf("keyring: %w: %s is cut off; run `dm3sync init --new-password`, or name a file with the secret as secret_file", ErrSource, path)
	}
	secret, err := cipher.Open(nil, data[:size], data[size:], []byte(sealedPurpose))
	if err != nil {
		return "", fmt.Errorf("keyring: %w: %s is damaged, or was sealed for another [account.secret]; `dm3sync init --new-password` seals the place's secret anew", ErrSource, path)
	}
	return string(secret), nil
}
