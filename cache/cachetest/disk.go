package cachetest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Disk is a disk in memory. Make it with New or Clone. Its methods are safe for
// concurrent use, and none waits but for another one's end.
type Disk struct {
	mu      sync.Mutex // never held while the hook runs
	random  *rand.Rand
	hook    func(Operation) Outcome
	clock   func() time.Time
	changes int
	epoch   int // of the sessions that go on
	limit   int64
	used    int64

	root    *node
	namings []naming // that are not durable, in their order
	locks   table[*Session]
}

// New makes an empty disk, whose one folder is "/". It takes all chance from
// random, which nobody else may use meanwhile.
func New(random *rand.Rand) *Disk {
	return &Disk{random: random, limit: math.MaxInt64, root: &node{folder: true, linked: true}}
}

// SetHook has a function asked before every call that changes the disk, in the
// goroutine of the caller and with nothing locked; it may wait, and use the disk.
// Several may be asked at a time. nil asks nobody.
func (d *Disk) SetHook(hook func(Operation) Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = hook
}

// SetClock sets the clock for the times of files, which must not use the disk.
// Without one, files have times that grow with Changes, from the year 2000 on.
func (d *Disk) SetClock(clock func() time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = clock
}

// SetLimit bounds the disk to so many bytes; files take whole blocks of 512. A
// write that does not fit is written as far as it fits, and fails with
// syscall.ENOSPC. What is there already stays. Zero lifts the limit.
func (d *Disk) SetLimit(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = bytes
	if bytes <= 0 {
		d.limit = math.MaxInt64
	}
}

// Used is how many bytes of a limit are taken.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Changes is how many calls that change the disk there were since New.
func (d *Disk) Changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changes
}

// Start gives a process the disk. The session goes on until the next crash;
// others that were started go on beside it, as processes do.
func (d *Disk) Start() *Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Session{disk: d, epoch: d.epoch}
}

// Crash is a loss of power: it ends all sessions, whose calls return ErrCrashed
// from then on, and settles what the disk keeps. random decides it; nil takes
// the disk's own.
func (d *Disk) Crash(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if random == nil {
		random = d.random
	}
	d.crash(random)
}

// Kill ends all sessions as Crash does, but the disk keeps its power: what was
// written stays as it is, and a later Crash may still lose it.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end()
}

func (d *Disk) end() {
	d.epoch++
	d.locks = nil
}

func (d *Disk) crash(random *rand.Rand) {
	d.end()
	d.settleNames(random)
	d.used = 0
	d.restore(d.root, random)
}

// restore leaves in a folder what the disk has of it.
func (d *Disk) restore(folder *node, random *rand.Rand) {
	folder.names = append(folder.names[:0], folder.durable...)
	for _, entry := range folder.names {
		n := entry.value
		n.linked = true
		switch {
		case n.folder:
			d.restore(n, random)
		case n.records != nil:
			n.records.crash(random)
		default:
			n.content.crash(random)
		}
		d.used += blocks(n.size())
	}
}

// Clone copies the disk as everybody reads it now: a backup, or a device that was
// cloned. All of it is durable, no session runs on it, and it has no hook. It
// takes all chance from random.
func (d *Disk) Clone(random *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{random: random, clock: d.clock, limit: d.limit, used: d.used, changes: d.changes, root: d.root.clone()}
}

func (n *node) clone() *node {
	copied := &node{folder: n.folder, linked: true, modified: n.modified}
	for _, entry := range n.names {
		copied.names = append(copied.names, row[*node]{entry.key, entry.value.clone()})
	}
	copied.durable = slices.Clone(copied.names)
	copied.content = content{data: slices.Clone(n.content.data), durable: slices.Clone(n.content.data)}
	if n.records != nil {
		copied.records = n.records.clone()
	}
	return copied
}

// File is a file of a disk.
type File struct {
	Path string
	Size int64 // bytes
}

// Files lists all files, in the order of their paths' parts. A store of records is one.
func (d *Disk) Files() (files []File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.walk("", func(path string, n *node) {
		if !n.folder {
			files = append(files, File{path, n.size()})
		}
	})
	return files
}

// Holding lists the files whose bytes hold a text, in the order of Files; of a store
// of records, its keys and values count.
func (d *Disk) Holding(text []byte) (paths []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.walk("", func(path string, n *node) {
		if n.records != nil && n.records.hold(text) || n.records == nil && bytes.Contains(n.content.data, text) {
			paths = append(paths, path)
		}
	})
	return paths
}

// Flip turns some bits of a file over, which random chooses; one that is chosen
// twice is as it was. A store of records is damaged by it: a thorough opening, a
// read or a change finds that. What was written to the file counts as synced.
func (d *Disk) Flip(path string, bits int, random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(path)
	if err != nil {
		return fmt.Errorf("cachetest: flipping bits of %s: %w", path, err)
	}
	if n.records != nil {
		n.records.damaged = n.records.damaged || bits > 0
		return nil
	}
	if n.size() == 0 {
		return fmt.Errorf("cachetest: flipping bits of %s: it has none", path)
	}
	n.content.sync()
	n.content.own()
	for range bits {
		at, bit := random.IntN(len(n.content.data)), byte(1)<<random.IntN(8)
		n.content.data[at] ^= bit
		n.content.durable[at] ^= bit
	}
	return nil
}

// Lose removes a file, durably, as if it had never been.
func (d *Disk) Lose(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.findFile(path)
	if err != nil {
		if n, err = d.find(path); err != nil || n.folder {
			return fmt.Errorf("cachetest: losing %s: no such file: %w", path, err)
		}
	}
	at, err := d.place(path)
	if err != nil {
		return fmt.Errorf("cachetest: losing %s: %w", path, err)
	}
	d.removeAt(at, n)
	d.namings = slices.DeleteFunc(d.namings, func(c naming) bool { return c.node == n })
	at.folder.durable.cut(at.name)
	return nil
}

func (d *Disk) now() time.Time {
	if d.clock != nil {
		return d.clock()
	}
	return time.Date(2000, time.January, 1, 0, 0, d.changes, 0, time.UTC)
}
