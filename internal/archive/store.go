package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/dm3sync/dm3sync/providers"
)

// Kind is the store's word in configurations.
const Kind = "file"

var (
	// ErrNoFile says that the file is missing: a stick that is not there, or a wrong path. It comes with
	// providers.ErrTransient: the file may be back later.
	ErrNoFile = errors.New("archive: no such file; is the drive mounted?")
	// ErrReadOnly is a put or removal in a file that was opened for reading.
	ErrReadOnly = errors.New("archive: the file is open for reading only")
	// ErrInUse says that another program went on writing the file for as long as was waited. It comes with
	// providers.ErrTransient.
	ErrInUse = errors.New("archive: another program is writing this file")
)

// Options are choices beyond the path; nil takes all defaults.
type Options struct {
	// ReadOnly takes no lock, changes nothing and needs no right to write.
	ReadOnly bool
	// Relaxed makes puts and removals durable with the next [Store.Sync] or Close only, for many at a time.
	Relaxed   bool
	MaxObject int64         // largest object in bytes: providers.DefaultMaxObject
	Parallel  int           // sensible concurrent calls: 8
	LockWait  time.Duration // how long a writer waits for another one: 10 s
}

// Store is one file. Several processes may have it open, and each sees what the others wrote: what was added since the
// last call is read first. A lock beside the file is held only while something is written, and nothing is open between
// calls, so that a stick can be taken out and put back at any time.
type Store struct {
	path       string
	options    Options
	properties providers.Properties
	lock       *flock.Flock

	queueMutex sync.Mutex
	queue      []*change
	turn       chan struct{} // held by the one who writes
	wrote      bool          // guarded by turn, as the next: an index is to be written in the end
	putOff     bool          // an index or a new file could not be written
	closed     atomic.Bool

	mutex   sync.RWMutex
	info    fs.FileInfo // of the file when content was brought up to date
	content *content
}

var _ providers.Store = (*Store)(nil)

// Open returns the store in the file at path, which must be there (else [ErrNoFile]); [Create] makes one. A file that is
// none is [ErrFormat], a newer one [ErrNewerVersion].
func Open(path string, options *Options) (*Store, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	s := &Store{path: absolute, lock: flock.New(absolute + ".lock"), turn: make(chan struct{}, 1)}
	if options != nil {
		s.options = *options
	}
	if s.options.LockWait <= 0 {
		s.options.LockWait = 10 * time.Second
	}
	s.properties = providers.Properties{
		Kind: Kind, Durable: !s.options.Relaxed, CurrentListings: true, Deletes: true,
		MaxObject: providers.DefaultMaxObject, Parallel: 8,
	}
	if s.options.MaxObject > 0 {
		s.properties.MaxObject = s.options.MaxObject
	}
	if s.options.Parallel > 0 {
		s.properties.Parallel = s.options.Parallel
	}
	if err := s.reading(func(*os.File, *content) error { return nil }); err != nil {
		return nil, translate("opening", s.path, err)
	}
	return s, nil
}

// reading opens the file and calls work with what it holds now.
func (s *Store) reading(work func(f *os.File, c *content) error) (err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.current(f, func(c *content) error { return work(f, c) })
}

// current calls work with what an open file holds now. Work must not change it, nor take long: nobody else learns of
// changes meanwhile.
func (s *Store) current(f *os.File, work func(c *content) error) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.mutex.RLock()
	if s.content != nil && sameState(s.info, info) {
		defer s.mutex.RUnlock()
		return work(s.content)
	}
	s.mutex.RUnlock()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.update(f); err != nil {
		return err
	}
	return work(s.content)
}

func sameState(before, now fs.FileInfo) bool {
	return os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

// update takes in what was added to the file, or all of another file in its place. The caller holds mutex.
func (s *Store) update(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s.content != nil && sameState(s.info, info) {
		return nil
	}
	if s.content == nil || !os.SameFile(s.info, info) || info.Size() < s.content.end {
		return s.reload(f)
	}
	if err := s.content.walk(f, info.Size(), false); err != nil {
		return err
	}
	s.content.fresh, s.info = nil, info
	return nil
}

// reload reads all that the file holds. The caller holds mutex.
func (s *Store) reload(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file", ErrFormat, s.path)
	}
	found, err := load(f, info.Size())
	if err != nil {
		return err
	}
	s.info, s.content = info, found
	return nil
}

// Torn is how many bytes at the file's end were not written whole: it was cut off, or its writer ended too early.
func (s *Store) Torn() (torn int64, err error) {
	err = s.reading(func(f *os.File, c *content) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		torn = max(0, info.Size()-c.end)
		return nil
	})
	return torn, translate("torn", s.path, err)
}

// Get implements providers.Store. It returns what is there; whether that is what was written is the seal's question, and
// that of [Verify].
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
func (s *Store) read(ctx context.Context, name string, offset, length int64) (data []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("archive: get: %w", err)
	}
	if err := providers.ValidateName(name); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, translate("get", name, err)
	}
	defer f.Close() // nothing was written
	var at entry
	var there bool
	if err := s.current(f, func(c *content) error { at, there = c.table.get(name); return nil }); err != nil {
		return nil, translate("get", name, err)
	}
	if !there {
		return nil, fmt.Errorf("archive: get %s: %w", name, providers.ErrNotFound)
	}
	offset = min(offset, at.length)
	if rest := at.length - offset; length < 0 || length > rest {
		length = rest
	}
	if length > s.properties.MaxObject {
		return nil, fmt.Errorf("archive: get %s: %w", name, providers.ErrTooLarge)
	}
	data = make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(f, at.body(name)+offset, length), data); err != nil {
		return nil, translate("get", name, err)
	}
	return data, nil
}

// List implements providers.Store; what it yields is the state at the loop's begin.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if err := providers.ValidatePrefix(prefix); err != nil {
			yield(providers.Object{}, err)
			return
		}
		if err := ctx.Err(); err != nil {
			yield(providers.Object{}, fmt.Errorf("archive: list: %w", err))
			return
		}
		var found []providers.Object
		if err := s.reading(func(_ *os.File, c *content) error { found = c.table.list(prefix); return nil }); err != nil {
			yield(providers.Object{}, translate("list", prefix, err))
			return
		}
		for _, object := range found {
			if err := ctx.Err(); err != nil {
				yield(providers.Object{}, fmt.Errorf("archive: list: %w", err))
				return
			}
			if !yield(object, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(providers.Object{}, fmt.Errorf("archive: list: %w", err))
		}
	}
}

// Properties implements providers.Store.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store. It writes an index where something was written, so that the next one who opens the
// file need not walk through it.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := s.Sync(context.Background())
	if !s.options.ReadOnly {
		s.removeLock()
	}
	return err
}
