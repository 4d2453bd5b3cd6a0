package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/dm3sync/dm3sync/providers"
)

// Damage is a part of a file that is not what was written.
type Damage struct {
	Name   string `json:"name,omitempty"` // of the object, where it is known
	Offset int64  `json:"offset"`         // in bytes, from the file's begin
	Length int64  `json:"length"`
	Detail string `json:"detail"`
}

// content is what is known of a file.
type content struct {
	table   *table
	end     int64    // where the next section goes: what comes behind it is torn
	indexed int64    // where the last index, with its mark, ends: what comes behind it stands in no index; 0 is none
	damage  []Damage // what a walk from the front could not read
	fresh   []string // objects behind the last index
}

// load finds out what a file holds: from its end, else by a walk from its front.
func load(r io.ReaderAt, size int64) (*content, error) {
	var begin [fileHeader]byte
	n, err := r.ReadAt(begin[:min(size, fileHeader)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("archive: reading: %w", err)
	}
	if err := checkFileHeader(begin[:n]); err != nil {
		return nil, err
	}
	found, err := loadFromEnd(r, size)
	if err == nil {
		return found, nil
	}
	if !errors.Is(err, ErrFormat) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return loadFromFront(r, size)
}

// loadFromEnd takes the index that the end mark names.
func loadFromEnd(r io.ReaderAt, size int64) (*content, error) {
	if size < fileHeader+header+8+endSection {
		return nil, ErrFormat
	}
	var mark [endSection]byte
	if _, err := r.ReadAt(mark[:], size-endSection); err != nil {
		return nil, fmt.Errorf("archive: reading the end: %w", err)
	}
	end, ok := parseSection(mark[:])
	if !ok || end.kind != kindEnd || end.name != "" || end.length != 8 || end.sum != checksum(mark[header:]) {
		return nil, ErrFormat
	}
	offset := binary.BigEndian.Uint64(mark[header:])
	if offset < fileHeader || offset > uint64(size-endSection-header) {
		return nil, ErrFormat
	}
	index, ok, err := sectionAt(r, int64(offset), size)
	if err != nil {
		return nil, err
	}
	if !ok || index.kind != kindIndex || index.name != "" || int64(offset)+index.size() != size-endSection {
		return nil, ErrFormat
	}
	found, err := readIndex(r, int64(offset), index)
	if err != nil {
		return nil, err
	}
	return &content{table: found, end: size, indexed: size}, nil
}

// loadFromFront walks from section to section. What comes behind the last index was perhaps never synced, so those
// objects are read.
func loadFromFront(r io.ReaderAt, size int64) (*content, error) {
	c := &content{table: newTable(), end: fileHeader}
	if err := c.walk(r, size, true); err != nil {
		return nil, err
	}
	for _, name := range c.fresh {
		at, ok := c.table.get(name)
		if !ok {
			continue
		}
		whole, err := isWhole(r, name, at)
		if err != nil {
			return nil, err
		}
		if !whole {
			c.note(Damage{Name: name, Offset: at.offset, Length: at.size(name), Detail: "the object is not whole"})
			c.table.remove(name)
		}
	}
	if len(c.damage) > 0 {
		c.indexed = 0 // the next index leaves out what is damaged
	}
	return c, nil
}

// walk goes on from the end that is known to the end of the file, and stops where no whole section begins. With search,
// it looks for the next one then.
func (c *content) walk(r io.ReaderAt, size int64, search bool) error {
	for c.end < size {
		found, ok, err := sectionAt(r, c.end, size)
		if err != nil {
			return err
		}
		if !ok {
			if !search {
				return nil
			}
			next, err := findSection(r, c.end+1, size)
			if err != nil || next < 0 {
				return err
			}
			c.note(Damage{Offset: c.end, Length: next - c.end, Detail: "no section can be read here"})
			c.end = next
			continue
		}
		if err := c.apply(r, found); err != nil {
			return err
		}
		c.end += found.size()
	}
	return nil
}

// apply takes one section, which begins at c.end.
func (c *content) apply(r io.ReaderAt, found section) error {
	named := providers.ValidateName(found.name) == nil
	switch {
	case found.kind == kindObject && !named:
		c.note(Damage{Offset: c.end, Length: found.size(), Detail: "an object has no valid name"})
	case found.kind == kindObject:
		if c.table.count >= maxObjects || len(c.fresh) >= maxObjects {
			return fmt.Errorf("%w: it holds more than %d objects", ErrFormat, maxObjects)
		}
		c.table.set(found.name, entry{offset: c.end, length: found.length, sum: found.sum})
		c.fresh = append(c.fresh, found.name)
	case found.kind == kindRemoval:
		names, ok, err := removal(r, c.end, found)
		if err != nil {
			return err
		}
		if !ok {
			c.note(Damage{Offset: c.end, Length: found.size(), Detail: "a removal is damaged"})
		}
		for _, name := range names {
			c.table.remove(name)
		}
	case found.kind == kindEnd:
		c.indexed, c.fresh = c.end+found.size(), nil
	}
	return nil
}

// removal reads the names that a section removes; false says that it is damaged.
func removal(r io.ReaderAt, offset int64, found section) (names []string, ok bool, err error) {
	if found.length > maxRemoval {
		return nil, false, nil
	}
	body := make([]byte, found.length)
	if _, err := r.ReadAt(body, offset+header+int64(len(found.name))); err != nil {
		return nil, false, fmt.Errorf("archive: reading a removal: %w", err)
	}
	if checksum(body) != found.sum {
		return nil, false, nil
	}
	names, ok = removedNames(body)
	return names, ok, nil
}

// note keeps a part that can't be read, unless there are too many of them.
func (c *content) note(found Damage) {
	if len(c.damage) < maxDamage {
		c.damage = append(c.damage, found)
	}
}

// sectionAt reads a section's header; false when no section begins there, or when it does not end within the file. An
// error is one of the disk: what can't be read is not taken for torn.
func sectionAt(r io.ReaderAt, offset, size int64) (section, bool, error) {
	var text [header + providers.MaxName]byte
	n, err := r.ReadAt(text[:max(0, min(int64(len(text)), size-offset))], offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return section{}, false, fmt.Errorf("archive: reading a section: %w", err)
	}
	found, ok := parseSection(text[:n])
	return found, ok && found.size() <= size-offset, nil
}

// findSection looks for the next section from an offset on; -1 is none.
func findSection(r io.ReaderAt, from, size int64) (int64, error) {
	const overlap = header + providers.MaxName
	// It mostly is near; a file of nothing but damage must not cost a large read for each.
	for length := int64(4 << 10); from < size; length = min(4*length, 1<<20) {
		window := make([]byte, min(length, size-from))
		n, err := r.ReadAt(window, from)
		if err != nil && !errors.Is(err, io.EOF) {
			return -1, fmt.Errorf("archive: looking for a section: %w", err)
		}
		text, last := window[:n], from+int64(n) >= size
		for at := 0; ; {
			next := bytes.Index(text[at:], []byte(sectionMagic))
			if next < 0 || !last && at+next > len(text)-overlap {
				break
			}
			at += next
			if found, ok := parseSection(text[at:]); ok && found.size() <= size-from-int64(at) {
				return from + int64(at), nil
			}
			at++
		}
		if last || n == 0 {
			break
		}
		from += int64(n - overlap)
	}
	return -1, nil
}

// isWhole reads an object's section and compares the checksums.
func isWhole(r io.ReaderAt, name string, at entry) (bool, error) {
	found, ok, err := sectionAt(r, at.offset, at.offset+at.size(name))
	if err != nil {
		return false, err
	}
	if !ok || found.kind != kindObject || found.name != name || found.length != at.length || found.sum != at.sum {
		return false, nil
	}
	var sum uint32
	buffer := make([]byte, min(at.length, 1<<18))
	for done := int64(0); done < at.length; done += int64(len(buffer)) {
		buffer = buffer[:min(int64(len(buffer)), at.length-done)]
		if _, err := r.ReadAt(buffer, at.body(name)+done); err != nil {
			return false, fmt.Errorf("archive: reading %s: %w", name, err)
		}
		sum = crc32.Update(sum, castagnoli, buffer)
	}
	return sum == at.sum, nil
}
