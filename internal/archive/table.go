package archive

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// entry says where an object is.
type entry struct {
	offset int64 // of its section
	length int64 // of its body
	sum    uint32
}

// body is where the object's bytes begin.
func (e entry) body(name string) int64 { return e.offset + header + int64(len(name)) }

// size is what its section takes.
func (e entry) size(name string) int64 { return header + int64(len(name)) + e.length }

// table is all objects of a file, by the first part of the name, so that listing one container looks at that only.
type table struct {
	folders map[string]map[string]entry
	count   int
	live    int64 // bytes of their sections
	index   int64 // bytes of the body of an index of them
}

func newTable() *table { return &table{folders: make(map[string]map[string]entry), index: 8} }

// indexEntry is what an object takes in an index.
func indexEntry(name string) int64 { return 2 + int64(len(name)) + 20 }

func (t *table) get(name string) (entry, bool) {
	folder, _, _ := strings.Cut(name, "/")
	at, ok := t.folders[folder][name]
	return at, ok
}

func (t *table) set(name string, at entry) {
	t.remove(name)
	folder, _, _ := strings.Cut(name, "/")
	if t.folders[folder] == nil {
		t.folders[folder] = make(map[string]entry)
	}
	t.folders[folder][name] = at
	t.count++
	t.live += at.size(name)
	t.index += indexEntry(name)
}

func (t *table) remove(name string) {
	folder, _, _ := strings.Cut(name, "/")
	at, ok := t.folders[folder][name]
	if !ok {
		return
	}
	t.count--
	t.live -= at.size(name)
	t.index -= indexEntry(name)
	delete(t.folders[folder], name)
	if len(t.folders[folder]) == 0 {
		delete(t.folders, folder)
	}
}

// list returns the objects whose names begin with a prefix, in any order.
func (t *table) list(prefix string) []providers.Object {
	var found []providers.Object
	collect := func(objects map[string]entry) {
		for name, at := range objects {
			if strings.HasPrefix(name, prefix) {
				found = append(found, providers.Object{Name: name, Size: at.length})
			}
		}
	}
	if folder, _, one := strings.Cut(prefix, "/"); one {
		collect(t.folders[folder])
		return found
	}
	for _, objects := range t.folders {
		collect(objects)
	}
	return found
}

// names are all names, sorted.
func (t *table) names() []string {
	names := make([]string, 0, t.count)
	for _, objects := range t.folders {
		names = slices.AppendSeq(names, maps.Keys(objects))
	}
	slices.Sort(names)
	return names
}

// inOrder are all names, in the order in which the objects lie.
func (t *table) inOrder() []string {
	names := t.names()
	slices.SortStableFunc(names, func(a, b string) int {
		one, _ := t.get(a)
		other, _ := t.get(b)
		return cmp.Compare(one.offset, other.offset)
	})
	return names
}

// writeIndexBody writes all entries, by name.
func (t *table) writeIndexBody(w io.Writer, names []string) error {
	text := binary.BigEndian.AppendUint64(nil, uint64(len(names)))
	for _, name := range names {
		at, _ := t.get(name)
		text = appendName(text, name)
		text = binary.BigEndian.AppendUint64(text, uint64(at.offset))
		text = binary.BigEndian.AppendUint64(text, uint64(at.length))
		text = binary.BigEndian.AppendUint32(text, at.sum)
		if len(text) >= 1<<16 {
			if _, err := w.Write(text); err != nil {
				return err
			}
			text = text[:0]
		}
	}
	_, err := w.Write(text)
	return err
}

// writeIndex writes the index section and the end mark, which come at offset.
func (t *table) writeIndex(w io.Writer, offset int64) error {
	names := t.names()
	sum := crc32.New(castagnoli)
	if err := t.writeIndexBody(sum, names); err != nil {
		return err
	}
	index := section{kind: kindIndex, length: t.index, sum: sum.Sum32()}
	if _, err := w.Write(index.append(nil)); err != nil {
		return err
	}
	if err := t.writeIndexBody(w, names); err != nil {
		return err
	}
	body := binary.BigEndian.AppendUint64(nil, uint64(offset))
	end := section{kind: kindEnd, length: int64(len(body)), sum: checksum(body)}
	_, err := w.Write(append(end.append(nil), body...))
	return err
}

// readIndex reads the body of an index whose section begins at offset. Entries must lie before it, one behind the other,
// so that a few bytes can't stand for many large objects.
func readIndex(r io.ReaderAt, offset int64, at section) (*table, error) {
	sum := crc32.New(castagnoli)
	body := bufio.NewReader(io.TeeReader(io.NewSectionReader(r, offset+header, at.length), sum))
	var number [8]byte
	if _, err := io.ReadFull(body, number[:]); err != nil {
		return nil, fmt.Errorf("archive: index: %w", err)
	}
	count := binary.BigEndian.Uint64(number[:])
	if count > maxObjects {
		return nil, fmt.Errorf("%w: its index has %d entries", ErrFormat, count)
	}
	found, spans := newTable(), []entry(nil)
	for range count {
		name, item, err := readEntry(body)
		if err != nil {
			return nil, err
		}
		if item.offset < fileHeader || item.length > offset || item.offset > offset-item.size(name) {
			return nil, fmt.Errorf("%w: its index points outside", ErrFormat)
		}
		found.set(name, item)
		spans = append(spans, entry{offset: item.offset, length: item.size(name)})
	}
	if _, err := body.ReadByte(); err != io.EOF || sum.Sum32() != at.sum || found.count != len(spans) {
		return nil, fmt.Errorf("%w: its index is damaged", ErrFormat)
	}
	slices.SortFunc(spans, func(a, b entry) int { return cmp.Compare(a.offset, b.offset) })
	for i := 1; i < len(spans); i++ {
		if spans[i-1].offset+spans[i-1].length > spans[i].offset {
			return nil, fmt.Errorf("%w: entries of its index overlap", ErrFormat)
		}
	}
	return found, nil
}

func readEntry(body io.Reader) (name string, item entry, err error) {
	var text [providers.MaxName + 20]byte
	if _, err := io.ReadFull(body, text[:2]); err != nil {
		return "", item, fmt.Errorf("archive: index: %w", err)
	}
	length := int(binary.BigEndian.Uint16(text[:2]))
	if length > providers.MaxName {
		return "", item, fmt.Errorf("%w: its index has a name of %d bytes", ErrFormat, length)
	}
	if _, err := io.ReadFull(body, text[:length+20]); err != nil {
		return "", item, fmt.Errorf("archive: index: %w", err)
	}
	name = string(text[:length])
	if err := providers.ValidateName(name); err != nil {
		return "", item, fmt.Errorf("%w: its index: %w", ErrFormat, err)
	}
	offset, size := binary.BigEndian.Uint64(text[length:]), binary.BigEndian.Uint64(text[length+8:])
	if offset > 1<<62 || size > 1<<62 {
		return "", item, fmt.Errorf("%w: its index points outside", ErrFormat)
	}
	return name, entry{offset: int64(offset), length: int64(size), sum: binary.BigEndian.Uint32(text[length+16:])}, nil
}
