package cache

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const temporaryFolder = "tmp"

// item is one blob in memory: 48 bytes, and about 40 in the map.
type item struct {
	key        blobKey
	size       int64
	read       int64 // Unix seconds, as last written to the file
	prev, next int32 // neighbours: towards the one read last, the one read first
	pinned     bool
}

// order is a map and a doubly linked list in one slice: no pointer for the
// collector to follow and no allocation for each blob. items[0] is the ring's
// fixed point: its next was read last, its prev is the first to leave. Pinned
// items stand outside the ring; when unpinned they join it as just read.
type order struct {
	items []item
	free  []int32
	at    map[blobKey]int32
}

func newOrder() order {
	return order{items: make([]item, 1), at: make(map[blobKey]int32)}
}

func (o *order) len() int { return len(o.at) }

func (o *order) find(key blobKey) (int32, bool) {
	at, held := o.at[key]
	return at, held
}

// add puts an item at the front, as the one that was read last.
func (o *order) add(it item) {
	at := int32(len(o.items))
	if last := len(o.free) - 1; last >= 0 {
		at, o.free = o.free[last], o.free[:last]
		o.items[at] = it
	} else {
		o.items = append(o.items, it)
	}
	o.at[it.key] = at
	o.link(at)
}

func (o *order) remove(at int32) {
	delete(o.at, o.items[at].key)
	o.unlink(at)
	o.items[at] = item{}
	o.free = append(o.free, at)
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

// evict drops what was read the longest ago until the rest fits. A file that
// can't be removed (somebody has it open on Windows) is passed over this time.
func (b *Blobs) evict() {
	for at := b.order.items[0].prev; at != 0 && b.bytes > b.budget; {
		before := b.order.items[at].prev
		_ = b.drop(at)
		at = before
	}
}

// openBlobs takes in the files that are there, ordered by their times, and
// clears away what a crash left half written.
func openBlobs(folder string, options Options) (*Blobs, error) {
	b := &Blobs{
		disk: options.Disk, folder: folder, mu: newGate(),
		budget: options.BlobBudget, now: options.Now, order: newOrder(),
	}
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
	slices.SortStableFunc(found, func(x, y item) int { return int(min(max(x.read-y.read, -1), 1)) })
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
	it.size, it.read, it.pinned = info.Size(), info.ModTime().Unix(), pinned
	return it, true
}
