package cache

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const temporaryFolder = "tmp"

// item is one blob in memory: 40 bytes, and about 8 to find it by.
type item struct {
	key        blobKey
	size       int64
	read       uint32 // Unix seconds, as last written to the file
	prev, next int32  // neighbours: towards the one read last, the one read first
	pinned     bool
}

// order is a table and a doubly linked list in one slice: no pointer for the
// collector to follow and no allocation for each blob, since a large account has
// a hundred thousand of them. items[0] is the ring's fixed point: its next was
// read last, its prev is the first to leave. Pinned items stand outside the
// ring; when unpinned they join it as just read.
type order struct {
	items []item
	free  []int32
	slots []int32 // where items stand by their keys; 0 is none. A power of two, a quarter of it empty
	held  int
}

// newOrder is an order with room for that many items.
func newOrder(room int) order {
	o := order{items: make([]item, 1, room+1)}
	o.resize(room)
	return o
}

func (o *order) len() int { return o.held }

// home is the slot at which the search for a key begins: keys are hashes.
func (o *order) home(key blobKey) int {
	return int(binary.LittleEndian.Uint64(key[:8]) & uint64(len(o.slots)-1))
}

// slot is the one that holds a key, or the empty one where it would stand.
func (o *order) slot(key blobKey) int {
	for slot := o.home(key); ; slot = (slot + 1) & (len(o.slots) - 1) {
		if at := o.slots[slot]; at == 0 || o.items[at].key == key {
			return slot
		}
	}
}

// resize makes room for that many items at least.
func (o *order) resize(room int) {
	size := 16
	for size*3/4 <= room {
		size *= 2
	}
	old := o.slots
	o.slots = make([]int32, size)
	for _, at := range old {
		if at != 0 {
			o.slots[o.slot(o.items[at].key)] = at
		}
	}
}

func (o *order) find(key blobKey) (int32, bool) {
	at := o.slots[o.slot(key)]
	return at, at != 0
}

// add puts an item that is not held at the front, as the one that was read last.
func (o *order) add(it item) {
	if o.held >= len(o.slots)*3/4-1 {
		o.resize(2 * o.held)
	}
	at := int32(len(o.items))
	if last := len(o.free) - 1; last >= 0 {
		at, o.free = o.free[last], o.free[:last]
		o.items[at] = it
	} else {
		o.items = append(o.items, it)
	}
	o.slots[o.slot(it.key)] = at
	o.held++
	o.link(at)
}

func (o *order) remove(at int32) {
	o.vacate(o.slot(o.items[at].key))
	o.held--
	o.unlink(at)
	o.items[at] = item{}
	o.free = append(o.free, at)
}

// vacate empties a slot, and moves up those that stand behind it because of it.
func (o *order) vacate(slot int) {
	mask := len(o.slots) - 1
	for next := (slot + 1) & mask; o.slots[next] != 0; next = (next + 1) & mask {
		home := o.home(o.items[o.slots[next]].key)
		if (next-home)&mask >= (next-slot)&mask {
			o.slots[slot] = o.slots[next]
			slot = next
		}
	}
	o.slots[slot] = 0
}

func (o *order) toFront(at int32) {
	o.unlink(at)
	o.link(at)
}

func (o *order) link(at int32) {
	if o.items[at].pinned {
		return
	}
	first := o.items[0].next
	o.items[at].prev, o.items[at].next = 0, first
	o.items[first].prev = at
	o.items[0].next = at
}

func (o *order) unlink(at int32) {
	if o.items[at].pinned {
		return
	}
	prev, next := o.items[at].prev, o.items[at].next
	o.items[prev].next = next
	o.items[next].prev = prev
}

// take adds an item to the order and the sums, release takes it out again, and
// drop removes its file too.
func (b *Blobs) take(it item) {
	b.order.add(it)
	b.bytes += it.size
	if it.pinned {
		b.pinned.entries++
		b.pinned.bytes += it.size
	}
}

func (b *Blobs) release(at int32) {
	it := b.order.items[at]
	b.order.remove(at)
	b.bytes -= it.size
	if it.pinned {
		b.pinned.entries--
		b.pinned.bytes -= it.size
	}
}

func (b *Blobs) drop(at int32) error {
	it := b.order.items[at]
	if err := removeFile(b.disk, b.path(it.key, it.pinned)); err != nil {
		return err
	}
	b.release(at)
	return nil
}

// evict drops what was read the longest ago until the rest fits. However much is
// pinned, half of the budget is there for the others: a cache that gives away at
// once what was just fetched has it fetched again and again. A file that can't be
// removed (somebody has it open on Windows) is passed over this time.
func (b *Blobs) evict() {
	for at := b.order.items[0].prev; at != 0; {
		if budget := b.budget.Load(); b.bytes <= budget || b.bytes-b.pinned.bytes <= budget/2 {
			return
		}
		before := b.order.items[at].prev
		_ = b.drop(at)
		at = before
	}
}

// SetBudget changes how many bytes are kept, pinned ones included, and drops what is too much.
func (b *Blobs) SetBudget(bytes int64) {
	if b.budget.Swap(bytes) <= bytes {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.evict()
}

// openBlobs takes in the files that are there, ordered by their times, and
// clears away what a crash left half written.
func openBlobs(folder string, options Options) (*Blobs, error) {
	b := &Blobs{
		disk: options.Disk, folder: folder, mu: newGate(),
		now: options.Now,
	}
	b.budget.Store(options.BlobBudget)
	temporary := filepath.Join(folder, temporaryFolder)
	if err := b.disk.RemoveAll(temporary); err != nil {
		return nil, fmt.Errorf("cache: opening blobs: %w", err)
	}
	if err := b.disk.MakeFolder(temporary); err != nil {
		return nil, fmt.Errorf("cache: opening blobs: %w", err)
	}
	found, err := readBlobFolders(b.disk, folder)
	if err != nil {
		return nil, fmt.Errorf("cache: opening blobs: %w", err)
	}
	slices.SortStableFunc(found, func(x, y item) int { return cmp.Compare(x.read, y.read) })
	b.order = newOrder(len(found) + len(found)/8)
	for _, it := range found {
		if at, twice := b.order.find(it.key); twice {
			_ = b.drop(at)
		}
		b.take(it)
	}
	b.evict()
	return b, nil
}

func readBlobFolders(disk Disk, folder string) (found []item, err error) {
	shards, err := disk.ReadFolder(folder)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		if !shard.IsDir() || len(shard.Name()) != 2 {
			continue
		}
		files, err := disk.ReadFolder(filepath.Join(folder, shard.Name()))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if it, ok := readBlobItem(file); ok {
				found = append(found, it)
			}
		}
	}
	return found, nil
}

// readBlobItem reads an item off its file; a foreign or vanished file is none.
func readBlobItem(file fs.DirEntry) (it item, ok bool) {
	name, pinned := strings.CutSuffix(file.Name(), pinSuffix)
	if key, err := hex.DecodeString(name); err != nil || len(key) != len(it.key) {
		return it, false
	} else {
		it.key = blobKey(key)
	}
	info, err := file.Info()
	if err != nil || !info.Mode().IsRegular() {
		return it, false
	}
	it.size, it.read, it.pinned = info.Size(), seconds(info.ModTime()), pinned
	return it, true
}

// seconds is a time as items keep it: files of other times than 1970 to 2106 are as old, or as new, as can be.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }
