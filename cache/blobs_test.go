package cache

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// testClock moves only when told to.
type testClock struct{ at time.Time }

func (c *testClock) now() time.Time { return c.at }

func mustOpenBlobs(t *testing.T, folder string, budget int64, clock *testClock) *Blobs {
	t.Helper()
	b, err := openBlobs(folder, Options{BlobBudget: budget, Now: clock.now}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newTestClock() *testClock { return &testClock{at: time.Unix(1_700_000_000, 0)} }

func putBlob(t *testing.T, b *Blobs, name string, size int, pinned bool) {
	t.Helper()
	if err := b.Put(name, bytes.Repeat([]byte{byte(len(name))}, size), pinned); err != nil {
		t.Fatal(err)
	}
}

func held(b *Blobs, names ...string) (got string) {
	for _, name := range names {
		if b.Has(name) {
			got += name
		}
	}
	return got
}

func TestBlobs(t *testing.T) {
	b := mustOpenBlobs(t, t.TempDir(), 1000, newTestClock())
	name := "0x" + string(bytes.Repeat([]byte("a"), 64)) + "/Ab-c"
	if _, ok := b.Get(name); ok {
		t.Error("an absent blob was found")
	}
	for _, text := range []string{"first", "second, longer"} {
		if err := b.Put(name, []byte(text), false); err != nil {
			t.Fatal(err)
		}
		if got, ok := b.Get(name); !ok || string(got) != text {
			t.Errorf("got %q %v", got, ok)
		}
		if got, ok := b.Peek(name); !ok || string(got) != text {
			t.Errorf("peeked at %q %v", got, ok)
		}
	}
	if _, ok := b.Peek("another"); ok {
		t.Error("an absent blob was peeked at")
	}
	if err := b.Put(name+"C", []byte("x"), true); err != nil { // differs from the next in case only
		t.Fatal(err)
	}
	if b.Has(name + "c") {
		t.Error("names that differ in case are one")
	}
	want := BlobStats{Entries: 2, PinnedEntries: 1, Bytes: 15, PinnedBytes: 1, Hits: 2, Misses: 1}
	if got := b.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	for range 2 {
		if err := b.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if b.Has(name) || b.Stats().Bytes != 1 {
		t.Errorf("after Remove: %+v", b.Stats())
	}
}

func TestBlobsEvictWhatWasReadLongestAgo(t *testing.T) {
	tests := []struct {
		name string
		do   func(b *Blobs)
		want string // of a to e after e was put; each has 300 bytes of 1000
	}{
		{"oldest leaves", func(*Blobs) {}, "bce"},
		{"read stays", func(b *Blobs) { b.Get("a") }, "ace"},
		{"Peek does not count", func(b *Blobs) { b.Peek("a") }, "bce"},
		{"Has does not count", func(b *Blobs) { b.Has("a") }, "bce"},
		{"pinned stays", func(b *Blobs) { _ = b.Pin("a") }, "ace"},
		{"all pinned", func(b *Blobs) { _ = b.Pin("a"); _ = b.Pin("b"); _ = b.Pin("c") }, "abce"},
		{"half is for what is not pinned", func(b *Blobs) {
			for _, name := range []string{"a", "b", "c"} {
				_ = b.Pin(name)
			}
			_ = b.Put("d", make([]byte, 300), false)
		}, "abce"},
		{"unpinned counts as read", func(b *Blobs) { _ = b.Pin("a"); _ = b.Unpin("a") }, "ace"},
		{"removed makes room", func(b *Blobs) { _ = b.Remove("b") }, "ace"},
		{"put again counts as read", func(b *Blobs) { _ = b.Put("a", make([]byte, 300), false) }, "ace"},
		{"put again stays pinned", func(b *Blobs) {
			_ = b.Pin("a")
			_ = b.Put("a", make([]byte, 300), false)
			b.Get("b")
			b.Get("c")
		}, "ace"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folder, clock := t.TempDir(), newTestClock()
			b := mustOpenBlobs(t, folder, 1000, clock)
			for _, name := range []string{"a", "b", "c"} {
				putBlob(t, b, name, 300, false)
			}
			test.do(b)
			putBlob(t, b, "e", 300, false)
			if got := held(b, "a", "b", "c", "d", "e"); got != test.want {
				t.Errorf("held %s, want %s", got, test.want)
			}
			b = mustOpenBlobs(t, folder, 1000, clock)
			if got := held(b, "a", "b", "c", "d", "e"); got != test.want {
				t.Errorf("after a restart: held %s, want %s", got, test.want)
			}
		})
	}
}

func TestBlobsLargerThanBudget(t *testing.T) {
	b := mustOpenBlobs(t, t.TempDir(), 1000, newTestClock())
	putBlob(t, b, "small", 100, false)
	putBlob(t, b, "large", 1001, false)
	if got := held(b, "small", "large"); got != "small" {
		t.Errorf("held %s", got)
	}
	putBlob(t, b, "pinned", 2000, true)
	if got := held(b, "small", "pinned"); got != "smallpinned" { // half of the budget is for what is not pinned
		t.Errorf("held %s", got)
	}
	if err := b.Unpin("pinned"); err != nil || b.Stats().Entries != 0 {
		t.Errorf("%v, %+v", err, b.Stats())
	}
}

// The order of reading survives a restart, as far as file times tell.
func TestBlobsOrderSurvivesRestart(t *testing.T) {
	folder, clock := t.TempDir(), newTestClock()
	b := mustOpenBlobs(t, folder, 1000, clock)
	putBlob(t, b, "a", 300, false)
	putBlob(t, b, "b", 300, false)
	putBlob(t, b, "p", 300, true)
	clock.at = time.Now().Add(time.Hour)
	b.Get("b")
	clock.at = clock.at.Add(time.Hour)
	b.Get("a")
	b = mustOpenBlobs(t, folder, 1000, clock)
	putBlob(t, b, "c", 300, false)
	if got := held(b, "a", "b", "c", "p"); got != "acp" {
		t.Errorf("held %s, want acp", got)
	}
	if b = mustOpenBlobs(t, folder, 300, clock); held(b, "a", "c", "p") != "p" {
		t.Errorf("a smaller budget was not kept to: %+v", b.Stats())
	}
}

// What a crash or a stranger leaves in the folder does no harm.
func TestBlobsOpenOnDebris(t *testing.T) {
	folder, clock := t.TempDir(), newTestClock()
	b := mustOpenBlobs(t, folder, 1000, clock)
	putBlob(t, b, "a", 10, false)
	path := b.path(keyOf("a"), false)
	for _, debris := range []string{
		filepath.Join(folder, temporaryFolder, "half"), path + "x", path + pinSuffix,
		filepath.Join(folder, "notes"), filepath.Join(filepath.Dir(path), "zz"),
	} {
		if err := os.WriteFile(debris, []byte("debris"), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	b = mustOpenBlobs(t, folder, 1000, clock)
	if got := b.Stats(); got.Entries != 1 {
		t.Errorf("stats %+v", got)
	}
	if _, err := os.Stat(filepath.Join(folder, temporaryFolder, "half")); err == nil {
		t.Error("a half-written file stays")
	}
}

// A file that somebody took is a miss, and no longer counted.
func TestBlobsFileGone(t *testing.T) {
	b := mustOpenBlobs(t, t.TempDir(), 1000, newTestClock())
	putBlob(t, b, "a", 10, false)
	if err := os.Remove(b.path(keyOf("a"), false)); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Get("a"); ok || b.Has("a") || b.Stats().Bytes != 0 {
		t.Errorf("found %v, stats %+v", ok, b.Stats())
	}
	putBlob(t, b, "a", 10, false)
	if _, ok := b.Get("a"); !ok {
		t.Error("it can't be put again")
	}
}

// Random use against a map, with restarts; the sums must be those of the files.
func TestBlobsAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	folder, clock := t.TempDir(), newTestClock()
	b := mustOpenBlobs(t, folder, 2000, clock)
	pinned := map[string]int{}
	for step := range 1500 {
		name := fmt.Sprint("n", random.IntN(30))
		var err error
		switch random.IntN(8) {
		case 0, 1, 2:
			size, pin := 1+random.IntN(200), random.IntN(6) == 0
			if _, was := pinned[name]; pin || was {
				pinned[name] = size
			}
			putBlob(t, b, name, size, pin)
		case 3, 4:
			b.Get(name)
		case 5:
			err = b.Unpin(name)
			delete(pinned, name)
		case 6:
			err = b.Remove(name)
			delete(pinned, name)
		default:
			if random.IntN(20) == 0 {
				b = mustOpenBlobs(t, folder, 2000, clock)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		checkBlobs(t, b, pinned, step)
	}
}

func checkBlobs(t *testing.T, b *Blobs, pinned map[string]int, step int) {
	t.Helper()
	sum := int64(0)
	for name, size := range pinned {
		sum += int64(size)
		if !b.Has(name) {
			t.Fatalf("step %d: pinned %s left", step, name)
		}
	}
	files := map[blobKey]int64{}
	found, err := readBlobFolders(b.disk, b.folder)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, it := range found {
		files[it.key] = it.size
		total += it.size
	}
	inMemory := map[blobKey]int64{}
	for _, at := range b.order.slots {
		if at == 0 {
			continue
		}
		key := b.order.items[at].key
		if found, held := b.order.find(key); !held || found != at {
			t.Fatalf("step %d: a blob that is held is not found", step)
		}
		inMemory[key] = b.order.items[at].size
	}
	got := b.Stats()
	if !maps.Equal(files, inMemory) || got.Bytes != total || got.PinnedBytes != sum || got.PinnedEntries != len(pinned) {
		t.Fatalf("step %d: stats %+v, files %d with %d bytes, pinned %d with %d", step, got, len(files), total, len(pinned), sum)
	}
	if got.Bytes > 2000 && got.Bytes-got.PinnedBytes > 1000 {
		t.Fatalf("step %d: above the budget: %+v", step, got)
	}
}

func TestBlobsConcurrently(t *testing.T) {
	b := mustOpenBlobs(t, t.TempDir(), 5000, newTestClock())
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 0))
			for range 200 {
				name := fmt.Sprint(random.IntN(20))
				want := bytes.Repeat([]byte(name), 200)
				switch random.IntN(5) {
				case 0:
					if err := b.Put(name, want, random.IntN(4) == 0); err != nil {
						t.Error(err)
					}
				case 1:
					if err := b.Pin(name); err != nil {
						t.Error(err)
					}
				case 2:
					if err := b.Unpin(name); err != nil {
						t.Error(err)
					}
				case 3:
					if err := b.Remove(name); err != nil {
						t.Error(err)
					}
				default:
					if got, ok := b.Get(name); ok && !bytes.Equal(got, want) {
						t.Errorf("%s: a foreign blob", name)
					}
				}
			}
		})
	}
	group.Wait()
	if got := b.Stats(); got.Entries > 20 || got.Bytes < got.PinnedBytes {
		t.Errorf("stats %+v", got)
	}
}

