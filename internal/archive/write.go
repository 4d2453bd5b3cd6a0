package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/dm3sync/dm3sync/providers"
)

const (
	bufferBytes = 1 << 18
	batchBytes  = 32 << 20 // of objects that are written before one sync
	// indexEvery is how much is added before another index, so that after a crash no more than that has to be read; and no
	// more than a sixteenth of a file is old indexes.
	indexEvery = 64 << 20
	indexShare = 16
	// slack is what a file may hold of no use whatever its size.
	slack = 1 << 20
)

// change is a put, or a removal, that waits for its turn.
type change struct {
	name    string
	data    []byte
	removed []string
	done    chan struct{}
	err     error // once done is closed
}

// Put implements providers.Store. Those who put at one time share a sync.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("archive: put: %w", err)
	}
	if err := providers.ValidateName(name); err != nil {
		return err
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("archive: put %s: %w", name, providers.ErrTooLarge)
	}
	return translate("put", name, s.change(ctx, &change{name: name, data: data}))
}

// Delete implements providers.Store. The bytes leave the file when it is next written anew, see [Store.Sync].
func (s *Store) Delete(ctx context.Context, names ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("archive: delete: %w", err)
	}
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(names, maxRemoval/(providers.MaxName+2)) {
		if err := s.change(ctx, &change{removed: part}); err != nil {
			return translate("delete", part[0], err)
		}
	}
	return nil
}

// change waits until somebody wrote c, or does it, together with what else waits.
func (s *Store) change(ctx context.Context, c *change) error {
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	c.done = make(chan struct{})
	s.queueMutex.Lock()
	s.queue = append(s.queue, c)
	s.queueMutex.Unlock()
	for {
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done():
			if s.withdraw(c) {
				return ctx.Err()
			}
			<-c.done // it is being written, and its bytes are the caller's
			return c.err
		case s.turn <- struct{}{}:
			if batch := s.takeBatch(); len(batch) > 0 {
				err := s.locked(func(f *os.File) error { return s.write(f, batch) })
				for _, each := range batch {
					each.err = err
					close(each.done)
				}
			}
			<-s.turn
		}
	}
}

// withdraw takes back what nobody began to write.
func (s *Store) withdraw(c *change) bool {
	s.queueMutex.Lock()
	defer s.queueMutex.Unlock()
	at := slices.Index(s.queue, c)
	if at >= 0 {
		s.queue = slices.Delete(s.queue, at, at+1)
	}
	return at >= 0
}

// takeBatch takes what waits, as far as it should be written at once.
func (s *Store) takeBatch() (batch []*change) {
	s.queueMutex.Lock()
	defer s.queueMutex.Unlock()
	bytes := 0
	for _, c := range s.queue {
		if bytes += len(c.data); bytes > batchBytes && len(batch) > 0 {
			break
		}
		batch = append(batch, c)
	}
	s.queue = slices.Delete(s.queue, 0, len(batch))
	return batch
}

// locked calls work as the only writer, with the file open, its content up to date and no torn tail behind it. The caller
// holds turn.
func (s *Store) locked(work func(f *os.File) error) (err error) {
	if err := s.acquire(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.lock.Unlock()) }()
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); !errors.Is(closeErr, os.ErrClosed) { // one that was written anew is
			err = errors.Join(err, closeErr)
		}
	}()
	if err := s.cutTail(f); err != nil {
		return err
	}
	return work(f)
}

// cutTail removes what a writer that was killed left half written. It is looked at once more from the front: what is
// whole behind a damaged part is not torn.
func (s *Store) cutTail(f *os.File) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.update(f); err != nil || s.info.Size() == s.content.end {
		return err
	}
	if err := s.reload(f); err != nil || s.info.Size() == s.content.end {
		return err
	}
	if err := f.Truncate(s.content.end); err != nil {
		return err
	}
	return s.update(f)
}

