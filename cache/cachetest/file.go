package cachetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
)

// write changes the bytes of a file, as far as they fit on the disk, and returns
// how many bytes of data did.
func (d *Disk) write(n *node, w write) (written int, err error) {
	w.data = bytes.Clone(w.data)
	before := n.size()
	old := before
	if w.whole {
		old = 0
	}
	room := old
	if free := d.limit - (d.used - blocks(before) + blocks(old)); free > 0 && n.linked {
		room = blocks(old) + free/blockSize*blockSize
	}
	if end := w.at + int64(len(w.data)); n.linked && end > max(room, old) {
		err = syscall.ENOSPC
		if w.cut {
			return 0, err
		}
		w.data = w.data[:max(0, max(room, old)-w.at)]
	}
	n.content.add(w)
	n.modified = d.now()
	if n.linked {
		d.used += blocks(n.size()) - blocks(before)
	}
	return len(w.data), err
}

// OpenSegment is cache.Disk's.
func (s *Session) OpenSegment(path string) (cache.SegmentFile, error) {
	if err := s.create(path, func() *node { return &node{} }); err != nil {
		return nil, err
	}
	f := &segment{session: s, path: path}
	err := s.look("open", path, func() (err error) {
		f.node, err = s.disk.findFile(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// segment is a file that is open for writing.
type segment struct {
	session *Session
	path    string
	node    *node
}

func (f *segment) do(kind Kind, bytes int, effect func() error, fault func(bytes int)) error {
	return f.session.do(call{Operation{Kind: kind, Path: f.path, Bytes: bytes}, effect, fault})
}

// WriteAt is io.WriterAt's.
func (f *segment) WriteAt(data []byte, offset int64) (written int, err error) {
	put := func(data []byte) (err error) {
		written, err = f.session.disk.write(f.node, write{at: offset, data: data})
		return err
	}
	err = f.do(Write, len(data), func() error { return put(data) }, func(bytes int) {
		_ = put(data[:min(bytes, len(data))]) // the call fails anyway
	})
	return written, err
}

// Sync is cache.SegmentFile's.
func (f *segment) Sync() error {
	return f.do(Sync, 0, func() error {
		f.node.content.sync()
		return nil
	}, func(int) { f.node.content.settle(f.session.disk.random) })
}

// Reserve does nothing: a reserve would be of zeros that every opening reads.
func (f *segment) Reserve(int64, int64) error { return errors.ErrUnsupported }

// Truncate is cache.SegmentFile's.
func (f *segment) Truncate(size int64) error {
	same := false
	err := f.session.look(string(Truncate), f.path, func() error {
		same = f.node.size() == size
		return nil
	})
	if err != nil || same {
		return err
	}
	return f.do(Truncate, 0, func() error {
		_, err := f.session.disk.write(f.node, write{at: size, cut: true})
		return err
	}, nil)
}

// Close is cache.SegmentFile's.
func (f *segment) Close() error {
	return f.session.look("close", f.path, func() error { return nil })
}

// OpenReader is cache.Disk's.
func (s *Session) OpenReader(path string) (cache.FileReader, error) {
	r := &reader{session: s, path: path}
	err := s.look("open", path, func() (err error) {
		r.node, err = s.disk.findFile(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// reader is a file that is open for reading.
type reader struct {
	session *Session
	path    string
	node    *node
	at      int64
}

// Read is io.Reader's.
func (r *reader) Read(into []byte) (n int, err error) {
	n, err = r.ReadAt(into, r.at)
	r.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt is io.ReaderAt's.
func (r *reader) ReadAt(into []byte, offset int64) (n int, err error) {
	err = r.session.look("read", r.path, func() error {
		if data := r.node.content.data; offset < int64(len(data)) {
			n = copy(into, data[offset:])
		}
		return nil
	})
	if err == nil && n < len(into) {
		err = io.EOF
	}
	return n, err
}

// Seek is io.Seeker's.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	err := r.session.look("seek", r.path, func() error {
		switch whence {
		case io.SeekCurrent:
			offset += r.at
		case io.SeekEnd:
			offset += r.node.size()
		}
		if offset < 0 {
			return fs.ErrInvalid
		}
		r.at = offset
		return nil
	})
	return r.at, err
}

// Close is io.Closer's.
func (r *reader) Close() error {
	return r.session.look("close", r.path, func() error { return nil })
}
