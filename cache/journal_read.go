package cache

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

const replayBuffer = 256 << 10

// Read appends the entry to dst and returns the longer slice. It fails with
// ErrNotFound for an unknown or forgotten entry and with ErrDamaged when the
// checksum does not fit.
func (j *Journal) Read(dst []byte, id EntryID) ([]byte, error) {
	sealed, err := j.read(dst, uint64(id))
	if err != nil {
		return dst, fmt.Errorf("cache: reading journal entry %d: %w", id, err)
	}
	return sealed, nil
}

func (j *Journal) read(dst []byte, id uint64) (sealed []byte, err error) {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil, ErrClosed
	}
	s, at := j.segmentOf(id)
	if at < 0 || s.slots[at].forgotten() {
		j.mu.Unlock()
		return nil, ErrNotFound
	}
	entry := s.slots[at]
	s.readers++
	j.mu.Unlock()
	defer func() { err = errors.Join(err, j.leave(s)) }()

	file, err := j.disk.OpenReader(s.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	begin, size := len(dst), frameHeaderSize+entry.length()
	dst = slices.Grow(dst, size)[:begin+size]
	if _, err := file.ReadAt(dst[begin:], int64(entry.offset)); err != nil {
		return nil, damageIfShort(err)
	}
	f, ok := parseFrame(dst[begin:])
	if !ok || f.id != id {
		return nil, ErrDamaged
	}
	return append(dst[:begin], f.payload...), nil
}

// leave ends reading a segment; the last reader removes it if nobody wants it.
func (j *Journal) leave(s *segment) error {
	j.mu.Lock()
	s.readers--
	if !j.closed { // else the folder may belong to somebody else by now
		j.retireIfUnwanted(s)
	}
	doomed := j.takeDoomed()
	j.mu.Unlock()
	return j.removeFiles(doomed)
}

// Replay calls visit for every entry that is not forgotten, in the order of
// numbers, and ends with visit's first error. sealed is valid during the call
// only. Entries that are appended meanwhile may be missing; entries forgotten
// meanwhile may still come. visit may use the journal. An entry whose checksum
// no longer fits is passed over and counted in Stats; Read on it tells.
func (j *Journal) Replay(visit func(id EntryID, sealed []byte) error) error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return fmt.Errorf("cache: replaying journal: %w", ErrClosed)
	}
	segments := slices.Clone(j.segments)
	for _, s := range segments {
		s.readers++
	}
	j.mu.Unlock()
	var err error
	for _, s := range segments {
		if err == nil {
			err = j.replaySegment(s, visit)
		}
		err = errors.Join(err, j.leave(s))
	}
	return err
}

func (j *Journal) replaySegment(s *segment, visit func(EntryID, []byte) error) (err error) {
	j.mu.Lock()
	slots := slices.Clone(s.slots)
	j.mu.Unlock()
	file, err := j.disk.OpenReader(s.path)
	if err != nil {
		return fmt.Errorf("cache: replaying journal: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	reader := frameReader{input: bufio.NewReaderSize(file, bufferFor(slots))}
	for _, entry := range slots {
		if entry.forgotten() {
			continue
		}
		sealed, err := reader.next(entry)
		if errors.Is(err, ErrDamaged) {
			j.mu.Lock()
			j.damaged++
			j.mu.Unlock()
			continue
		}
		if err != nil {
			return fmt.Errorf("cache: replaying journal: %w", err)
		}
		if err := visit(EntryID(entry.id), sealed); err != nil {
			return err
		}
	}
	return nil
}

// bufferFor is how large a buffer it takes to read slots.
func bufferFor(slots []slot) int {
	end := 0
	for _, entry := range slots {
		end = max(end, int(entry.offset)+frameHeaderSize+entry.length())
	}
	return min(end, replayBuffer)
}

// frameReader reads the frames of slots that ascend.
type frameReader struct {
	file   FileReader // where skipTo is used
	input  *bufio.Reader
	offset int64
	buffer []byte
}

func (r *frameReader) next(entry slot) ([]byte, error) {
	skipped, err := r.input.Discard(int(int64(entry.offset) - r.offset))
	r.offset += int64(skipped)
	if err != nil {
		return nil, damageIfShort(err)
	}
	data, err := r.take(frameHeaderSize + entry.length())
	if err != nil {
		return nil, damageIfShort(err)
	}
	f, ok := parseFrame(data)
	if !ok || f.id != entry.id {
		return nil, ErrDamaged
	}
	return f.payload, nil
}

// take returns the next size bytes, valid until the next call; what fits into
// the input's own buffer is not copied.
func (r *frameReader) take(size int) ([]byte, error) {
	if size <= r.input.Size() {
		data, err := r.input.Peek(size)
		if err != nil {
			return nil, err
		}
		_, err = r.input.Discard(size)
		r.offset += int64(size)
		return data, err
	}
	r.buffer = slices.Grow(r.buffer[:0], size)[:size]
	read, err := io.ReadFull(r.input, r.buffer)
	r.offset += int64(read)
	return r.buffer, err
}

// damageIfShort takes a file that ends too early for damage.
func damageIfShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return err
}
