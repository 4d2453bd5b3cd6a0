package attachments

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/dm3sync/dm3sync/internal/files"
	"github.com/dm3sync/dm3sync/internal/seal"
)

const (
	sealPurpose = "dm3sync attachments v1 key"
	namePurpose = "dm3sync attachments v1 name"
	version     = 0x01
	lengthSize  = 8
	partPattern = "part-*"
	// maxReference is more than what is written of an address ever takes.
	maxReference = 64 << 10
)

// Store keeps archived attachments in a folder: sealed, padded, and under names that are keyed hashes of the content, or, for
// what says which content an address had, of the address. Whoever sees the folder learns how many there are and roughly how
// large. It is safe for concurrent use, and by several processes.
type Store struct {
	folder string
	sealed cipher.AEAD
	naming []byte
	random io.Reader
}

// reference says what an address had.
type reference struct {
	URI     string `json:"uri"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
	Type    string `json:"type"`
	Fetched int64  `json:"fetched"` // Unix milliseconds
}

// File is one archived attachment.
type File struct {
	URI     string
	Type    string // media type, as the server or the content said; hostile
	Fetched int64  // Unix milliseconds
	Data    []byte
}

// Open opens the store in a folder, for an account's storage key. The folder need not be there before something is put.
// Random gives nonces; nil means crypto/rand.
func Open(folder string, storageKey [32]byte, random io.Reader) (*Store, error) {
	if random == nil {
		random = rand.Reader
	}
	aead, err := seal.DeriveCipher(storageKey, sealPurpose)
	if err != nil {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	naming, err := hkdf.Key(sha256.New, storageKey[:], nil, namePurpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("attachments: deriving a key: %w", err)
	}
	return &Store{folder: folder, sealed: aead, naming: naming, random: random}, nil
}

// Lock keeps other runs out until unlock is called, and removes what a killed one left half. Errors match [ErrInUse].
func (s *Store) Lock() (unlock func() error, err error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return nil, fmt.Errorf("attachments: making the folder: %w", err)
	}
	lock := flock.New(filepath.Join(s.folder, "lock"), flock.SetPermissions(0o600))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return nil, errors.Join(fmt.Errorf("attachments: %w", ErrInUse), err)
	}
	parts, err := fs.Glob(os.DirFS(s.folder), partPattern)
	for _, part := range parts {
		os.Remove(filepath.Join(s.folder, part))
	}
	return lock.Unlock, err
}

// contentName and referenceName are the names of files, without folders.
func (s *Store) contentName(sum [sha256.Size]byte) string { return s.name("content", sum[:]) }
func (s *Store) referenceName(uri string) string          { return s.name("reference", []byte(uri)) }

func (s *Store) name(kind string, of []byte) string {
	mac := hmac.New(sha256.New, s.naming)
	mac.Write([]byte(kind + "\x00"))
	mac.Write(of)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *Store) path(name string) string { return filepath.Join(s.folder, name[:2], name[2:]) }

// Put archives a file, durably: first its content, then what says which address had it.
func (s *Store) Put(ctx context.Context, f File) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := s.reference(f.URI); errors.Is(err, ErrNewer) {
		return err
	}
	sum := sha256.Sum256(f.Data)
	text, err := json.Marshal(reference{f.URI, hex.EncodeToString(sum[:]), int64(len(f.Data)), f.Type, f.Fetched})
	if err != nil {
		return fmt.Errorf("attachments: describing: %w", err)
	}
	_, err = s.read(s.contentName(sum))
	if errors.Is(err, ErrNewer) {
		return err
	}
	if err != nil { // a copy that is there and whole stays
		if err := s.write(s.contentName(sum), f.Data); err != nil {
			return err
		}
	}
	return s.write(s.referenceName(f.URI), text)
}

// Has tells whether an address is archived, whole: a copy that is damaged is worth fetching again.
func (s *Store) Has(ctx context.Context, uri string) bool {
	_, err := s.Get(ctx, uri)
	return err == nil
}

// Get returns what an address had. Errors match [ErrNotFound], [ErrDamaged], [ErrNewer], or are the file system's.
func (s *Store) Get(ctx context.Context, uri string) (File, error) {
	if err := ctx.Err(); err != nil {
		return File{}, err
	}
	r, err := s.reference(uri)
	if err != nil {
		return File{}, err
	}
	data, err := s.read(s.contentName(r.sum()))
	if err != nil {
		return File{}, err
	}
	if sha256.Sum256(data) != r.sum() {
		return File{}, fmt.Errorf("attachments: %w", ErrDamaged)
	}
	return File{URI: uri, Type: r.Type, Fetched: r.Fetched, Data: data}, nil
}

func (s *Store) reference(uri string) (r reference, err error) {
	text, err := s.read(s.referenceName(uri))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil || r.URI != uri {
		return r, fmt.Errorf("attachments: %w", ErrDamaged)
	}
	return r, nil
}

// sum is the hash as bytes; what is no hash leads to no file.
func (r *reference) sum() (sum [sha256.Size]byte) {
	_, _ = hex.Decode(sum[:], []byte(r.SHA256[:min(len(r.SHA256), 2*sha256.Size)]))
	return sum
}

// write seals and writes one file, whole or not at all.
func (s *Store) write(name string, content []byte) error {
	padded := make([]byte, paddedSize(lengthSize+len(content)))
	binary.BigEndian.PutUint64(padded, uint64(len(content)))
	copy(padded[lengthSize:], content)
	head := make([]byte, 1+s.sealed.NonceSize(), 1+s.sealed.NonceSize()+len(padded)+s.sealed.Overhead())
	head[0] = version
	if _, err := io.ReadFull(s.random, head[1:]); err != nil {
		return fmt.Errorf("attachments: drawing a nonce: %w", err)
	}
	object := s.sealed.Seal(head, head[1:], padded, associated(name))
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		return fmt.Errorf("attachments: making a folder: %w", err)
	}
	part, err := os.CreateTemp(s.folder, partPattern) // has mode 0600
	if err != nil {
		return fmt.Errorf("attachments: making a file: %w", err)
	}
	defer os.Remove(part.Name()) // fails where it was renamed, as it should be
	_, err = part.Write(object)
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), s.path(name))
	}
	if err == nil {
		err = errors.Join(files.SyncFolder(filepath.Dir(s.path(name))), files.SyncFolder(s.folder)) // the folder may be new
	}
	if err != nil {
		return fmt.Errorf("attachments: writing a file: %w", err)
	}
	return nil
}

func associated(name string) []byte { return append([]byte{version}, name...) }

// read opens one file.
func (s *Store) read(name string) ([]byte, error) {
	object, err := os.ReadFile(s.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("attachments: %w", ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("attachments: reading a file: %w", err)
	case len(object) > 0 && object[0] > version:
		return nil, fmt.Errorf("attachments: %w", ErrNewer)
	case len(object) < 1+s.sealed.NonceSize() || object[0] != version:
		return nil, fmt.Errorf("attachments: %w", ErrDamaged)
	}
	nonce, body := object[1:1+s.sealed.NonceSize()], object[1+s.sealed.NonceSize():]
	padded, err := s.sealed.Open(body[:0], nonce, body, associated(name))
	if err != nil || len(padded) < lengthSize {
		return nil, fmt.Errorf("attachments: %w", ErrDamaged)
	}
	length := binary.BigEndian.Uint64(padded)
	if length > uint64(len(padded)-lengthSize) {
		return nil, fmt.Errorf("attachments: %w", ErrDamaged)
	}
	return padded[lengthSize : lengthSize+length], nil
}

// paddedSize rounds a size up to one of 32 classes for each doubling, at least 4 KiB, as the sealed form of states does.
func paddedSize(size int) int {
	step := 1 << max(bits.Len(uint(size/32))-1, 12)
	return (size + step - 1) / step * step
}

// Prune removes all that is not archived of the given addresses, and returns how many files that were. The caller holds the
// lock, and knows every address that is still referred to. While there is a file of a newer version, it removes nothing and fails with [ErrNewer].
func (s *Store) Prune(ctx context.Context, live map[[sha256.Size]byte]bool) (removed int, err error) {
	keep := map[string]bool{}
	var references []string
	err = s.walk(ctx, func(name string) error {
		r, ok, err := s.referenceIn(name)
		if err != nil || !ok || !live[sha256.Sum256([]byte(r.URI))] {
			return err
		}
		references = append(references, name)
		keep[s.contentName(r.sum())] = true
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, name := range references {
		keep[name] = true
	}
	err = s.walk(ctx, func(name string) error {
		if keep[name] {
			return nil
		}
		removed++
		return os.Remove(s.path(name))
	})
	return removed, err
}

// referenceIn reads a file as what an address had; ok is false for one that is no such thing, or can't be read as one.
func (s *Store) referenceIn(name string) (r reference, ok bool, err error) {
	if info, err := os.Stat(s.path(name)); err != nil || info.Size() > maxReference {
		return r, false, err
	}
	text, err := s.read(name)
	if errors.Is(err, ErrDamaged) {
		return r, false, nil
	}
	return r, err == nil && json.Unmarshal(text, &r) == nil && name == s.referenceName(r.URI), err
}

// walk visits the names of all files.
func (s *Store) walk(ctx context.Context, visit func(name string) error) error {
	files, err := fs.Glob(os.DirFS(s.folder), "[0-9a-f][0-9a-f]/*")
	for _, file := range files {
		name := strings.Replace(file, "/", "", 1)
		if _, err := hex.DecodeString(name); err != nil || len(name) != 2*sha256.Size {
			continue // not one of ours
		}
		if err := errors.Join(ctx.Err(), visit(name)); err != nil {
			return err
		}
	}
	return err
}
