package engine_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// twins are two devices that are one run which goes on twice.
func twins(t *testing.T, place *memory.Store, items ...engine.Item) (one, two *device) {
	t.Helper()
	one = newDevice(t, place, nil)
	one.append(items...)
	one.settle()
	one.close()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(one.folder)); err != nil {
		t.Fatal(err)
	}
	same8 := func(o *engine.Options) { // the incarnation is what is drawn first
		o.Random = io.MultiReader(bytes.NewReader([]byte("8letters")), rand.Reader)
	}
	one.change = same8
	one.open()
	two = &device{t: t, folder: folder, store: place, change: same8}
	two.open()
	t.Cleanup(two.close)
	return one, two
}

// TestSnapshotOfARun lets one run go on twice, as when a machine is halted with the
// agent running and its snapshot is put back: both have one device name, one
// incarnation and one sequence number. Neither writes over the other's heads, and all
// that was appended to one of them is at the place and on all devices.
func TestSnapshotOfARun(t *testing.T) {
	place := memory.New(nil)
	items := []engine.Item{message("bob.eth", 1000, "before")}
	one, two := twins(t, place, items...)
	written := make(map[string][]byte)
	for i := range 6 {
		for n, d := range []*device{one, two} {
			item := message("bob.eth", int64(2000+10*i+n), "hello")
			items = append(items, item)
			d.append(item)
			d.pass(engine.Work{})
			for _, name := range objects(t, place, true) {
				if sealed := get(t, place, name); written[name] == nil {
					written[name] = sealed
				} else if !bytes.Equal(written[name], sealed) {
					t.Fatalf("head %s was written over", name)
				}
			}
		}
	}
	for range 2 {
		one.settle()
		two.settle()
	}
	third := newDevice(t, place, nil)
	third.settle()
	for name, d := range map[string]*device{"one": one, "two": two, "three": third} {
		same(t, name, d.holds(), hashes(items))
		if problems := d.Status().Problems; len(problems) > 0 {
			t.Errorf("%s: %+v", name, problems)
		}
	}
	incarnations := make(map[string]bool)
	for name := range written {
		incarnation, _, _ := container.ParseHeadName(name[strings.IndexByte(name, '/')+1:])
		incarnations[incarnation] = true
	}
	if len(incarnations) != 3 { // of the first run, of the one that went on twice, and of the one that noticed it
		t.Errorf("incarnations %v", incarnations)
	}
}

// TestTwinsOverwriteOneHead lets one run that goes on twice write the same heads, before
// either has looked: what the one wrote is gone from the place. Whoever still has it, the
// writer or a device that read it in time, brings it back beside what is there now.
func TestTwinsOverwriteOneHead(t *testing.T) {
	for _, first := range []int{1, 10} {
		for _, second := range []int{1, 3} {
			for _, saved := range []string{"by the writer", "by a reader", "by the writer alone"} {
				t.Run(fmt.Sprint(first, " and ", second, " ", saved), func(t *testing.T) { overwriteHeads(t, first, second, saved) })
			}
		}
	}
}

// overwriteHeads lets the first run write some heads, and the second the same ones. What
// the first wrote is saved by itself beside another device or alone, or by a reader while
// the first is no more.
func overwriteHeads(t *testing.T, first, second int, saved string) {
	place := memory.New(nil)
	items := []engine.Item{message("bob.eth", 1000, "before")}
	one, two := twins(t, place, items...)
	all := []*device{two, one}
	if saved != "by the writer alone" {
		all = append(all, newDevice(t, place, nil))
	}
	for _, d := range all {
		d.pass(engine.Work{}) // what comes now is written without another look
	}
	flush := func(d *device, number, n int) {
		for i := range n {
			item := message("bob.eth", int64(2000+100*i+number), "hello")
			items = append(items, item)
			d.append(item)
			d.pass(engine.Work{Flush: true})
		}
	}
	flush(one, 1, first)
	before := sealedHeads(t, place)
	if saved == "by a reader" {
		all[2].settle()
		one.close()
		all = []*device{two, all[2]}
	}
	flush(two, 2, second)
	if written := over(before, sealedHeads(t, place)); written == 0 {
		t.Fatal("no head was written over: this shows nothing")
	}
	for range 3 {
		for _, d := range all {
			d.pass(engine.Work{Scrub: true})
			d.settle()
		}
	}
	last := newDevice(t, place, nil)
	last.settle()
	for i, d := range append(all, last) {
		same(t, fmt.Sprint("device ", i), d.holds(), hashes(items))
		for _, problem := range d.Status().Problems {
			t.Errorf("device %d: %+v", i, problem)
		}
	}
}

// over counts the heads whose bytes changed.
func over(before, after map[string][]byte) (n int) {
	for name, sealed := range after {
		if before[name] != nil && !bytes.Equal(before[name], sealed) {
			n++
		}
	}
	return n
}

// sealedHeads reads all heads at a place.
func sealedHeads(t *testing.T, place *memory.Store) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	for _, name := range objects(t, place, true) {
		found[name] = get(t, place, name)
	}
	return found
}
