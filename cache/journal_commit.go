package cache

import (
	"errors"
	"runtime"
	"slices"
	"time"
)

// Group commit without a goroutine of its own. Callers put their frames into the
// pending batch. The first of them leads it: when nobody is writing, it writes
// and syncs at once, in its own goroutine; else it waits for its turn, while
// others join. Everybody else waits for the leader and is woken once.
//
// A batch knows its place in the file from the beginning, because the one before
// it is complete by then. So frames are final when they are put in, and a batch
// is one write and one sync.
type batch struct {
	segment *segment
	create  bool  // the segment's file does not exist yet
	base    int64 // offset of data in the segment
	durable int64 // what was synced before
	data    []byte
	slots   []slot
	sync    bool // holds more than forgets
	unsure  bool // a sync failed, so the disk may have nothing behind durable

	led     bool          // somebody writes it, or will: true whenever nobody holds mu
	callers int           // who joined
	done    chan struct{} // closed after err is set; nil when nobody waits
	err     error
	removal error // of files that nobody wants any more: no matter to those who append
}

const (
	maxBatch       = MaxAppend // a fuller batch takes nobody else
	maxSpareBuffer = 128 << 10 // larger buffers go back to the collector
	maxSpareSlots  = 1 << 12

	minPatience = 50 * time.Microsecond
	maxPatience = time.Millisecond
	// maxStill is how many turns a caller looks at a clock that does not move. A
	// simulated one stands still until nobody runs any more.
	maxStill = 1 << 12
)

func (b *batch) addEntry(id uint64, sealed []byte, sum uint32) {
	at := uint32(b.base + int64(len(b.data)))
	b.data = appendFrame(b.data, frame{id: id, durable: uint32(b.durable), kind: frameEntry, payload: sealed}, sum)
	b.slots = append(b.slots, slot{id: id, offset: at, size: uint32(len(sealed))})
	b.sync = true
}

func (b *batch) addControl(next uint64, kind frameType, payload []byte) {
	f := frame{id: next, durable: uint32(b.durable), kind: kind, payload: payload}
	b.data = appendFrame(b.data, f, checksum(payload))
}

// room returns the pending batch once it has room for size bytes. Callers hold mu.
func (j *Journal) room(size int) (*batch, error) {
	for {
		if j.closed {
			return nil, ErrClosed
		}
		held := j.bytes
		if j.pending != nil {
			held += int64(len(j.pending.data))
		}
		if held+int64(size) > j.limit {
			return nil, ErrJournalFull
		}
		b := j.batch()
		if len(b.data) == 0 || len(b.data)+size <= maxBatch {
			return b, nil
		}
		done := b.wait()
		j.mu.Unlock()
		<-done
		j.mu.Lock()
	}
}

// batch returns the pending batch, and begins one when there is none, at the
// place that it will be written to. Callers hold mu.
func (j *Journal) batch() *batch {
	if j.pending != nil {
		return j.pending
	}
	b := &batch{}
	if n := len(j.buffers) - 1; n >= 0 {
		b.data, j.buffers = j.buffers[n], j.buffers[:n]
		b.slots, j.slotList = j.slotList[n], j.slotList[:n]
	}
	if j.target == nil || j.offset >= j.segmentSize {
		if j.nextID == j.newest { // the last segment held forgets only: names differ
			j.nextID++
		}
		j.newest = j.nextID
		j.target, b.create = newSegment(j.folder, j.nextID), true
		j.offset, j.durable = segmentHeaderSize, segmentHeaderSize
		j.bytes += segmentHeaderSize
	}
	b.segment, b.base, b.durable = j.target, j.offset, j.durable
	j.pending = b
	return b
}

func (b *batch) wait() chan struct{} {
	if b.done == nil {
		b.done = make(chan struct{})
	}
	return b.done
}

// await returns when b is written, by this caller or by another. Callers hold mu
// and have put in what they want written; await gives mu back.
func (j *Journal) await(b *batch) error {
	b.callers++
	if b.led {
		done := b.wait()
		j.mu.Unlock()
		<-done
		return b.err
	}
	b.led = true
	if j.writing {
		j.mu.Unlock()
		<-j.turn // whoever was writing leaves writing set for us
		j.mu.Lock()
	}
	j.writing = true
	j.gather(b)
	j.commit(b)
	return b.err
}

// gather lets callers whom the batch before has just answered join b, when they
// come back at once, as writers in a loop do: else they fall into two halves, each
// waiting for the other's sync. A caller that was alone does not wait, nor does
// anybody for longer than it may save. Callers hold mu and lead b.
func (j *Journal) gather(b *batch) {
	if j.patience == 0 {
		return
	}
	for still, before := 0, time.Duration(-1); b.callers < j.expected && still < maxStill; still++ {
		waited := time.Since(j.answered)
		if waited >= j.patience {
			return
		}
		if waited != before {
			still, before = 0, waited
		}
		j.mu.Unlock()
		runtime.Gosched()
		j.mu.Lock()
	}
}

// patience is how long gathering is worth it, by how long the last sync took. On
// a fast disk it is not: there two halves overlap well, one half's sync with the
// other half's own work.
func patience(sync time.Duration) time.Duration {
	if sync/4 < minPatience {
		return 0
	}
	return min(sync/4, maxPatience)
}

