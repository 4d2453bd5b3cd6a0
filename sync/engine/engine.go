package engine

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Engine runs one account. Its methods may be called from many goroutines;
// passes run one at a time. Close it to release its goroutines; the cache and
// the store belong to the caller.
type Engine struct {
	o           Options
	headsKey    container.Key
	device      string
	incarnation string          // written with mu held and the turn taken, but for Open
	own         map[string]bool // incarnations of this device; guarded by mu
	kept        bool            // the present one is noted
	twin        bool            // a copy of this run writes under the present one; guarded by mu
	flight      singleflight.Group
	turn        chan struct{} // held by the one who runs a pass
	background  sync.WaitGroup
	closing     sync.Once
	ahead       sync.Mutex // held by the one fetch of neighbours
	stop        context.CancelFunc
	stopped     context.Context
	opened      opened
	keys        keys

	// Fields that only the holder of turn uses.
	sequence int64           // written with mu held, too
	flushes  int             // since the last look at the heads
	passes   int64           // looks at the heads so far; written with mu held, too
	touched  map[string]bool // contacts whose chunks this device wrote lately
	short    map[string]bool // contacts whose list, or "" for the root, lacks what heads name
	others   map[string]int64
	void     []container.Cover // sequence numbers whose put was not confirmed; written with mu held, too
	gaps     map[string]*gap   // heads that were written and that no live head stands for; nil before the first look
	empty    int               // looks in a row that showed nothing of a known account
	scratch  []byte            // plaintext of the chunk that is being written
	suspects map[string]int64  // replacements that were not whole, by look
	uncut    map[string]bool   // states above the limit that can't be split
	dangling map[string]int64  // contacts with a state that could not be found, by look
	removals []removal         // put off to a later pass
	leftover bool              // the last run ended so
	dirty    bool              // objects may lie at the provider that no head names
	unnamed  bool              // there are more of them than the next head names
	bounds   bounds            // of what is done at once

	purgeSince map[container.Key]time.Time // chunks with deleted messages, by when that was seen first
	purged     map[string]int64            // replacements that left out deleted messages, by look
	lighter    map[string]bool             // contacts whose chunks lost messages: is any left?

	mu        sync.Mutex // guards all below; held briefly, never during I/O
	catalogue reconcile.Catalogue
	heads     map[string]*liveHead
	news      news // which conversations changed, and what they look like
	pending   map[string][]entry
	taken     map[string][]entry // what the running push works on
	count     int                // entries in pending and owed
	bytes     int64              // their plaintext bytes
	owed      []batch
	largest   int64
	recent    []recentHead
	received  []received
	remains   []string         // objects of replaced states that another device's head names
	gone      map[string]int64 // names of replaced states, by the look that saw it
	since     map[string]int64 // the same names, by the look that saw them first
	stale     bool             // another device's head names one of those
	unread    []string         // live heads of the run before whose bodies the cache lost
	behind    bool             // the cache may be older than what was shown before; until the first look
	loose     []string         // objects of this device that no head names yet
	strayed   []string         // contacts that a pull found out of shape
	gapless   *bool            // findGaps finds nothing; nil: not known
	doubts    doubts
	reaches   map[string][]outline // of copies in doubt
	purges    map[string]bool      // contacts with bytes of deleted messages at the provider
	lessons   []lesson             // tombstones that other devices' heads carry
	listings  int64                // listings of heads begun so far
	status    Status

	problems   map[string]Problem // by problemKey
	past       []Healed           // oldest first
	alarms     Alarms
	unsaved    map[string]bool // problems that changed since they were saved
	suspicions map[string]suspicion
	saving     chan struct{} // holds one while problems are saved: a lock over I/O, never taken with mu held
	basing     chan struct{} // the same for bases, see addToBases; saving may be taken with it held
	changed    chan struct{}
}

// Open reads what the cache holds and makes the engine ready; it needs no
// network. It fails with ErrLimit when the chunk limit is below the largest
// message that this device ever kept.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o.setDefaults()
	e := &Engine{
		o: o, headsKey: container.HeadsKey(o.Root), turn: make(chan struct{}, 1), saving: make(chan struct{}, 1), basing: make(chan struct{}, 1),
		touched: make(map[string]bool), short: make(map[string]bool), others: make(map[string]int64), dangling: make(map[string]int64), uncut: make(map[string]bool), suspects: make(map[string]int64),
		heads: make(map[string]*liveHead), pending: make(map[string][]entry),
		reaches: make(map[string][]outline), purges: make(map[string]bool), purgeSince: make(map[container.Key]time.Time), purged: make(map[string]int64), lighter: make(map[string]bool),
		bounds: widest(), problems: make(map[string]Problem), unsaved: make(map[string]bool), suspicions: make(map[string]suspicion),
		gone: make(map[string]int64), since: make(map[string]int64), changed: make(chan struct{}),
	}
	e.stopped, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.incarnation = e.randomName(8)
	e.flushes = o.LookEvery // what a cache holds may be old, and not all of it need have survived: the first pass looks
	steps := []func() error{e.openProblems, e.openDevice, e.openIncarnations, e.openStatus, e.openBehind, e.openDirty, e.openPurges, e.openGone, e.openHeads, e.openJournal, e.checkLimit}
	for _, step := range steps {
		if err := step(); err != nil {
			e.stop()
			return nil, fmt.Errorf("engine: open: %w", err)
		}
	}
	return e, nil
}