// write adds a batch to the file, and an index where one is due. The caller holds turn and the lock.
func (s *Store) write(f *os.File, batch []*change) error {
	size := 0
	for _, c := range batch {
		size += header + providers.MaxName + len(c.data) + len(c.removed)*(providers.MaxName+2)
	}
	removed := make(map[string]bool) // in this batch: what is put again behind that is not there yet
	err := s.add(f, size, func(w *output) error {
		for _, c := range batch {
			if err := s.writeChange(f, w, c, removed[c.name]); err != nil {
				return err
			}
			for _, name := range c.removed {
				removed[name] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.wrote = true
	if !s.putOff {
		// What was written is durable, whatever comes of this; Sync tries again, and says what is wrong.
		s.putOff = s.housekeep(f, false) != nil
	}
	return nil
}

// writeChange writes one section, unless exactly that is there already, and was not just removed.
func (s *Store) writeChange(f *os.File, w *output, c *change, gone bool) error {
	if c.removed == nil {
		same, err := s.holds(f, c.name, c.data)
		if err != nil || same && !gone {
			return err
		}
		return w.section(section{kind: kindObject, name: c.name}, c.data)
	}
	var body []byte
	for _, name := range c.removed {
		body = appendName(body, name)
	}
	return w.section(section{kind: kindRemoval}, body)
}

// holds tells whether exactly these bytes stand under a name, read anew: a damaged copy is written again.
func (s *Store) holds(f *os.File, name string, data []byte) (bool, error) {
	s.mutex.RLock()
	at, ok := s.content.table.get(name)
	s.mutex.RUnlock()
	if !ok || at.length != int64(len(data)) || at.sum != checksum(data) {
		return false, nil
	}
	return isWhole(f, name, at)
}

// output adds sections to the end of a file.
type output struct {
	*bufio.Writer
	offset int64 // of the next section
}

func (w *output) section(s section, body []byte) error {
	s.length, s.sum = int64(len(body)), checksum(body)
	if _, err := w.Write(s.append(nil)); err != nil {
		return err
	}
	_, err := w.Write(body)
	w.offset += s.size()
	return err
}

// add writes about so many bytes behind the end and syncs; after a failure the file is cut to what it was.
func (s *Store) add(f *os.File, size int, write func(w *output) error) error {
	s.mutex.RLock()
	end := s.content.end
	s.mutex.RUnlock()
	w := &output{bufio.NewWriterSize(io.NewOffsetWriter(f, end), min(size, bufferBytes)), end}
	err := write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil && !s.options.Relaxed {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(end)) // where that fails, too, the next writer cuts it
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return errors.Join(err, s.update(f))
}

// housekeep writes the file anew when most of it is of no use any more, and an index when one is due, or asked for.
func (s *Store) housekeep(f *os.File, ask bool) error {
	s.mutex.RLock()
	size, index := s.content.end, s.content.table.index
	idle, since := size-s.content.table.live, size-s.content.indexed
	s.mutex.RUnlock()
	if idle > size/2+index+slack {
		err := s.compact(f)
		if !isFull(err) {
			return err
		} // without room for a second copy the file goes on growing
	}
	if ask && since > 0 || since > max(indexEvery, indexShare*index) {
		return s.writeIndex(f)
	}
	return nil
}

// writeIndex adds an index of what is there. What it names is synced before it.
func (s *Store) writeIndex(f *os.File) error {
	s.mutex.RLock()
	found := s.content.table // changed by nobody while the lock is held
	s.mutex.RUnlock()
	if err := f.Sync(); err != nil {
		return err
	}
	if err := s.add(f, bufferBytes, func(w *output) error { return found.writeIndex(w, w.offset) }); err != nil {
		return err
	}
	return f.Sync()
}

// Sync makes durable what was written so far, and adds an index, unless there is one of all that. A file whose larger
// part is of no use any more is written anew.
func (s *Store) Sync(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("archive: sync: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	if !s.wrote {
		return nil
	}
	err := s.locked(func(f *os.File) error { return s.housekeep(f, true) })
	if err == nil {
		s.wrote, s.putOff = false, false
	}
	return translate("sync", s.path, err)
}

// Compact writes the file anew, without what was removed from it.
func (s *Store) Compact(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("archive: compact: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	if s.options.ReadOnly {
		return translate("compact", s.path, ErrReadOnly)
	}
	err := s.locked(s.compact)
	if err == nil {
		s.wrote, s.putOff = false, false
	}
	return translate("compact", s.path, err)
}
