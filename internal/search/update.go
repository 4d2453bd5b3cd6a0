package search

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
)

const (
	// flushEvery is how long what was indexed may stay in memory alone; a crash has it indexed again.
	flushEvery = time.Minute
	// flushPart is the part of the memory that what was indexed may keep until then: an import leaves more, and is over.
	flushPart = 16
	// purgeEvery is how long the words of deleted messages may stay in segments while the agent runs.
	purgeEvery = time.Hour
	// lookEvery is how often the index looks by itself whether what was not here has come.
	lookEvery = time.Minute
)

// Update brings the index up to date with its source: what this device wrote, then what is here of each conversation,
// those with the newest messages first. It returns when nothing is left to do, or with the first error; what was done
// stays, and the next call goes on. What can't be read is no error: it is a gap.
func (x *Index) Update(ctx context.Context) error {
	release, err := x.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	if x.closed {
		return ErrClosed
	}
	err = x.update(ctx)
	for again := x.o.Whole; again && err == nil; {
		if again, err = x.takeFar(ctx); again && err == nil {
			err = x.update(ctx)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err == nil:
		x.problem, x.rebuilt = "", len(x.damaged) > 0
	case ctx.Err() == nil:
		x.problem = "The search index does not go on: " + err.Error()
	}
	return err
}

func (x *Index) update(ctx context.Context) error {
	if err := x.dropDamaged(); err != nil {
		return err
	}
	contacts, mark := x.o.Source.Changed(x.mark)
	floor := x.manifest.floor
	if err := x.takeUnconfirmed(ctx); err != nil {
		return x.judge(err)
	}
	if err := x.takeConversations(ctx, contacts); err != nil {
		return x.judge(err)
	}
	if x.mark == 0 {
		x.forget(contacts)
	}
	x.mark = mark
	if x.touched && (x.o.Now().Sub(x.flushed) >= flushEvery || int64(x.buffer.bytes) > x.o.Memory/flushPart) {
		if err := x.flush(ctx); err != nil {
			return x.judge(err)
		}
	}
	err := x.judge(x.maintain(ctx))
	if x.manifest.floor != floor {
		x.mark = 0 // all conversations are looked at again, for what of them is old now
	}
	return err
}

// judge notes which segment an error is about.
func (x *Index) judge(err error) error {
	if fault := (*segmentError)(nil); errors.As(err, &fault) {
		x.mu.Lock()
		x.damaged[fault.name] = true
		x.mu.Unlock()
	}
	return err
}

// dropDamaged lets go of segments that can't be read. What they held is indexed again: what is still there is recognised.
func (x *Index) dropDamaged() error {
	x.mu.Lock()
	x.faults.Range(func(name, _ any) bool {
		x.damaged[name.(segmentName)] = true
		x.faults.Delete(name)
		return true
	})
	names := maps.Clone(x.damaged)
	x.mu.Unlock()
	if len(names) == 0 {
		return nil
	}
	next := *x.manifest
	next.covered, next.journal, next.infos = map[pieceID]uint32{}, 0, nil
	for _, info := range x.manifest.infos {
		if !names[info.name] {
			next.infos = append(next.infos, info)
		}
	}
	if err := writeManifest(x.o.Disk, x.o.Folder, x.cipher, x.o.Random, &next); err != nil {
		return err
	}
	x.o.Log.Warn("a part of the search index is damaged and is built anew", "segments", len(names))
	x.mu.Lock()
	defer x.mu.Unlock()
	x.segments = slices.DeleteFunc(x.segments, func(s *segment) bool {
		if names[s.info.name] {
			_ = s.close() // it was read only
		}
		return names[s.info.name]
	})
	x.manifest, x.mark, x.journal, x.rebuilt = &next, 0, 0, true
	clear(x.recent)
	clear(x.damaged)
	return x.sweep()
}

// takeUnconfirmed indexes what this device wrote lately.
func (x *Index) takeUnconfirmed(ctx context.Context) error {
	began := x.o.Now()
	return x.o.Source.Unconfirmed(ctx, x.journal, func(number uint64, contact string, items *container.Chunk) error {
		if err := x.take(ctx, contact, items); err != nil {
			return err
		}
		x.mu.Lock()
		x.journal, x.touched = number, true
		x.mu.Unlock()
		if worked := x.o.Now().Sub(began); worked > workAtOnce {
			began = x.o.Now()
			return x.rest(ctx, worked)
		}
		return ctx.Err()
	})
}

// workAtOnce is how long the index works before it rests.
const workAtOnce = 20 * time.Millisecond

// Arrived tells the index that something was fetched, so that the next update looks for it.
func (x *Index) Arrived() { x.arrived.Store(true) }

// agenda is a conversation with pieces to be indexed.
type agenda struct {
	contact string
	last    int64
}

// takeConversations indexes what changed, and what may have come here since the last update.
func (x *Index) takeConversations(ctx context.Context, contacts []string) error {
	if now := x.o.Now(); x.arrived.Swap(false) || now.Sub(x.looked) >= lookEvery {
		x.looked = now
		x.mu.RLock()
		contacts = slices.AppendSeq(contacts, maps.Keys(x.gaps))
		x.mu.RUnlock()
	}
	slices.Sort(contacts)
	var todo []agenda
	x.done, x.total = 0, 0
	for _, contact := range slices.Compact(contacts) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if last, waiting := x.look(contact); waiting > 0 {
			todo = append(todo, agenda{contact, last})
			x.total += waiting
		}
	}
	slices.SortFunc(todo, func(a, b agenda) int { return compareTimes(b.last, a.last) })
	for _, a := range todo {
		if err := x.takeConversation(ctx, a.contact); err != nil {
			return err
		}
	}
	if x.total > 0 {
		x.o.Progress(x.total, x.total)
	}
	return nil
}