func (o *Options) setDefaults() {
	if o.ChunkLimit == 0 {
		o.ChunkLimit = DefaultChunkLimit
	}
	if o.LookEvery == 0 {
		o.LookEvery = 16
	}
	if o.Grace == 0 {
		o.Grace = 200 * time.Millisecond
	}
	if o.Inline == 0 {
		o.Inline = reconcile.InlineMost
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

// Close waits for the running pass and for fetches in the background to end. It may be
// called more than once.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.stop()
	e.mu.Unlock()
	e.closing.Do(func() {
		e.turn <- struct{}{} // nobody has it again
		e.background.Wait()
		e.saveProblems()
	})
	return nil
}

// begin counts one more thing that Close waits for, unless the engine is closed.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped.Err() != nil {
		return false
	}
	e.background.Add(1)
	return true
}

// openDevice reads the device identifier, or draws one for a new cache.
func (e *Engine) openDevice() error {
	plain, ok, err := e.record("meta", "device")
	if err != nil {
		return err
	}
	if ok {
		e.device = string(plain)
		return nil
	}
	e.device = e.randomName(10)
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		return e.putRecord(tx, "meta", "device", []byte(e.device))
	})
}

// setDirty notes, before the first object that no head names yet is written,
// that a crash would leave it behind; a pass after such a crash scrubs first.
func (e *Engine) setDirty(dirty bool) error {
	if e.dirty == dirty {
		return nil
	}
	err := e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		if dirty {
			return e.putRecord(tx, "meta", "dirty", nil)
		}
		return tx.Delete("meta", "dirty")
	})
	if err == nil { // else the note is not there, as on a full disk, and must be tried again
		e.dirty = dirty
	}
	return err
}

// openDirty finds out whether the last run ended between objects and head.
func (e *Engine) openDirty() (err error) {
	_, e.dirty, err = e.record("meta", "dirty")
	e.leftover = e.dirty
	return err
}

// checkLimit refuses a chunk limit that is smaller than a message kept before.
func (e *Engine) checkLimit() error {
	plain, ok, err := e.record("meta", "largest")
	if err != nil {
		return err
	}
	if ok && len(plain) == 8 {
		e.largest = max(e.largest, int64(binary.BigEndian.Uint64(plain)))
	}
	if e.largest+reconcile.Overhead > int64(e.o.ChunkLimit) {
		return fmt.Errorf("%w: chunk_size is %d bytes, a message of %d bytes is already kept; set chunk_size to at least %d",
			ErrLimit, e.o.ChunkLimit, e.largest, e.largest+reconcile.Overhead)
	}
	return nil
}

// Limit is the size limit of one message in bytes of canonical JSON.
func (e *Engine) Limit() int { return int(e.limit()) - reconcile.Overhead }

// limit is the account's chunk limit: the largest that any device asked for.
func (e *Engine) limit() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return max(int64(e.o.ChunkLimit), e.catalogue.Limit)
}

// Changed returns a channel that is closed at the next change of what the
// engine holds: an append, or something new from another device.
func (e *Engine) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

// announce wakes those who wait on Changed. The caller holds e.mu.
func (e *Engine) announce() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// randomName draws n random bytes and writes them in lowercase base32, which
// survives file systems that fold case.
func (e *Engine) randomName(n int) string {
	raw := make([]byte, n)
	if _, err := io.ReadFull(e.o.Random, raw); err != nil {
		panic("engine: no randomness: " + err.Error()) // crypto/rand never fails
	}
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(raw)
}

// record reads and opens a sealed value of the cache. A value that can't be
// opened counts as absent, since everything there can be rebuilt.
func (e *Engine) record(bucket, key string) ([]byte, bool, error) {
	sealed, ok, err := e.o.Cache.Records().Get(bucket, key)
	if err != nil || !ok {
		return nil, false, err
	}
	plain, err := e.o.Sealer.OpenRecord(nil, bucket+"/"+key, sealed)
	if err != nil {
		// An alarm about this disk: the database keeps a record whole or not at all.
		e.problem(Problem{Kind: "cache", Alarm: true, Object: bucket + "/" + key, Detail: "a local record is damaged and will be rebuilt"})
		return nil, false, nil //nolint:nilerr // counts as absent, see above
	}
	return plain, true, nil
}

// dropRecords takes values out of a bucket, all in one transaction.
func (e *Engine) dropRecords(bucket string, keys ...string) error {
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error { return deleteRecords(tx, bucket, keys) })
}

func deleteRecords(tx *cache.Tx, bucket string, keys []string) error {
	for _, key := range keys {
		if err := tx.Delete(bucket, key); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) putRecord(tx *cache.Tx, bucket, key string, plain []byte) error {
	sealed, err := e.o.Sealer.SealRecord(nil, bucket+"/"+key, plain)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.lower("cache", bucket+"/"+key, "it was written anew")
	e.mu.Unlock()
	return tx.Put(bucket, key, sealed)
}

func (e *Engine) progress(step string, done, total int64, unit string) {
	if e.o.Progress != nil {
		e.o.Progress(Progress{Step: step, Done: done, Total: total, Unit: unit})
	}
}
