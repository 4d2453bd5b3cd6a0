package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// touchInterval bounds how often reading a blob writes to its file's time.
const touchInterval = 5 * time.Minute

// pinSuffix ends the file name of a pinned blob, so that pins outlive a restart
// without a list of their own.
const pinSuffix = ".p"

// Blobs keeps the sealed bodies of states as files, within a budget of bytes.
// The blob that was read the longest ago leaves first; pinned ones never leave,
// and where they take more than half of the budget, the others may have half of it
// all the same.
// Nothing is fsynced: whoever opens a blob verifies it, and treats damage like
// absence (Remove, then fetch anew). Methods are safe for concurrent use.
type Blobs struct {
	disk   Disk
	folder string
	budget atomic.Int64
	now    func() time.Time
	next   atomic.Uint64 // number of the next temporary file

	mu     gate // guards what follows and every rename and removal
	order  order
	bytes  int64
	pinned blobCount
	hits   uint64
	misses uint64
}

type blobCount struct {
	entries int
	bytes   int64
}

// BlobStats says what Blobs holds and how often Get found something.
type BlobStats struct {
	Entries, PinnedEntries int
	Bytes, PinnedBytes     int64
	Hits, Misses           uint64 // since Open
}

// blobKey stands for a blob's name in memory and on disk: names are long, and
// may differ in nothing but case, which some file systems can't tell apart.
type blobKey [16]byte

func keyOf(name string) blobKey {
	sum := sha256.Sum256([]byte(name))
	return blobKey(sum[:16])
}

// path is where a blob's file stands.
func (b *Blobs) path(key blobKey, pinned bool) string {
	text := hex.EncodeToString(key[:])
	if pinned {
		return filepath.Join(b.folder, text[:2], text+pinSuffix)
	}
	return filepath.Join(b.folder, text[:2], text)
}

// Put keeps sealed under a name (any text), in place of what was there, and
// counts as reading it. A blob that was pinned stays pinned. Blobs that were
// read earlier leave to make room; one that is not pinned and larger than the
// whole budget is not kept, which is no error.
func (b *Blobs) Put(name string, sealed []byte, pinned bool) error {
	size := int64(len(sealed))
	if size > b.budget.Load() && !pinned {
		b.mu.Lock()
		_, held := b.order.find(keyOf(name))
		b.mu.Unlock()
		if !held {
			return nil
		}
	}
	temporary, err := b.writeTemporary(sealed)
	if err != nil {
		return fmt.Errorf("cache: writing blob: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.install(keyOf(name), temporary, size, pinned); err != nil {
		return errors.Join(fmt.Errorf("cache: writing blob: %w", err), b.disk.Remove(temporary))
	}
	b.evict()
	return nil
}

// writeTemporary writes a file under a name of its own: openBlobs emptied the
// folder, and nobody else writes there.
func (b *Blobs) writeTemporary(sealed []byte) (path string, err error) {
	path = filepath.Join(b.folder, temporaryFolder, strconv.FormatUint(b.next.Add(1), 10))
	if err := b.disk.WriteFile(path, sealed); err != nil {
		return "", errors.Join(err, removeFile(b.disk, path))
	}
	return path, nil
}

// install renames a whole file to its place and takes it into the order.
func (b *Blobs) install(key blobKey, temporary string, size int64, pinned bool) error {
	if at, held := b.order.find(key); held {
		pinned = pinned || b.order.items[at].pinned
		if err := b.drop(at); err != nil {
			return err
		}
	}
	path := b.path(key, pinned)
	err := b.disk.Rename(temporary, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = b.disk.MakeFolder(filepath.Dir(path)); err == nil {
			err = b.disk.Rename(temporary, path)
		}
	}
	if err != nil {
		return err
	}
	b.take(item{key: key, size: size, pinned: pinned, read: seconds(b.now())})
	return nil
}

// Get returns the blob of a name and marks it as read.
func (b *Blobs) Get(name string) ([]byte, bool) {
	key := keyOf(name)
	b.mu.Lock()
	at, held := b.order.find(key)
	if !held {
		b.misses++
		b.mu.Unlock()
		return nil, false
	}
	b.order.toFront(at)
	b.touch(&b.order.items[at])
	path := b.path(key, b.order.items[at].pinned)
	b.mu.Unlock()

	sealed, err := b.disk.ReadFile(path)
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		sealed, err = b.readAgain(key)
	}
	if err != nil {
		b.misses++
		return nil, false
	}
	b.hits++
	return sealed, true
}