// commit writes the pending batch b and lets the next leader go on. Callers hold
// mu and lead b; commit gives mu back.
func (j *Journal) commit(b *batch) {
	j.take(b)
	if b.err == nil { // else the batch before it failed, and with it this one's place
		j.mu.Unlock()
		err := j.write(b)
		if err != nil {
			j.giveUp(b)
		}
		j.mu.Lock()
		b.err = err
		if err != nil {
			j.failed(b)
		}
	}
	if b.err == nil {
		j.publish(b)
		if doomed := j.takeDoomed(); len(doomed.paths) > 0 {
			j.mu.Unlock()
			b.removal = j.removeFiles(doomed)
			j.mu.Lock()
		}
	}
	if len(j.buffers) < 2 && cap(b.data) <= maxSpareBuffer && cap(b.slots) <= maxSpareSlots {
		j.buffers = append(j.buffers, b.data[:0])
		j.slotList = append(j.slotList, b.slots[:0])
	}
	done := b.done
	j.expected, j.answered = b.callers, time.Now()
	if j.pending != nil {
		j.expected += j.pending.callers
		j.turn <- struct{}{}
	} else {
		j.writing = false
	}
	j.mu.Unlock()
	if done != nil {
		close(done)
	}
}

// take ends joining, and moves the place of the next batch behind this one.
func (j *Journal) take(b *batch) {
	if b.err != nil {
		j.pending = nil
		return
	}
	j.rewriteForgets(b)
	j.pending = nil
	j.wrote = true
	j.bytes += int64(len(b.data))
	j.offset = b.base + int64(len(b.data))
	if b.sync {
		j.durable = j.offset
	}
}

// write does the disk's part of b, without mu: only one batch at a time is here.
func (j *Journal) write(b *batch) error {
	s := b.segment
	if b.create {
		if err := j.begin(s); err != nil {
			return err
		}
	}
	if end := b.base + int64(len(b.data)); end > s.reserved {
		s.reserve(end)
	}
	if _, err := s.file.WriteAt(b.data, b.base); err != nil {
		return err
	}
	if !b.sync {
		return nil
	}
	begin := time.Now()
	err := s.file.Sync()
	j.patience = patience(time.Since(begin))
	b.unsure = err != nil
	return err
}

// begin makes the file of a new segment, after everything in the one before it is
// synced, so that an unfinished write can only be in the last segment.
func (j *Journal) begin(s *segment) error {
	j.mu.Lock()
	var last *segment
	if n := len(j.segments); n > 0 {
		last = j.segments[n-1]
	}
	j.mu.Unlock()
	if last != nil {
		if err := last.finish(); err != nil {
			return err
		}
	}
	file, err := j.disk.OpenSegment(s.path)
	if err != nil {
		return err
	}
	s.file = file
	if err := file.Truncate(0); err != nil { // a crash may have left the name
		return err
	}
	if _, err := file.WriteAt(segmentHeader(s.first), 0); err != nil {
		return err
	}
	s.reserved = segmentHeaderSize
	return j.disk.SyncFolder(j.folder)
}

// reserve takes space for some time to come. Where the system can't, or has no
// more to give, writing just goes on: it tells of a full disk itself.
func (s *segment) reserve(end int64) {
	to := (end + reserveStep - 1) / reserveStep * reserveStep
	_ = s.file.Reserve(s.reserved, to-s.reserved)
	s.reserved = to
}

// finish syncs what was written without sync, gives reserved space back and
// closes the file. It belongs to whoever commits.
func (s *segment) finish() error {
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	var err error
	if s.dirty {
		err = file.Sync()
	}
	return errors.Join(err, file.Truncate(s.end), file.Close())
}

// publish makes what was written visible. Callers hold mu.
func (j *Journal) publish(b *batch) {
	s := b.segment
	if b.create {
		if n := len(j.segments); n > 0 {
			full := j.segments[n-1]
			full.slots = slices.Clone(full.slots) // without room to grow
		}
		j.segments = append(j.segments, s)
	}
	s.end = b.base + int64(len(b.data))
	s.dirty = !b.sync
	s.slots = append(s.slots, b.slots...)
	s.live += len(b.slots)
	j.entries += len(b.slots)
	for _, old := range j.retired {
		if old.rewritten == b {
			clear(old.forgets)
		}
	}
	j.doomRetired()
	if n := len(j.segments); b.create && n > 1 {
		j.retireIfUnwanted(j.segments[n-2])
	}
}

// failed leaves the segment for good: after a failed write or sync nobody knows what the
// disk holds behind its end. The batch that waits behind b has its place there,
// so it fails too. Callers hold mu.
func (j *Journal) failed(b *batch) {
	if b.create {
		j.bytes -= segmentHeaderSize
	}
	j.bytes -= int64(len(b.data))
	s := b.segment
	if b.unsure && !b.create {
		j.bytes -= s.end - b.durable
		s.end, s.dirty = b.durable, false
	}
	if j.target == s {
		j.target = nil
	}
	if next := j.pending; next != nil && next.segment == s {
		next.err = b.err
	}
}

// giveUp closes the file of a segment whose write failed, without mu. It tries to
// put the failed write out of the way for good, since with a newer segment behind
// it a tail would count as damage. The failure is reported already, and a disk
// that fails at this too leaves no more than such a tail. After a failed sync
// nobody knows what the disk has of the forgets before it, so they go as well.
func (j *Journal) giveUp(b *batch) {
	s := b.segment
	if s.file == nil {
		return
	}
	file := s.file
	s.file = nil
	if b.create {
		_, _, _ = file.Close(), removeFile(j.disk, s.path), j.disk.SyncFolder(j.folder)
		return
	}
	if !b.unsure {
		b.unsure = errors.Join(file.Truncate(s.end), file.Sync()) != nil
	}
	if b.unsure {
		_, _ = file.WriteAt(segmentHeader(s.first), 0) // perhaps nothing was synced before
		_, _ = file.Truncate(b.durable), file.Sync()
	}
	_ = file.Close()
}
