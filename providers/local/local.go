// Package local keeps each object as one file in a folder: on an own disk, a network drive, or a folder that Dropbox,
// Syncthing, Nextcloud, OneDrive or the like carries between devices. No file ever changes, which is what makes carried
// folders safe. It imports only providers.
//
// An object "container/state" is the file of that name below the base folder. It is written to a temporary file in its
// own folder, synced, renamed, and the folder synced; so an acknowledged put survives a power cut, and no reader ever sees
// half an object of this machine. The base folder holds a marker file, made by [Create]: a folder without it is never
// taken for an empty store, as the mount point of an absent drive would be. Every call looks for the marker first and
// keeps nothing open afterwards, so a drive can be taken out and put back at any time. Symbolic links that lead out of
// the base folder are not followed ([os.Root]).
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// Kind is the store's word in configurations.
const Kind = "folder"

// ErrNoFolder says that the base folder, or the marker in it, is missing: a drive not mounted, a folder that did not
// arrive yet, or a wrong path. It comes with providers.ErrTransient: the folder may be back later.
var ErrNoFolder = errors.New("local: no dm3sync folder there; is the drive mounted? If the folder is gone for good, `dm3sync init` makes it anew")

// The marker's name holds blanks, so it is no valid object name.
const (
	markerName = "dm3sync folder.txt"
	markerText = "dm3sync keeps encrypted objects in this folder. Don't change, rename or remove anything in it.\n"
)

// Options are choices beyond the path; nil takes all defaults.
type Options struct {
	// Carried says that another program replicates the folder. Other devices' objects then appear late and in any order,
	// and OneDrive's conflict copies ("name-HOST" beside "name", HOST with a capital letter) are left out of listings;
	// the copies of other programs always are.
	Carried   bool
	MaxObject int64            // largest object in bytes: providers.DefaultMaxObject
	Parallel  int              // sensible concurrent calls: 8
	Now       func() time.Time // for the age of abandoned temporary files: time.Now
}

// Store is one base folder.
type Store struct {
	base       string
	properties providers.Properties
	now        func() time.Time
	folders    creations
	watched    watched
}

// Create makes the folder at path, unless it is there, and puts the marker in. It may be repeated.
func Create(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("local: making folder: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return fmt.Errorf("local: opening new folder: %w", err)
	}
	defer root.Close()
	if marked(root) == nil {
		return nil
	}
	if err := writeFile(root, markerName, []byte(markerText)); err != nil {
		return fmt.Errorf("local: writing marker: %w", err)
	}
	return nil
}

// New returns the store in the folder at path, which must hold the marker (else [ErrNoFolder]).
func New(path string, options *Options) (*Store, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	base, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	s := &Store{base: base, now: o.Now, properties: providers.Properties{
		Kind: Kind, Durable: true, CurrentListings: !o.Carried, Deletes: true, Carried: o.Carried,
		MaxObject: providers.DefaultMaxObject, Parallel: 8,
	}}
	if o.MaxObject > 0 {
		s.properties.MaxObject = o.MaxObject
	}
	if o.Parallel > 0 {
		s.properties.Parallel = o.Parallel
	}
	if s.now == nil {
		s.now = time.Now
	}
	root, err := s.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// A process that was killed may have left new folders unsynced here.
	if err := syncFolder(root); err != nil {
		return nil, translate("opening", base, err)
	}
	return s, nil
}

// Properties implements providers.Store.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store; nothing is open between calls.
func (s *Store) Close() error { return nil }

// open opens the base folder and looks for the marker.
func (s *Store) open() (*os.Root, error) {
	root, err := os.OpenRoot(s.base)
	if err == nil {
		if err = marked(root); err == nil {
			return root, nil
		}
		root.Close()
	} else if info, look := os.Stat(s.base); look == nil && !info.IsDir() {
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, fmt.Errorf("%w (%s): %w", ErrNoFolder, s.base, providers.ErrTransient)
	}
	return nil, translate("opening", s.base, err)
}

