package engine_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestSnapshotOfARun lets one run go on twice, as when a machine is halted with the
// agent running and its snapshot is put back: both have one device name, one
// incarnation and one sequence number. Neither writes over the other's heads, and all
// that was appended to one of them is at the place and on all devices.
func TestSnapshotOfARun(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := []engine.Item{message("bob.eth", 1000, "before")}
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
	two := &device{t: t, folder: folder, store: place, change: same8}
	two.open()
	t.Cleanup(two.close)
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
