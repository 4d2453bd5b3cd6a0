package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/dm3sync/dm3sync/internal/files"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
)

// Errors of the store that others tell apart.
var (
	errNone    = errors.New("nothing is kept") // nobody logged in here
	errSpoiled = errors.New("what is kept can't be read")
)

const (
	version   = 1
	purpose   = "dm3sync login v1 key" // of the sealing key
	largest   = 64 << 10               // bytes of the file
	lockLimit = 2 * time.Minute        // more than a request and what it waits for
	lockPoll  = 25 * time.Millisecond
)

// kept is the file: where the token is, or the token itself, sealed.
type kept struct {
	Version int    `json:"version"`
	Entry   string `json:"entry,omitempty"`  // of the keyring
	Change  string `json:"change,omitempty"` // different after each change in the keyring
	Sealed  []byte `json:"sealed,omitempty"`
}

// mark tells one version of the file from another one. Each is a file of its own, so that times need not differ.
type mark struct{ info fs.FileInfo }

func (m mark) same(other mark) bool {
	if m.info == nil || other.info == nil {
		return m.info == other.info
	}
	return os.SameFile(m.info, other.info) && m.info.ModTime().Equal(other.info.ModTime()) && m.info.Size() == other.info.Size()
}

// store keeps the record of one folder. Whoever changes it holds lock.
type store struct {
	folder, path string
	unlock       func() ([32]byte, error)
	vault        keyring.Vault
	random       io.Reader
	replace      func(path string, content []byte, mode fs.FileMode) error // files.Replace
}

// lock keeps other processes, and other stores of this one, from changing the record.
func (s *store) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return nil, fmt.Errorf("login: making the account's folder: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	file := flock.New(s.path+".lock", flock.SetPermissions(0o600))
	held, err := file.TryLockContext(waiting, lockPoll)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("login: waiting for the lock: %w", ctx.Err())
	case waiting.Err() != nil:
		return nil, fmt.Errorf("login: another dm3sync holds %s: %w", file.Path(), providers.ErrTransient)
	case err != nil || !held:
		return nil, fmt.Errorf("login: locking: %w", err)
	}
	return func() { _ = file.Unlock() }, nil // ends with the process at the latest
}

// look returns the mark of the file as it is now.
func (s *store) look() (mark, error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, fmt.Errorf("login: %w", err)
	}
	return mark{info}, nil
}

// read returns the file and its mark; errNone, errSpoiled.
func (s *store) read() (kept, mark, error) {
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, mark{}, errNone
	}
	if err != nil {
		return kept{}, mark{}, fmt.Errorf("login: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return kept{}, mark{}, fmt.Errorf("login: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, largest))
	if err != nil {
		return kept{}, mark{}, fmt.Errorf("login: reading %s: %w", s.path, err)
	}
	var k kept
	if json.Unmarshal(data, &k) != nil || k.Version < version || (k.Entry == "") == (k.Sealed == nil) && k.Version == version {
		return kept{}, mark{info}, fmt.Errorf("%w: %s is damaged", errSpoiled, s.path)
	}
	if k.Version > version {
		return kept{}, mark{info}, fmt.Errorf("login: %s was written by a newer dm3sync; update this one", s.path)
	}
	return k, mark{info}, nil
}

// load returns the record; errNone, errSpoiled, or a keyring that can't be reached for the moment.
func (s *store) load(ctx context.Context) (*record, mark, error) {
	k, m, err := s.read()
	if err != nil {
		return nil, m, err
	}
	text, err := s.plaintext(ctx, k)
	if err != nil {
		return nil, m, err
	}
	r := &record{}
	if json.Unmarshal(text, r) != nil || r.Refresh == "" {
		return nil, m, fmt.Errorf("%w: it is not what dm3sync keeps", errSpoiled)
	}
	return r, m, nil
}

func (s *store) plaintext(ctx context.Context, k kept) ([]byte, error) {
	if k.Entry != "" {
		text, err := s.fromVault(ctx, k.Entry)
		return []byte(text), err
	}
	key, err := s.unlock()
	if err != nil {
		return nil, fmt.Errorf("login: unsealing %s: %w", s.path, err)
	}
	aead, err := seal.DeriveCipher(key, purpose)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if len(k.Sealed) < aead.NonceSize() {
		return nil, fmt.Errorf("%w: %s is damaged", errSpoiled, s.path)
	}
	text, err := aead.Open(nil, k.Sealed[:aead.NonceSize()], k.Sealed[aead.NonceSize():], []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("%w: %s is damaged, or sealed for another [account.secret]", errSpoiled, s.path)
	}
	return text, nil
}

func (s *store) fromVault(ctx context.Context, entry string) (string, error) {
	if s.vault == nil {
		return "", fmt.Errorf("login: the token lies in the system's keyring: %w: %w", keyring.ErrNoVault, providers.ErrTransient)
	}
	text, err := s.vault.Get(ctx, entry)
	switch {
	case errors.Is(err, keyring.ErrNoEntry):
		return "", fmt.Errorf("%w: the system's keyring has it no more", errSpoiled)
	case errors.Is(err, keyring.ErrNoVault):
		return "", fmt.Errorf("login: the token lies in the system's keyring: %w: %w", err, providers.ErrTransient)
	case err != nil:
		return "", fmt.Errorf("login: %w", err)
	}
	return text, nil
}

// seal puts a record into the file.
func (s *store) seal(r record) (mark, error) {
	key, err := s.unlock()
	if err != nil {
		return mark{}, fmt.Errorf("login: sealing the token: %w", err)
	}
	aead, err := seal.DeriveCipher(key, purpose)
	if err != nil {
		return mark{}, fmt.Errorf("login: %w", err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return mark{}, fmt.Errorf("login: %w", err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return mark{}, fmt.Errorf("login: drawing a nonce: %w", err)
	}
	return s.write(kept{Version: version, Sealed: aead.Seal(nonce, nonce, text, []byte(purpose))})
}

// word is a random text of 128 bits.
func (s *store) word() (string, error) {
	var data [16]byte
	if _, err := io.ReadFull(s.random, data[:]); err != nil {
		return "", fmt.Errorf("login: drawing a name: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(data[:]), nil
}

// write makes the file whole and durable, or leaves the one before.
func (s *store) write(k kept) (mark, error) {
	data, err := json.Marshal(k)
	if err == nil {
		err = s.replace(s.path, append(data, '\n'), files.Private)
	}
	if err != nil {
		return mark{}, fmt.Errorf("login: keeping the token: %w", err)
	}
	return s.look() // nobody else writes: who does holds the lock
}