// Peek returns the blob of a name without marking it as read: whoever only counts does not
// change what stays.
func (b *Blobs) Peek(name string) ([]byte, bool) {
	key := keyOf(name)
	b.mu.Lock()
	at, held := b.order.find(key)
	if !held {
		b.mu.Unlock()
		return nil, false
	}
	path := b.path(key, b.order.items[at].pinned)
	b.mu.Unlock()
	sealed, err := b.disk.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b.mu.Lock()
		defer b.mu.Unlock()
		sealed, err = b.readAgain(key)
	}
	return sealed, err == nil
}

// readAgain reads while nobody can pin, evict or replace; a file that is missing
// now was taken by somebody else, and is forgotten.
func (b *Blobs) readAgain(key blobKey) ([]byte, error) {
	at, held := b.order.find(key)
	if !held {
		return nil, fs.ErrNotExist
	}
	sealed, err := b.disk.ReadFile(b.path(key, b.order.items[at].pinned))
	if errors.Is(err, fs.ErrNotExist) {
		b.release(at)
	}
	return sealed, err
}

// touch writes the time of reading to the file now and then: only the order
// after a restart needs it, so a failure costs no more than that.
func (b *Blobs) touch(it *item) {
	now := b.now()
	if now.Unix()-int64(it.read) < int64(touchInterval/time.Second) {
		return
	}
	it.read = seconds(now)
	_ = b.disk.SetTime(b.path(it.key, it.pinned), now)
}

// Has reports whether a blob of this name is kept; it does not mark it as read.
func (b *Blobs) Has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, held := b.order.find(keyOf(name))
	return held
}

// Pin keeps a blob from leaving; a name that is not kept is fine.
func (b *Blobs) Pin(name string) error { return b.setPin(name, true) }

// Unpin lets a blob leave again when there is need of room; it counts as reading.
func (b *Blobs) Unpin(name string) error { return b.setPin(name, false) }

func (b *Blobs) setPin(name string, pinned bool) error {
	key := keyOf(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	at, held := b.order.find(key)
	if !held || b.order.items[at].pinned == pinned {
		return nil
	}
	if err := b.disk.Rename(b.path(key, !pinned), b.path(key, pinned)); err != nil {
		return fmt.Errorf("cache: pinning blob: %w", err)
	}
	it := b.order.items[at]
	b.release(at)
	it.pinned = pinned
	b.take(it)
	b.evict()
	return nil
}

// Remove drops a blob, pinned or not; a name that is not kept is fine.
func (b *Blobs) Remove(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, held := b.order.find(keyOf(name))
	if !held {
		return nil
	}
	if err := b.drop(at); err != nil {
		return fmt.Errorf("cache: removing blob: %w", err)
	}
	return nil
}

// Clear drops all blobs, pinned or not. After an error some are left.
func (b *Blobs) Clear() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at := range b.order.items {
		if b.order.items[at].key == (blobKey{}) {
			continue // the list's end, or free
		}
		if err := b.drop(int32(at)); err != nil {
			return fmt.Errorf("cache: removing all blobs: %w", err)
		}
	}
	return nil
}

// Stats returns the present figures.
func (b *Blobs) Stats() BlobStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BlobStats{
		Entries: b.order.len(), PinnedEntries: b.pinned.entries,
		Bytes: b.bytes, PinnedBytes: b.pinned.bytes,
		Hits: b.hits, Misses: b.misses,
	}
}
