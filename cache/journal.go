package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
	"sync"
	"time"
)

// EntryID numbers the entries of a journal. Numbers start at 1, grow strictly,
// leave gaps at times, and are never given out twice, across restarts too.
type EntryID uint64

// Journal is a durable list of sealed entries in segment files. Its methods are
// safe for concurrent use. What it keeps in memory is 16 bytes an entry, up to
// twice that while a list grows.
type Journal struct {
	folder      string
	segmentSize int64
	limit       int64
	disk        Disk

	mu       sync.Mutex
	segments []*segment // by first number
	retired  []*segment // wait for what they say about others to be written anew
	nextID   uint64
	newest   uint64 // the first number of the newest segment
	entries  int
	bytes    int64 // of all segments, with what is about to be written
	damaged  int
	closed   bool
	doomed   []string       // files of segments that are gone, to be removed without mu
	removals sync.WaitGroup // that began before close

	// Where the next batch goes. A nil target asks for a new segment.
	target  *segment
	offset  int64 // behind everything that was written or is being written
	durable int64 // behind everything that is synced before the next batch is written

	// Group commit, see journal_commit.go.
	pending  *batch
	writing  bool
	turn     chan struct{} // tells the pending batch's leader that it's its turn
	answered time.Time     // when the last batch was
	expected int           // callers that may join the next batch soon
	patience time.Duration // how long that is worth waiting for
	wrote    bool          // since Open
	buffers  [][]byte      // of batches that are done
	slotList [][]slot
}

// JournalStats says how much the journal holds.
type JournalStats struct {
	// Entries is how many entries are not forgotten.
	Entries int
	// Bytes is the size of all segments on disk, without space that is reserved
	// ahead (at most 1 MiB) and without copies of damaged segments.
	Bytes int64
	// DamagedFrames is how many acknowledged frames could not be read when the
	// journal was opened, at least: numbers that lie destroyed together count as
	// far as the neighbours tell. An unfinished write is none of them.
	DamagedFrames int
}

// Append adds sealed entries and returns once they are on stable storage; they
// get the numbers first to first+n-1, and a crash before the return keeps any
// part of them or nothing. Concurrent callers share one sync; a lone caller waits
// for nothing but its own. ctx is looked at before the entries are taken in;
// from then on the answer is that of the disk. Entries are copied.
//
// It fails with ErrTooLarge above MaxAppend bytes, ErrJournalFull at the limit,
// ErrClosed after Close. After an error of the disk the entries may or may not
// appear in a later Replay, and later calls begin a new segment.
func (j *Journal) Append(ctx context.Context, sealed ...[]byte) (first EntryID, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("cache: appending to journal: %w", err)
	}
	if len(sealed) == 0 {
		return 0, errors.New("cache: appending to journal: no entries")
	}
	var few [4]uint32
	sums, size := few[:0], 0
	for _, entry := range sealed {
		if len(entry) > MaxAppend || size+len(entry) > MaxAppend {
			return 0, fmt.Errorf("cache: appending to journal: %w", ErrTooLarge)
		}
		size += len(entry)
		sums = append(sums, crc32.Checksum(entry, castagnoli))
	}
	size += len(sealed) * frameHeaderSize
	j.mu.Lock()
	b, err := j.room(size)
	if err != nil {
		j.mu.Unlock()
		return 0, fmt.Errorf("cache: appending to journal: %w", err)
	}
	first = EntryID(j.nextID)
	for i, entry := range sealed {
		b.addEntry(j.nextID, entry, sums[i])
		j.nextID++
	}
	if err := j.await(b); err != nil {
		return 0, fmt.Errorf("cache: appending to journal: %w", err)
	}
	return first, nil
}

// Stats returns the present figures.
func (j *Journal) Stats() JournalStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return JournalStats{Entries: j.entries, Bytes: j.bytes, DamagedFrames: j.damaged}
}

// segmentOf returns the segment that holds an entry and the entry's index there.
func (j *Journal) segmentOf(id uint64) (*segment, int) {
	after := sort.Search(len(j.segments), func(i int) bool { return j.segments[i].first > id })
	if after == 0 {
		return nil, -1
	}
	s := j.segments[after-1]
	return s, s.find(id)
}

// close writes a frame that says so, which turns whatever is missing at the next
// open into damage, and gives the space that was reserved back.
func (j *Journal) close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	defer j.removals.Wait()
	var errs []error
	if j.pending != nil {
		j.pending.sync = true
		errs = append(errs, j.await(j.pending))
		j.mu.Lock()
	}
	if j.wrote && j.target != nil {
		b := j.batch()
		j.rewriteForgets(b)
		b.addControl(j.nextID, frameClosed, nil)
		b.sync = true
		errs = append(errs, j.await(b))
		j.mu.Lock()
	}
	last := j.target
	j.mu.Unlock()
	if last != nil {
		errs = append(errs, last.finish())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cache: closing journal: %w", err)
	}
	return nil
}
