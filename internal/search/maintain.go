package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"time"
)

const (
	// mergeAt is how many segments of about one size are made one.
	mergeAt = 4
	// smallest is how many documents the smallest class of segments has.
	smallest = 1024
)

// flush writes the buffer as a segment, and the manifest with what is covered since.
func (x *Index) flush(ctx context.Context) error {
	if !x.touched {
		return nil
	}
	var fresh *segment
	if len(x.buffer.items) > 0 {
		var err error
		if fresh, err = x.write(ctx, []source{newWholeBuffer(x.buffer)}); err != nil {
			return err
		}
	}
	if err := x.install(fresh, nil, true); err != nil {
		return err
	}
	x.touched, x.flushed = false, x.o.Now()
	return nil
}

// write writes sources into a segment of its own; nil when nothing is left of them.
func (x *Index) write(ctx context.Context, sources []source) (fresh *segment, err error) {
	var name segmentName
	if _, err := io.ReadFull(x.o.Random, name[:]); err != nil {
		return nil, fmt.Errorf("search: name segment: %w", err)
	}
	path := x.path(name)
	file, err := x.o.Disk.OpenSegment(path)
	if err != nil {
		return nil, fmt.Errorf("search: begin segment: %w", err)
	}
	info, err := x.fill(ctx, file, name, sources)
	if err = errors.Join(err, file.Close()); err == nil && info.documents > 0 {
		if err = x.o.Disk.SyncFolder(x.o.Folder); err == nil {
			fresh, err = openSegment(x.o.Disk, path, info, x.cipher, x.blocks, x.internSafely)
		}
	}
	if err != nil || info.documents == 0 {
		return nil, errors.Join(err, x.o.Disk.Remove(path))
	}
	return fresh, nil
}

func (x *Index) fill(ctx context.Context, file segmentWriter, name segmentName, sources []source) (segmentInfo, error) {
	began := x.o.Now()
	m := merging{sources: sources, floor: x.manifest.floor, buried: x.buried, rest: func(ctx context.Context) error {
		if worked := x.o.Now().Sub(began); worked > workAtOnce {
			defer func() { began = x.o.Now() }()
			return x.rest(ctx, worked)
		}
		return ctx.Err()
	}}
	w := newWriter(file, x.cipher, name, m.contacts())
	if err := m.run(ctx, w); err != nil {
		return segmentInfo{}, err
	}
	return w.finish()
}

func (x *Index) internSafely(name string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.intern(name)
}

// install makes a fresh segment, if there is one, take the place of old ones, and of the buffer where that was written. A
// crash leaves all as it was, or all done.
func (x *Index) install(fresh *segment, old []*segment, buffer bool) error {
	list := slices.DeleteFunc(slices.Clone(x.segments), func(s *segment) bool { return slices.Contains(old, s) })
	if fresh != nil {
		list = append(list, fresh)
	}
	next := *x.manifest
	next.infos, next.budget = nil, x.o.Room
	if buffer {
		next.journal = x.journal
		next.covered = maps.Clone(next.covered) // a write that fails changes nothing
		maps.Copy(next.covered, x.recent)
	}
	for _, s := range list {
		next.infos = append(next.infos, s.info)
	}
	if err := writeManifest(x.o.Disk, x.o.Folder, x.cipher, x.o.Random, &next); err != nil {
		if fresh != nil {
			err = errors.Join(err, fresh.close()) // the next Open sweeps its file, if the manifest is not in its place after all
		}
		return err
	}
	x.mu.Lock()
	x.manifest, x.segments = &next, list
	if buffer {
		x.buffer = newBuffer()
		clear(x.recent)
	}
	x.closeSegments(old)
	x.mu.Unlock()
	for _, s := range old {
		if err := x.o.Disk.Remove(x.path(s.info.name)); err != nil {
			return fmt.Errorf("search: remove segment: %w", err)
		}
	}
	return nil
}

// maintain merges segments, drops the oldest messages where there is no room for all, and rids segments of deleted ones.
func (x *Index) maintain(ctx context.Context) error {
	if len(x.damaged) > 0 {
		return nil // the next update drops them first
	}
	for {
		group := x.group()
		if group == nil {
			break
		}
		if err := x.merge(ctx, group); err != nil {
			return err
		}
	}
	if err := x.makeRoom(ctx); err != nil {
		return err
	}
	return x.purge(ctx)
}

