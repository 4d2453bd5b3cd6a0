package search

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// keyPurpose names the key of an account's index (see [seal.DeriveCipher]).
const keyPurpose = "dm3sync search index v1 key"

// Cipher returns what seals the index of an account, under a key of its own that is derived from the storage key.
func Cipher(storageKey [32]byte) (cipher.AEAD, error) {
	return seal.DeriveCipher(storageKey, keyPurpose)
}

// Options say how an index works. Disk, Folder, Cipher, Own and Source are required.
type Options struct {
	Disk   cache.Disk
	Folder string      // of this index alone; it is made
	Cipher cipher.AEAD // see [Cipher]
	Own    []string    // the account's names, normalised: they are one author
	Source Source
	// Memory bounds what the index takes while it rests or works, in bytes, about; 0 is 16 MiB.
	Memory int64
	// Room bounds its files, in bytes; 0 is 256 MiB. What goes beyond it, the oldest messages, is not indexed.
	Room int64
	// Whole has messages fetched that are not on this device.
	Whole bool
	// Rest is called between pieces of work, with how long the last one took, and returns when the next one may begin, or
	// the context's error; nil goes on at once. Close does without.
	Rest func(ctx context.Context, worked time.Duration) error
	// Progress is called by an update, in its goroutine, with messages of conversations that it has come to, and all of
	// them; the last call has both the same. May be nil.
	Progress func(done, total int)
	Now      func() time.Time // orders no messages; nil is time.Now
	Random   io.Reader        // nil is crypto/rand
	Log      *slog.Logger     // gets counts, never words or names; nil discards
}