func compareTimes(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// look finds out what of a conversation is not indexed: how many items can be now, and the time of the last of them.
func (x *Index) look(contact string) (last int64, items int) {
	gaps, waiting := &gapList{contact: contact, floor: x.manifest.floor}, 0
	for _, p := range x.o.Source.Pieces(contact) {
		switch {
		case gaps.old(&p), x.covers(&p):
		case p.Here:
			waiting, last, items = waiting+p.Messages, max(last, p.Last), items+p.Items
		default:
			gaps.add(&p, ReasonFar)
		}
	}
	x.note(gaps, waiting)
	return last, items
}

// note keeps what was found out about a conversation.
func (x *Index) note(gaps *gapList, waiting int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.gaps, gaps.contact)
	delete(x.waiting, gaps.contact)
	if list := gaps.list(); len(list) > 0 {
		x.gaps[x.intern(gaps.contact)] = list
	}
	if waiting > 0 {
		x.waiting[x.intern(gaps.contact)] = waiting
	}
}

// covers tells whether what a piece holds is indexed: it was, or all pieces of which it is the union were, and they had as
// many items.
func (x *Index) covers(p *Piece) bool {
	if _, ok := x.coveredItems(p.ID); ok {
		return true
	}
	if p.Here || len(p.Replaces) == 0 {
		return false
	}
	items := 0
	for _, id := range p.Replaces {
		n, ok := x.coveredItems(id)
		if !ok {
			return false
		}
		items += int(n)
	}
	return items >= p.Items
}

// coveredItems tells whether a piece is indexed, and how many items it had.
func (x *Index) coveredItems(id pieceID) (items uint32, ok bool) {
	if items, ok = x.manifest.covered[id]; !ok {
		items, ok = x.recent[id]
	}
	return items, ok
}

// takeConversation indexes the pieces of a conversation, the newest first.
func (x *Index) takeConversation(ctx context.Context, contact string) error {
	pieces := x.o.Source.Pieces(contact)
	slices.SortFunc(pieces, func(a, b Piece) int { return compareTimes(b.Last, a.Last) })
	gaps := &gapList{contact: contact, floor: x.manifest.floor}
	for i := range pieces {
		p := &pieces[i]
		if gaps.old(p) || x.covers(p) {
			continue
		}
		if !p.Here {
			gaps.add(p, ReasonFar)
			continue
		}
		err := x.takePiece(ctx, p)
		switch readError := (*readError)(nil); {
		case errors.Is(err, ErrFar):
			gaps.add(p, ReasonFar) // it left the cache just now
		case errors.As(err, &readError) && ctx.Err() == nil:
			gaps.add(p, ReasonUnreadable)
		case err != nil:
			return err
		}
	}
	x.note(gaps, 0)
	return nil
}

// takePiece reads and indexes a piece, and rests.
func (x *Index) takePiece(ctx context.Context, p *Piece) error {
	began := x.o.Now()
	items, err := x.o.Source.Read(ctx, *p, !p.Here)
	if err != nil {
		return &readError{err}
	}
	if err := x.take(ctx, p.Contact, items); err != nil {
		return err
	}
	x.recent[p.ID], x.touched = uint32(p.Items), true
	if x.done += p.Items; x.done < x.total {
		x.o.Progress(x.done, x.total)
	}
	return x.rest(ctx, x.o.Now().Sub(began))
}

// rest gives others room.
func (x *Index) rest(ctx context.Context, worked time.Duration) error {
	if x.closing.Load() {
		return ctx.Err()
	}
	return x.o.Rest(ctx, worked)
}

// readError is a piece that can't be read.
type readError struct{ err error }

func (e *readError) Error() string { return "search: read messages: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// forget lets go of covered pieces that nothing names any more; contacts are all there are.
func (x *Index) forget(contacts []string) {
	alive := make(map[pieceID]bool, len(x.manifest.covered))
	for _, contact := range contacts {
		for _, p := range x.o.Source.Pieces(contact) {
			alive[p.ID] = true
			for _, id := range p.Replaces {
				alive[id] = true
			}
		}
	}
	before := len(x.manifest.covered)
	maps.DeleteFunc(x.manifest.covered, func(id pieceID, _ uint32) bool { return !alive[id] })
	if len(x.manifest.covered) < before {
		x.touched = true
	}
}

// segmentError is a fault of one segment.
type segmentError struct {
	name segmentName
	err  error
}

func (e *segmentError) Error() string { return fmt.Sprintf("search: read segment: %v", e.err) }
func (e *segmentError) Unwrap() error { return e.err }