// class is a segment's class of size: each is four times the one before.
func (s *segment) class() int { return bits.Len(uint(s.info.documents/smallest)) / 2 }

// group returns segments of one class that are to be one, nil if there are none.
func (x *Index) group() []*segment {
	classes := map[int][]*segment{}
	for _, s := range x.segments {
		classes[s.class()] = append(classes[s.class()], s)
	}
	for class := range 16 {
		group := classes[class]
		if len(group) < mergeAt {
			continue
		}
		slices.SortFunc(group, func(a, b *segment) int { return compareTimes(a.info.size, b.info.size) })
		documents, size := 0, int64(0)
		for i, s := range group {
			documents, size = documents+s.info.documents, size+s.info.size
			if int64(documents)*32 > x.o.Memory || size > x.o.Room/8 {
				group = group[:i]
				break
			}
		}
		if len(group) >= mergeAt {
			return group
		}
	}
	return nil
}

// merge makes one segment of some.
func (x *Index) merge(ctx context.Context, group []*segment) error {
	var sources []source
	for _, s := range group {
		sources = append(sources, &wholeSegment{segment: s, walk: walk{segment: s}})
	}
	fresh, err := x.write(ctx, sources)
	if errors.Is(err, errDamaged) {
		x.mu.Lock()
		for _, s := range group {
			x.damaged[s.info.name] = true // which one it is does not matter: all are read anew
		}
		x.mu.Unlock()
	}
	if err != nil {
		return err
	}
	return x.install(fresh, group, false)
}

func (x *Index) size() (bytes int64) {
	for _, s := range x.segments {
		bytes += s.info.size
	}
	return bytes
}

// makeRoom drops the oldest messages until what is left takes three quarters of the room. An eighth stays free for merges.
func (x *Index) makeRoom(ctx context.Context) error {
	size := x.size()
	if size <= x.o.Room-x.o.Room/8 || len(x.segments) == 0 {
		return nil
	}
	total := 0
	low, high := x.segments[0].info.first, x.segments[0].info.last
	for _, s := range x.segments {
		total += s.info.documents
		low, high = min(low, s.info.first), max(high, s.info.last)
	}
	keep := int(float64(total) * float64(x.o.Room) * 3 / 4 / float64(size))
	for low < high { // the first time from which on there are few enough
		middle := low + int64(uint64(high-low)/2)
		count, err := x.since(middle)
		if err != nil {
			return err
		}
		if count > keep {
			low = middle + 1
		} else {
			high = middle
		}
	}
	x.o.Log.Info("the search index has no room for the oldest messages", "bytes", size, "room", x.o.Room)
	if low > x.manifest.floor {
		x.mu.Lock()
		x.manifest.floor, x.touched = low, true
		x.mu.Unlock()
	}
	return x.dropOld(ctx)
}

// since counts the documents from a time on.
func (x *Index) since(at int64) (count int, err error) {
	for _, s := range x.segments {
		number, err := s.from(place{at: at})
		if err != nil {
			return 0, err
		}
		count += s.info.documents - int(number)
	}
	return count, nil
}

// dropOld rewrites the segments with documents before the floor.
func (x *Index) dropOld(ctx context.Context) error {
	for _, s := range slices.Clone(x.segments) {
		if s.info.first >= x.manifest.floor {
			continue
		}
		if err := x.merge(ctx, []*segment{s}); err != nil {
			return err
		}
	}
	return nil
}

// purge rewrites the segments that have words of deleted messages, when the last time is long enough ago.
func (x *Index) purge(ctx context.Context) error {
	now := x.o.Now()
	if since := now.Sub(time.UnixMilli(x.manifest.purged)); since >= 0 && since < purgeEvery {
		return nil
	}
	for _, s := range slices.Clone(x.segments) {
		if s.info.dead == 0 {
			continue
		}
		x.manifest.purged = now.UnixMilli()
		if err := x.merge(ctx, []*segment{s}); err != nil {
			return err
		}
	}
	return nil
}
