package cache

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// readGap is how many unwanted bytes between two entries are read rather than
// skipped by a seek.
const readGap = 128 << 10

// ReadEach reads entries by number, which must ascend, and calls visit for each
// with its sealed bytes, valid during the call only, or with the error that
// Read would give for it. It reads each segment once from front to back, which
// costs a fraction of as many calls of Read. It ends with visit's first error,
// or with one of the disk. visit may use the journal.
func (j *Journal) ReadEach(ids []EntryID, visit func(id EntryID, sealed []byte, err error) error) error {
	for len(ids) > 0 {
		s, slots, n, err := j.wanted(ids)
		if err != nil {
			return fmt.Errorf("cache: reading journal: %w", err)
		}
		err = j.readSlots(s, ids[:n], slots, visit)
		if s != nil {
			err = errors.Join(err, j.leave(s))
		}
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// wanted finds the segment of the first number, keeps it from being removed,
// and returns the slots of the first n numbers, all in that segment; an absent
// entry has an empty slot.
func (j *Journal) wanted(ids []EntryID) (s *segment, slots []slot, n int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, nil, 0, ErrClosed
	}
	s, _ = j.segmentOf(uint64(ids[0]))
	for _, id := range ids {
		other, at := j.segmentOf(uint64(id))
		if other != s {
			break
		}
		found := slot{}
		if at >= 0 && !s.slots[at].forgotten() {
			found = s.slots[at]
		}
		slots = append(slots, found)
	}
	if s != nil {
		s.readers++
	}
	return s, slots, len(slots), nil
}

func (j *Journal) readSlots(s *segment, ids []EntryID, slots []slot, visit func(EntryID, []byte, error) error) (err error) {
	var reader frameReader
	for i, entry := range slots {
		if entry == (slot{}) {
			if err := visit(ids[i], nil, fmt.Errorf("cache: reading journal entry %d: %w", ids[i], ErrNotFound)); err != nil {
				return err
			}
			continue
		}
		if reader.input == nil {
			file, openErr := j.disk.OpenReader(s.path)
			if openErr != nil {
				return fmt.Errorf("cache: reading journal: %w", openErr)
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			reader = frameReader{file: file, input: bufio.NewReaderSize(file, bufferFor(slots))}
		}
		if err := reader.skipTo(int64(entry.offset)); err != nil {
			return fmt.Errorf("cache: reading journal: %w", err)
		}
		sealed, err := reader.next(entry)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return fmt.Errorf("cache: reading journal: %w", err)
		}
		if err != nil {
			err = fmt.Errorf("cache: reading journal entry %d: %w", ids[i], err)
		}
		if err := visit(ids[i], sealed, err); err != nil {
			return err
		}
	}
	return nil
}

// skipTo seeks over a large gap; next reads through a small one.
func (r *frameReader) skipTo(offset int64) error {
	if gap := offset - r.offset; gap >= 0 && gap < readGap {
		return nil
	}
	if _, err := r.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	r.input.Reset(r.file)
	r.offset = offset
	return nil
}
