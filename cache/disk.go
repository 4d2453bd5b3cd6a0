package cache

import (
	"io"
	"io/fs"
	"time"
)

// Disk is all that a cache asks of a file system. Options.Disk takes another one
// than the system's, so that tests can have disks that fail, fill up and lose
// power. Paths are those that package filepath makes. A missing file is
// fs.ErrNotExist. Methods are safe for concurrent use.
type Disk interface {
	// MakeFolder makes a folder, private to the user, and its missing parents;
	// one that is there is fine.
	MakeFolder(path string) error
	// ReadFolder lists a folder, sorted by name.
	ReadFolder(path string) ([]fs.DirEntry, error)
	// SyncFolder makes durable which names are in a folder. What is in the files
	// is another matter.
	SyncFolder(path string) error
	// Stat describes a file or folder.
	Stat(path string) (fs.FileInfo, error)
	// SetTime sets the time of a file's last change.
	SetTime(path string, at time.Time) error
	// ReadFile returns a whole file, whose bytes nobody may change.
	ReadFile(path string) ([]byte, error)
	// WriteFile makes or replaces a file, private to the user, without a sync.
	// After an error the file may be there in part.
	WriteFile(path string, data []byte) error
	// OpenReader opens a file for reading.
	OpenReader(path string) (FileReader, error)
	// OpenSegment opens a file for writing, and makes an empty one, private to
	// the user, when there is none.
	OpenSegment(path string) (SegmentFile, error)
	// Rename moves a file within the disk, over whatever has the name.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(path string) error
	// RemoveAll removes a folder and what is in it; an absent one is fine.
	RemoveAll(path string) error
	// Lock takes the lock that a file stands for, which ends with the process at
	// the latest. It does not wait: ErrInUse says that somebody else has it.
	Lock(path string) (unlock func() error, err error)
	// OpenRecords opens the store of records in a file, and makes it when it isn't
	// there. thorough asks for a look at the whole structure. It fails with
	// ErrDamaged, or with ErrNewerVersion for the store of a newer program.
	OpenRecords(path string, thorough bool) (RecordStore, error)
}

// FileReader is a file that is open for reading, by one goroutine.
type FileReader interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// SegmentFile is a file of the journal, open for writing. One goroutine uses it
// at a time.
type SegmentFile interface {
	io.WriterAt
	// Sync makes durable what was written, and what is needed to read it.
	Sync() error
	// Reserve takes space for bytes to come, as zeros at the end of the file. It
	// may fail for no better reason than that the system can't.
	Reserve(offset, length int64) error
	// Truncate sets the size; the file ends there, or goes on with zeros.
	Truncate(size int64) error
	// Close ends the use of the file. It syncs nothing.
	Close() error
}

// RecordStore is what Records stands on. Errors are ErrClosed after Close and
// ErrDamaged for a store whose structure is broken; any other is the disk's.
// Methods are safe for concurrent use.
type RecordStore interface {
	// Get returns the value under key in bucket, and whether there is one.
	Get(bucket, key string) (value []byte, ok bool, err error)
	// Page returns records of bucket in the order of keys, from the first key
	// above after, until there are so many rows or the values have so many bytes
	// (the last one may go beyond). more says that there may be further ones.
	Page(bucket, after string, rows, bytes int) (page []Record, more bool, err error)
	// Begin begins a transaction, once no other one runs. Get and Page don't see
	// what it changes before Commit.
	Begin() (RecordTransaction, error)
	// Sync makes durable what transactions kept that were committed before it, though
	// not the names of the store's files.
	Sync() error
	// Close ends the use of the store, and waits for what is under way.
	Close() error
}

// Record is one record of a bucket.
type Record struct {
	Key   string
	Value []byte
}

// RecordTransaction is one transaction of a RecordStore, for one goroutine. It
// must be ended by Commit or Rollback.
type RecordTransaction interface {
	// Put keeps value, which is not nil, under key in bucket. The value is the
	// caller's again afterwards.
	Put(bucket, key string, value []byte) error
	// Delete removes key from bucket; an absent key is fine.
	Delete(bucket, key string) error
	// Commit keeps all of it, or, when it fails, nothing.
	Commit() error
	// Rollback drops all of it; after Commit it does nothing.
	Rollback() error
}
