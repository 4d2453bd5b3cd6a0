package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dm3sync/dm3sync/internal/files"
)

// ErrLocked is a secret behind a passphrase that nobody gave, or a wrong one. It matches ErrSource.
var ErrLocked = fmt.Errorf("the secret is locked with a passphrase: %w", ErrSource)

// ErrPassphrase is a passphrase that is too short to lock anything with.
var ErrPassphrase = fmt.Errorf("a passphrase has %d letters or more; a few words are easier to keep in mind than signs", shortest)

const (
	lockedPrefix = "dm3sync-locked-1:" // the rest of the line is base64: salt, nonce, ciphertext
	shortest     = 10
	saltSize     = 16

	// The cost of a guess, part of the version: three passes over 64 MiB.
	lockTime, lockMemory, lockThreads = 3, 64 << 10, 4

	// Where a passphrase is looked for when nobody is asked.
	passphraseVariable   = "DM3SYNC_PASSPHRASE"
	passphraseCredential = "dm3sync-passphrase"
)

// WriteLocked writes a secret into a file that is not there yet, locked with a passphrase, for a [Source] with Locked. It takes
// a third of a second, and 64 MiB meanwhile, on purpose. ErrPassphrase; fs.ErrExist for a file that is there.
func WriteLocked(path, passphrase, secret string) error {
	if len([]rune(passphrase)) < shortest {
		return fmt.Errorf("keyring: %w", ErrPassphrase)
	}
	salt := make([]byte, saltSize+chacha20poly1305.NonceSizeX)
	rand.Read(salt) // never fails
	cipher, err := chacha20poly1305.NewX(lockKey(passphrase, salt[:saltSize]))
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	text := lockedPrefix + base64.StdEncoding.EncodeToString(cipher.Seal(salt, salt[saltSize:], []byte(secret), []byte(lockedPrefix))) + "\n"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keyring: locking a secret: %w", err)
	}
	if err := files.Create(path, []byte(text), files.Private); err != nil {
		return fmt.Errorf("keyring: locking a secret: %w", err)
	}
	return nil
}

func lockKey(passphrase string, salt []byte) []byte {
	return argon2.IDKey([]byte(passphrase), salt, lockTime, lockMemory, lockThreads, chacha20poly1305.KeySize)
}

// readLocked opens what WriteLocked wrote.
func readLocked(path string, options *Options) (string, error) {
	// Others who read the file have to guess the passphrase: its mode is not judged.
	text, err := readFile(path, &Options{})
	if err != nil {
		return "", err
	}
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), lockedPrefix)
	data, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(data) < saltSize+chacha20poly1305.NonceSizeX {
		return "", fmt.Errorf("keyring: %w: %s was not locked by dm3sync, or is cut off", ErrSource, path)
	}
	passphrase, err := passphraseFor(path, options)
	if err != nil {
		return "", err
	}
	cipher, err := chacha20poly1305.NewX(lockKey(passphrase, data[:saltSize]))
	if err != nil {
		return "", fmt.Errorf("keyring: %w", err)
	}
	nonce, sealed := data[saltSize:saltSize+chacha20poly1305.NonceSizeX], data[saltSize+chacha20poly1305.NonceSizeX:]
	secret, err := cipher.Open(nil, nonce, sealed, []byte(lockedPrefix))
	if err != nil {
		return "", fmt.Errorf("keyring: %w: this passphrase does not open %s, or the file is damaged", ErrLocked, path)
	}
	return string(secret), nil
}

// passphraseFor asks for a file's passphrase: who reads, then the environment, then systemd's credentials.
func passphraseFor(path string, options *Options) (string, error) {
	if options.Passphrase != nil {
		if passphrase := options.Passphrase(path); passphrase != "" {
			return passphrase, nil
		}
	}
	if passphrase, _ := lookup(options, passphraseVariable); passphrase != "" {
		return passphrase, nil
	}
	if folder, _ := lookup(options, "CREDENTIALS_DIRECTORY"); folder != "" {
		if passphrase, err := readCredential(passphraseCredential, options); err == nil {
			return strings.TrimRight(passphrase, "\r\n"), nil
		}
	}
	return "", fmt.Errorf("keyring: %w: run `dm3sync unlock` or use the agent's page, set %s, or give the systemd credential %s", ErrLocked, passphraseVariable, passphraseCredential)
}