func (o *Options) setDefaults() {
	if o.Memory <= 0 {
		o.Memory = 16 << 20
	}
	if o.Room <= 0 {
		o.Room = 256 << 20
	}
	if o.Rest == nil {
		o.Rest = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Index is the search index of one account. One process at a time uses a folder; the account's cache sees to that. Its
// methods are safe for concurrent use; updates run one at a time.
type Index struct {
	o      Options
	cipher cipher.AEAD
	blocks *blockCache

	turn     chan struct{} // held by who updates, and by Close
	split    *splitter
	manifest *manifest          // what the file says; written with mu held, too
	mark     uint64             // for Source.Changed
	journal  uint64             // last number of Unconfirmed that was indexed
	recent   map[pieceID]uint32 // pieces that were indexed since the buffer was written last
	touched  bool               // the buffer or what is covered changed since the manifest was written
	flushed  time.Time
	looked   time.Time // for what was not here
	done     int       // items of the running update, of total
	total    int
	closed   bool
	arrived  atomic.Bool
	closing  atomic.Bool
	faults   sync.Map // names of segments that a search found damaged

	mu       sync.RWMutex // guards what follows, and the parts against a change while they are read
	segments []*segment
	buffer   *buffer
	names    map[string]string
	gaps     map[string][]Gap // of each conversation that has some, as the last update saw them
	waiting  map[string]int   // messages that the update has not come to yet
	damaged  map[segmentName]bool
	rebuilt  bool
	problem  string
}

// Open opens the index in a folder, and begins a new one where there is none. What is damaged, of another key or of another
// version is dropped and built anew by Update; only a disk that fails is an error.
func Open(o Options) (*Index, error) {
	o.setDefaults()
	if err := o.Disk.MakeFolder(o.Folder); err != nil {
		return nil, fmt.Errorf("search: make folder: %w", err)
	}
	x := &Index{
		o: o, cipher: o.Cipher, blocks: newBlockCache(int(o.Memory / 4)), turn: make(chan struct{}, 1), split: newSplitter(),
		buffer: newBuffer(), names: map[string]string{}, recent: map[pieceID]uint32{}, gaps: map[string][]Gap{}, waiting: map[string]int{}, damaged: map[segmentName]bool{},
		flushed: o.Now(),
	}
	var err error
	x.manifest, err = readManifest(o.Disk, o.Folder, o.Cipher)
	if errors.Is(err, errDamaged) {
		x.manifest, x.rebuilt, err = &manifest{covered: map[pieceID]uint32{}}, true, nil
		o.Log.Warn("the search index can't be read and is built anew")
	}
	if err != nil {
		return nil, err
	}
	return x, x.open()
}

// open opens the segments of the manifest and removes what else is in the folder.
func (x *Index) open() error {
	for _, info := range x.manifest.infos {
		s, err := openSegment(x.o.Disk, x.path(info.name), info, x.cipher, x.blocks, x.intern)
		if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
			x.damaged[info.name] = true // Update drops it
			continue
		}
		if err != nil {
			x.closeSegments(x.segments)
			return err
		}
		x.segments = append(x.segments, s)
	}
	x.journal = x.manifest.journal
	if x.manifest.budget < x.o.Room && x.manifest.floor != 0 {
		x.manifest.floor, x.manifest.covered, x.touched = 0, map[pieceID]uint32{}, true // there is more room now
	}
	x.rebuilt = x.rebuilt || len(x.damaged) > 0
	return x.sweep()
}

// sweep removes files that the manifest does not name, as a crash leaves them.
func (x *Index) sweep() error {
	entries, err := x.o.Disk.ReadFolder(x.o.Folder)
	if err != nil {
		return fmt.Errorf("search: list folder: %w", err)
	}
	wanted := map[string]bool{manifestFile: true}
	for _, info := range x.manifest.infos {
		wanted[info.name.file()] = true
	}
	for _, entry := range entries {
		if !wanted[entry.Name()] {
			if err := x.o.Disk.Remove(filepath.Join(x.o.Folder, entry.Name())); err != nil {
				return fmt.Errorf("search: sweep folder: %w", err)
			}
		}
	}
	return nil
}

func (x *Index) path(name segmentName) string { return filepath.Join(x.o.Folder, name.file()) }

// intern returns one copy of a contact's name for all segments. The caller holds mu, or has the index for itself.
func (x *Index) intern(name string) string {
	if known, ok := x.names[name]; ok {
		return known
	}
	name = strings.Clone(name)
	x.names[name] = name
	return name
}

// takeTurn waits until nobody else changes the index. Whoever got it calls release, once.
func (x *Index) takeTurn(ctx context.Context) (release func(), err error) {
	select {
	case x.turn <- struct{}{}:
		return func() { <-x.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close writes what is in memory to disk, as far as ctx allows, and closes the index. What is not written is indexed again
// by the next run.
func (x *Index) Close(ctx context.Context) error {
	x.closing.Store(true)
	release, err := x.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	if x.closed {
		return nil
	}
	err = x.flush(ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.closeSegments(x.segments)
	x.segments, x.buffer = nil, newBuffer()
	return err
}

func (x *Index) closeSegments(list []*segment) {
	for _, s := range list {
		_ = s.close() // it was read only
	}
}

// Stats says how large an index is.
type Stats struct {
	Messages int   `json:"messages"` // that are searched
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"`  // on disk
	Memory   int64 `json:"memory"` // of the buffer and the blocks kept, an estimate
	Waiting  int   `json:"waiting"`
}

// Stats returns what the index takes.
func (x *Index) Stats() Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	stats := Stats{Segments: len(x.segments), Memory: int64(x.buffer.bytes)}
	stats.Messages, _ = x.counts()
	for _, s := range x.segments {
		stats.Bytes += s.info.size
	}
	for n := range maps.Values(x.waiting) {
		stats.Waiting += n
	}
	x.blocks.mu.Lock()
	defer x.blocks.mu.Unlock()
	stats.Memory += int64(x.blocks.bytes)
	return stats
}

// counts returns the messages that are searched, and those of them that are indexed in part. The caller holds mu.
func (x *Index) counts() (messages, cut int) {
	for _, s := range x.segments {
		messages, cut = messages+s.info.messages, cut+s.info.cut
	}
	return messages + x.buffer.messages, cut + x.buffer.cut
}

// parts are all that is searched. The caller holds mu.
func (x *Index) parts() []part {
	list := make([]part, 0, len(x.segments)+1)
	for _, s := range slices.Backward(x.segments) {
		list = append(list, s)
	}
	return append(list, x.buffer)
}