func marked(root *os.Root) error {
	info, err := root.Lstat(markerName)
	if err == nil && !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	return err
}

// begin checks the arguments that every operation on one name has, and opens the base folder.
func (s *Store) begin(ctx context.Context, name string) (*os.Root, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	if err := validate(name); err != nil {
		return nil, err
	}
	return s.open()
}

// Put implements providers.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("local: put %s: %w", name, providers.ErrTooLarge)
	}
	root, err := s.begin(ctx, name)
	if err != nil {
		return err
	}
	defer root.Close()
	folder, file := path.Split(name)
	folder = strings.TrimSuffix(folder, "/")
	// A Delete may remove an emptied folder just before the file is created in it, hence more than one try.
	for range 4 {
		if err = s.putIn(ctx, root, folder, file, data); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) { // a put has no "not found"; the base folder is going away
		err = fmt.Errorf("%w: %w", providers.ErrTransient, err)
	}
	return translate("put", name, err)
}

func (s *Store) putIn(ctx context.Context, root *os.Root, folder, file string, data []byte) error {
	if folder == "" {
		return writeFile(root, file, data)
	}
	if err := s.folders.ensure(ctx, root, folder); err != nil {
		return err
	}
	inside, err := openFolder(root, folder)
	if err != nil {
		return err
	}
	defer inside.Close()
	return writeFile(inside, file, data)
}

// writeFile makes the file appear whole and durable, or not at all.
func writeFile(folder *os.Root, file string, data []byte) (err error) {
	temporary := temporaryPrefix + strings.ToLower(rand.Text()) + temporarySuffix
	f, err := folder.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			folder.Remove(temporary) // as far as possible; List sweeps what stays
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err = folder.Rename(temporary, file); err != nil {
		return err
	}
	return syncFolder(folder)
}

// Get implements providers.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	return s.read(ctx, name, 0, -1)
}

// GetRange implements providers.Store.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, err
	}
	return s.read(ctx, name, offset, length)
}

// read returns length bytes from offset on; a negative length means all of them.
func (s *Store) read(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	root, err := s.begin(ctx, name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|noWait, 0)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, fmt.Errorf("local: get %s: %w", name, providers.ErrNotFound)
	}
	if err != nil {
		return nil, translate("get", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, translate("get", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("local: get %s: not a file: %w", name, providers.ErrNotFound)
	}
	rest := max(0, info.Size()-offset)
	if length < 0 || length > rest {
		length = rest
	}
	if length > s.properties.MaxObject {
		return nil, fmt.Errorf("local: get %s: %w", name, providers.ErrTooLarge)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, length), data); err != nil {
		return nil, translate("get", name, err)
	}
	return data, nil
}

// translate gives err the sentinel that callers look for. Nothing here turns into ErrNotFound: that takes a look at
// where the error came from.
func translate(operation, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, providers.ErrTransient):
		return fmt.Errorf("local: %s %s: %w", operation, name, err)
	case errors.Is(err, fs.ErrPermission), isReadOnly(err):
		return fmt.Errorf("local: %s %s: %w: %w", operation, name, providers.ErrUnauthorised, err)
	case isFull(err):
		return fmt.Errorf("local: %s %s: %w: %w", operation, name, providers.ErrQuota, err)
	case isPermanent(err):
		return fmt.Errorf("local: %s %s: %w", operation, name, err)
	case isSystem(err): // input/output errors, stale handles, network drives that time out, sharing violations
		return fmt.Errorf("local: %s %s: %w: %w", operation, name, providers.ErrTransient, err)
	default: // a link out of the base folder, an invalid prefix
		return fmt.Errorf("local: %s %s: %w", operation, name, err)
	}
}

// isSystem reports whether the operating system gave the error, or a file was shorter than it had just said.
func isSystem(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
