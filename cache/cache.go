package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Sentinels, to be matched with errors.Is.
var (
	// ErrInUse is returned by Open when another process, or another Cache of
	// this process, holds the folder. The text names the folder and the process.
	ErrInUse = errors.New("in use")
	// ErrNewerVersion is returned by Open for a folder written by a newer program.
	ErrNewerVersion = errors.New("written by a newer version")
	// ErrDamaged means that something stored fails its checksum or its structure.
	ErrDamaged = errors.New("damaged")
	// ErrNotFound is returned by Journal.Read for an unknown or forgotten entry.
	ErrNotFound = errors.New("not found")
	// ErrJournalFull is returned by Journal.Append at Options.JournalLimit.
	ErrJournalFull = errors.New("journal is full")
	// ErrTooLarge is returned by Journal.Append for more than MaxAppend bytes.
	ErrTooLarge = errors.New("too large")
	// ErrClosed is returned by methods of Journal and Records after Close.
	ErrClosed = errors.New("closed")
)

const (
	defaultBlobBudget   = 512 << 20
	defaultSegmentSize  = 8 << 20
	defaultJournalLimit = 1 << 30

	folderMode = 0o700
	fileMode   = 0o600

	formatFile = "format"
	formatText = "dm3sync cache 1\n"
)

// Options says how large a cache may become. A zero field takes its default.
type Options struct {
	// BlobBudget is how many bytes of blobs are kept, pinned ones included.
	// Pinned blobs never leave, even above the budget, and half of it is for the
	// others in any case. Default 512 MiB.
	BlobBudget int64
	// SegmentSize is the size in bytes at which the journal begins a new file;
	// space comes back one whole segment at a time. Default 8 MiB, at most 1 GiB,
	// and never more than a quarter of JournalLimit.
	SegmentSize int64
	// JournalLimit bounds the journal's bytes on disk. Default 1 GiB.
	JournalLimit int64
	// Now is the clock that marks blobs as read. Default time.Now. It only
	// orders evictions.
	Now func() time.Time

	// Disk is where the folder lies. Default the file system of the machine.
	Disk Disk
}

func (o Options) withDefaults() Options {
	if o.BlobBudget <= 0 {
		o.BlobBudget = defaultBlobBudget
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = defaultSegmentSize
	}
	if o.JournalLimit <= 0 {
		o.JournalLimit = defaultJournalLimit
	}
	o.SegmentSize = min(o.SegmentSize, maxSegmentSize, max(o.JournalLimit/4, segmentHeaderSize+1))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Disk == nil {
		o.Disk = systemDisk{}
	}
	return o
}

// Cache is one open cache folder. All methods are safe for concurrent use.
type Cache struct {
	lock    *folderLock
	journal *Journal
	records *Records
	blobs   *Blobs
}

// Open opens the cache in folder and makes it when it isn't there. One process
// at a time may hold a folder: ErrInUse. A folder of a newer program is refused
// with ErrNewerVersion. Damaged records are set aside and begun anew (Rebuilt);
// damage in the journal is counted in its Stats; neither fails Open.
func Open(folder string, options Options) (*Cache, error) {
	options = options.withDefaults()
	if err := makeFolder(options.Disk, folder); err != nil {
		return nil, fmt.Errorf("cache: creating folder: %w", err)
	}
	lock, err := acquireLock(options.Disk, folder)
	if err != nil {
		return nil, err
	}
	c := &Cache{lock: lock}
	if err := c.open(folder, options); err != nil {
		return nil, errors.Join(err, c.abandon())
	}
	return c, nil
}

// makeFolder makes the folder and its parents, and makes their names durable: a
// journal is as lasting as the folder that it is in. Until format is written, a
// process may have died before it came to that.
func makeFolder(disk Disk, folder string) error {
	fresh := []string{folder}
	if _, err := disk.Stat(filepath.Join(folder, formatFile)); err == nil {
		fresh = nil
	}
	for at := folder; filepath.Dir(at) != at; at = filepath.Dir(at) {
		if _, err := disk.Stat(at); err == nil {
			break
		}
		if at != folder {
			fresh = append(fresh, at)
		}
	}
	if err := disk.MakeFolder(folder); err != nil {
		return err
	}
	for _, made := range fresh {
		if err := disk.SyncFolder(filepath.Dir(made)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cache) open(folder string, options Options) error {
	used, err := checkFormat(options.Disk, folder)
	if err != nil {
		return err
	}
	if c.journal, err = openJournal(filepath.Join(folder, "journal"), options); err != nil {
		return err
	}
	if c.records, err = openRecords(options.Disk, filepath.Join(folder, "records.db"), used, c.lock.unclean); err != nil {
		return err
	}
	if c.blobs, err = openBlobs(filepath.Join(folder, "blobs"), options); err != nil {
		return err
	}
	return writeFormat(options.Disk, folder, used)
}

// checkFormat reports whether the folder was a cache before.
func checkFormat(disk Disk, folder string) (used bool, err error) {
	text, err := disk.ReadFile(filepath.Join(folder, formatFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cache: reading format: %w", err)
	case string(text) == formatText:
		return true, nil
	case isNewer(string(text)):
		return false, fmt.Errorf("cache: opening %s: %w", folder, ErrNewerVersion)
	}
	// Not a text that any version writes: a torn or damaged file, which the
	// journal's own version bytes make up for.
	return true, writeFormat(disk, folder, false)
}

// isNewer wants a whole line with a number: a torn one is of no version.
func isNewer(text string) bool {
	number, ours := strings.CutPrefix(text, "dm3sync cache ")
	number, whole := strings.CutSuffix(number, "\n")
	version, err := strconv.Atoi(number)
	return ours && whole && err == nil && version > 1
}

func writeFormat(disk Disk, folder string, done bool) error {
	if done {
		return nil
	}
	if err := disk.WriteFile(filepath.Join(folder, formatFile), []byte(formatText)); err != nil {
		return fmt.Errorf("cache: writing format: %w", err)
	}
	return nil
}

// Journal returns the durable list of items that are not yet confirmed.
func (c *Cache) Journal() *Journal { return c.journal }

// Records returns the small sealed values: base and index.
func (c *Cache) Records() *Records { return c.records }

// Blobs returns the bodies of states, bounded by Options.BlobBudget.
func (c *Cache) Blobs() *Blobs { return c.blobs }

// Rebuilt reports whether Open found the records of a used cache missing or
// damaged and began them anew, so that they must be filled from the provider.
func (c *Cache) Rebuilt() bool { return c.records.rebuilt }

// Unclean reports that the last run did not end in good order, so that records
// and blobs may be older than what the journal has forgotten.
func (c *Cache) Unclean() bool { return c.lock.unclean }

// Close writes what is pending, closes all parts and gives the folder free. It
// waits for calls that are under way. It may be called more than once.
func (c *Cache) Close() error {
	err := errors.Join(c.journal.close(), c.records.close())
	return errors.Join(err, c.lock.release(err == nil))
}

// abandon closes what a failed Open had opened; the lock file stays unclean, so
// that the next Open looks closely.
func (c *Cache) abandon() error {
	var errs []error
	if c.journal != nil {
		errs = append(errs, c.journal.close())
	}
	if c.records != nil {
		errs = append(errs, c.records.close())
	}
	return errors.Join(append(errs, c.lock.release(!c.lock.unclean))...)
}
