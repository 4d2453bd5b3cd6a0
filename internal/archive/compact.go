package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dm3sync/dm3sync/internal/files"
)

const (
	fileMode        = 0o600
	temporarySuffix = ".new" // of a file that is written anew
)

// Create makes an empty file at path, unless one is there, which must then be one of this format. Folders above it are
// made. It may be repeated.
func Create(path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if _, err := os.Stat(absolute); err == nil {
		store, err := Open(absolute, &Options{ReadOnly: true})
		if err != nil {
			return err
		}
		return store.Close()
	}
	if err := os.MkdirAll(filepath.Dir(absolute), 0o700); err != nil {
		return translate("making a folder for", absolute, err)
	}
	w, err := newFile(absolute)
	if err == nil {
		err = w.finish(newTable())
	}
	if err == nil {
		err = os.Link(w.path, absolute) // never over one that came meanwhile
		if err != nil && !errors.Is(err, os.ErrExist) {
			err = os.Rename(w.path, absolute) // a file system without links
		} else {
			err = os.Remove(w.path)
		}
	}
	if err == nil {
		err = files.SyncFolder(filepath.Dir(absolute))
	}
	return translate("making", absolute, err)
}

// newWhole is a file that is written from its front, under another name.
type newWhole struct {
	output
	path string
	file *os.File
}

// newFile begins a file. What an interrupted writer left under its temporary name goes first; nothing that is there is
// written to: in a folder that others share it could be a link to another file of the user, or a file that stays theirs.
func newFile(path string) (*newWhole, error) {
	temporary := path + temporarySuffix
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, err
	}
	w := &newWhole{output: output{bufio.NewWriterSize(file, bufferBytes), fileHeader}, path: temporary, file: file}
	_, err = w.Write(newFileHeader())
	return w, err
}

// finish writes the index and makes all of it durable.
func (w *newWhole) finish(found *table) error {
	err := found.writeIndex(w, w.offset)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// compact writes the objects that are there, in the order in which they lie, to a new file and puts that in the place of
// this one, which it closes. The caller holds turn and the lock.
func (s *Store) compact(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w, err := newFile(s.path)
	if err != nil {
		return err
	}
	found, err := s.copyAll(f, &w.output)
	if err == nil {
		err = w.file.Chmod(info.Mode().Perm())
	}
	if err != nil {
		err = errors.Join(err, w.file.Close())
	} else {
		err = w.finish(found)
	}
	if err == nil {
		err = f.Close() // Windows renames over no open file
	}
	if err == nil {
		err = os.Rename(w.path, s.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(w.path))
	}
	return files.SyncFolder(filepath.Dir(s.path))
}

// copyAll copies the sections of all objects, damaged ones as they are, with their old checksums.
func (s *Store) copyAll(f *os.File, w *output) (*table, error) {
	s.mutex.RLock()
	from := s.content.table // changed by nobody while the lock is held
	s.mutex.RUnlock()
	copied := newTable()
	for _, name := range from.inOrder() {
		at, _ := from.get(name)
		head := section{kind: kindObject, name: name, length: at.length, sum: at.sum}
		if _, err := w.Write(head.append(nil)); err != nil {
			return nil, err
		}
		if n, err := io.Copy(w, io.NewSectionReader(f, at.body(name), at.length)); err != nil || n < at.length {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
		copied.set(name, entry{offset: w.offset, length: at.length, sum: at.sum})
		w.offset += head.size()
	}
	return copied, nil
}

// Writer writes a whole file front to back, to a pipe for example. It belongs to one goroutine.
type Writer struct {
	output output
	table  *table
}

// NewWriter begins a file on w.
func NewWriter(w io.Writer) (*Writer, error) {
	created := &Writer{output{bufio.NewWriterSize(w, bufferBytes), fileHeader}, newTable()}
	if _, err := created.output.Write(newFileHeader()); err != nil {
		return nil, fmt.Errorf("archive: writing: %w", err)
	}
	return created, nil
}

// Add writes one object. A name that comes twice stands for the last bytes.
func (w *Writer) Add(name string, data []byte) error {
	at := entry{offset: w.output.offset, length: int64(len(data)), sum: checksum(data)}
	if err := w.output.section(section{kind: kindObject, name: name}, data); err != nil {
		return fmt.Errorf("archive: writing %s: %w", name, err)
	}
	w.table.set(name, at)
	return nil
}

// Finish writes the index. Without it the file is readable, as one that was torn there.
func (w *Writer) Finish() error {
	err := w.table.writeIndex(&w.output, w.output.offset)
	if err == nil {
		err = w.output.Flush()
	}
	if err != nil {
		return fmt.Errorf("archive: writing the index: %w", err)
	}
	return nil
}
