package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("archive.update", false, "write the golden file anew")

// written is a file of three objects, one of which was removed and one put later, by hand and without a store.
func written(t testing.TB) []byte {
	t.Helper()
	text := newFileHeader()
	c := &content{table: newTable(), end: int64(len(text))}
	add := func(s section, body []byte) {
		s.length, s.sum = int64(len(body)), checksum(body)
		text = append(s.append(text), body...)
		if err := c.walk(bytes.NewReader(text), int64(len(text)), false); err != nil {
			t.Fatal(err)
		}
	}
	index := func() {
		end := &bytes.Buffer{}
		if err := c.table.writeIndex(end, int64(len(text))); err != nil {
			t.Fatal(err)
		}
		text = append(text, end.Bytes()...)
		if err := c.walk(bytes.NewReader(text), int64(len(text)), false); err != nil {
			t.Fatal(err)
		}
	}
	add(section{kind: kindObject, name: "0xaa/first"}, []byte("one"))
	add(section{kind: kindObject, name: "0xaa/second"}, []byte{})
	index()
	add(section{kind: kindObject, name: "0xbb/third"}, []byte("three"))
	add(section{kind: kindRemoval}, appendName(nil, "0xaa/first"))
	index()
	return text
}

// TestGolden: the bytes of a file, as internal/docs/archive.md describes them, stay for ever.
func TestGolden(t *testing.T) {
	golden := filepath.Join("testdata", "golden.hex")
	found := hex.Dump(written(t))
	if *update {
		if err := os.WriteFile(golden, []byte(found), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if found != strings.ReplaceAll(string(expected), "\r\n", "\n") {
		t.Errorf("the format changed:\n%s", found)
	}
	path := filepath.Join(t.TempDir(), "golden")
	if err := os.WriteFile(path, written(t), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, path, &Options{ReadOnly: true}), map[string]string{"0xaa/second": "", "0xbb/third": "three"})
}

// TestWriter: what is written to a pipe is the file that a store writes, and readable without its end.
func TestWriter(t *testing.T) {
	piped := &bytes.Buffer{}
	w, err := NewWriter(piped)
	if err != nil {
		t.Fatal(err)
	}
	path := create(t)
	if err := os.WriteFile(path, newFileHeader(), 0o600); err != nil { // without the index of an empty file
		t.Fatal(err)
	}
	store := open(t, path, nil)
	for i := range 3 {
		name, data := fmt.Sprintf("c/%d", i), fmt.Sprintf("data %d", i)
		if err := w.Add(name, []byte(data)); err != nil {
			t.Fatal(err)
		}
		put(t, store, name, data)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if stored, err := os.ReadFile(path); err != nil || !bytes.Equal(stored, piped.Bytes()) {
		t.Errorf("a pipe and a file differ: %v", err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(cut, piped.Bytes()[:fileHeader+2*(header+9)+5], 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, cut, &Options{ReadOnly: true}), map[string]string{"c/0": "data 0", "c/1": "data 1"})
}

// hostile are files that say of themselves what can't be.
func hostile() map[string][]byte {
	file := func(sections ...[]byte) []byte { return append(newFileHeader(), bytes.Join(sections, nil)...) }
	head := func(kind byte, name string, length int64, sum uint32) []byte {
		s := section{kind: kind, name: name, length: length, sum: sum}
		return s.append(nil)
	}
	whole := func(kind byte, name string, body []byte) []byte {
		return append(head(kind, name, int64(len(body)), checksum(body)), body...)
	}
	entries := func(count uint64, list ...entry) []byte {
		body := binary.BigEndian.AppendUint64(nil, count)
		for i, at := range list {
			body = appendName(body, fmt.Sprintf("c/%d", i))
			body = binary.BigEndian.AppendUint64(body, uint64(at.offset))
			body = binary.BigEndian.AppendUint64(body, uint64(at.length))
			body = binary.BigEndian.AppendUint32(body, at.sum)
		}
		return whole(kindIndex, "", body)
	}
	end := func(offset uint64) []byte { return whole(kindEnd, "", binary.BigEndian.AppendUint64(nil, offset)) }
	object := whole(kindObject, "c/0", []byte("data"))
	at := uint64(fileHeader + len(object))
	return map[string][]byte{
		"a giant object":           file(head(kindObject, "c/0", math.MaxInt64, 0)),
		"a giant removal":          file(head(kindRemoval, "", 1<<61, 0)),
		"a removal of half names":  file(object, whole(kindRemoval, "", []byte{0, 9, 'x'})),
		"a giant count":            file(object, entries(math.MaxUint64), end(at)),
		"more than there is":       file(object, entries(5), end(at)),
		"an entry beyond the end":  file(object, entries(1, entry{offset: 1 << 40, length: 4}), end(at)),
		"an entry of all numbers":  file(object, entries(1, entry{offset: math.MaxInt64, length: math.MaxInt64}), end(at)),
		"an entry in the header":   file(object, entries(1, entry{offset: 0, length: 4}), end(at)),
		"entries that overlap":     file(object, entries(2, entry{offset: fileHeader, length: 4}, entry{offset: fileHeader + 1, length: 3}), end(at)),
		"an entry of the index":    file(object, entries(1, entry{offset: int64(at), length: 8}), end(at)),
		"an end that names itself": file(object, end(at)),
		"an end before the file":   file(object, end(0)),
		"an end beyond the file":   file(object, end(math.MaxUint64)),
		"an invalid name":          file(whole(kindObject, "../c", []byte("data"))),
		"an unknown section":       file(whole(77, "c/1", []byte("data")), object),
		"magic without an end":     file(bytes.Repeat([]byte(sectionMagic), 1<<12)),
	}
}

// TestHostile: nothing that a file says makes a reader fail, loop, or read outside of it.
func TestHostile(t *testing.T) {
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) { readAll(t, text) })
	}
}

// readAll loads a file and checks what must hold of any.
func readAll(t *testing.T, text []byte) {
	t.Helper()
	c, err := load(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return
	}
	if c.end < fileHeader || c.end > int64(len(text)) {
		t.Fatalf("the content ends at %d of %d", c.end, len(text))
	}
	live := int64(0)
	for _, name := range c.table.names() {
		at, _ := c.table.get(name)
		live += at.size(name)
		if at.offset < fileHeader || at.length < 0 || at.offset+at.size(name) > int64(len(text)) {
			t.Fatalf("%s lies outside: %+v", name, at)
		}
		if _, err := isWhole(bytes.NewReader(text), name, at); err != nil {
			t.Fatal(err)
		}
	}
	if live != c.table.live || live > int64(len(text)) {
		t.Fatalf("objects of %d bytes, counted as %d, in %d", live, c.table.live, len(text))
	}
	if err := c.table.writeIndex(io.Discard, c.end); err != nil {
		t.Fatal(err)
	}
}

// TestBoundedMemory: a reader takes no more memory for what a file only claims.
func TestBoundedMemory(t *testing.T) {
	for name, text := range hostile() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		readAll(t, text)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: %d bytes for a file of %d", name, used, len(text))
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(written(f))
	f.Add(written(f)[:200])
	for _, text := range hostile() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { readAll(t, text) })
}