// pinningDisk has a blob pinned, by which its file gets another name, right before it is read.
type pinningDisk struct {
	Disk
	pin func()
}

func (d *pinningDisk) ReadFile(path string) ([]byte, error) {
	if pin := d.pin; pin != nil {
		d.pin = nil
		pin()
	}
	return d.Disk.ReadFile(path)
}

// TestBlobsPinnedMeanwhile: a blob that is pinned while somebody reads it is there all the same.
func TestBlobsPinnedMeanwhile(t *testing.T) {
	for name, read := range map[string]func(*Blobs) ([]byte, bool){
		"Get":  func(b *Blobs) ([]byte, bool) { return b.Get("a") },
		"Peek": func(b *Blobs) ([]byte, bool) { return b.Peek("a") },
	} {
		t.Run(name, func(t *testing.T) {
			disk := &pinningDisk{Disk: systemDisk{}}
			b, err := openBlobs(t.TempDir(), Options{Disk: disk}.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			putBlob(t, b, "a", 10, false)
			disk.pin = func() {
				if err := b.Pin("a"); err != nil {
					t.Error(err)
				}
			}
			if sealed, ok := read(b); !ok || len(sealed) != 10 {
				t.Errorf("%d bytes, %v", len(sealed), ok)
			}
		})
	}
}

func TestBlobsClear(t *testing.T) {
	folder := t.TempDir()
	b := mustOpenBlobs(t, folder, 1000, newTestClock())
	for i := range 20 {
		putBlob(t, b, fmt.Sprint("blob", i), 10, i%3 == 0)
	}
	if err := b.Remove("blob4"); err != nil {
		t.Fatal(err)
	}
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	putBlob(t, b, "later", 7, true)
	for _, opened := range []*Blobs{b, mustOpenBlobs(t, folder, 1000, newTestClock())} {
		if got := opened.Stats(); got.Entries != 1 || got.Bytes != 7 || got.PinnedBytes != 7 {
			t.Errorf("%+v", got)
		}
	}
}
