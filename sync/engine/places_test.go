package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// filled is a device whose states lie in containers of their own.
func filled(t *testing.T) (*device, *memory.Store) {
	t.Helper()
	store := memory.New(nil)
	d := newDevice(t, store, func(o *engine.Options) { o.Inline, o.ChunkLimit = 1, 4000 })
	for i := range 40 {
		d.append(message([]string{"bob.eth", "carol.eth"}[i%2], int64(1000+i), strings.Repeat("x", 300)))
		if i%10 == 9 {
			d.settle()
		}
	}
	return d, store
}

func bytesOf(t *testing.T, store providers.Store, name string) []byte {
	t.Helper()
	data, err := store.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTree: the tree names what is there, each object after those that it refers to.
func TestTree(t *testing.T) {
	d, store := filled(t)
	d.pass(engine.Work{Scrub: true, Settle: true})
	tree := d.Tree()
	var order []string
	kinds := ""
	for object := range tree.Objects() {
		order = append(order, object)
		if !tree.Names(object) || tree.Replaced(object) {
			t.Errorf("%s is yielded and not named", object)
		}
		if tree.IsHead(object) != strings.HasPrefix(object, tree.Heads()) {
			t.Errorf("%s: which kind?", object)
		}
		kinds += map[bool]string{true: "h", false: "s"}[tree.IsHead(object)]
	}
	if len(order) < 5 || !strings.HasSuffix(strings.TrimLeft(kinds, "s"), "h") || strings.Contains(kinds, "hs") {
		t.Errorf("%d objects, %s", len(order), kinds)
	}
	var there []string
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		there = append(there, object.Name)
	}
	slices.Sort(order)
	slices.Sort(there)
	if !slices.Equal(order, there) {
		t.Errorf("named %d objects, there are %d", len(order), len(there))
	}
}

// TestExamine: an object is what its bytes say, under its name alone.
func TestExamine(t *testing.T) {
	d, store := filled(t)
	tree := d.Tree()
	other, err := seal.New([32]byte{9}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for object := range tree.Objects() {
		data := bytesOf(t, store, object)
		if is := tree.Examine(object, data); is != engine.Whole {
			t.Errorf("%s is %v", object, is)
		}
		if kept, ok := tree.Kept(object); !ok || !slices.Equal(kept, data) {
			t.Errorf("%s is not in the cache", object)
		}
		flipped := slices.Clone(data)
		flipped[len(flipped)-1] ^= 1
		newer := slices.Clone(data)
		newer[0] = 200
		key, _, _ := strings.Cut(object, "/")
		foreign, err := other.Seal(nil, container.KindChunk, container.Key(key), []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			data []byte
			want engine.Standing
		}{"flipped": {flipped, engine.Damaged}, "cut": {data[:9], engine.Damaged}, "empty": {nil, engine.Damaged}, "foreign": {foreign, engine.Foreign}, "newer": {newer, engine.Newer}} {
			if is := tree.Examine(object, c.data); is != c.want {
				t.Errorf("%s, %s: %v, want %v", object, name, is, c.want)
			}
		}
		if !tree.IsHead(object) {
			states = append(states, object)
		}
	}
	for _, object := range states[1:] {
		if is := tree.Examine(object, bytesOf(t, store, states[0])); is == engine.Whole {
			t.Errorf("%s passes for %s", states[0], object)
		}
	}
}

// TestSuperseded: what was replaced is superseded, by name and by content; what holds
// something else is not.
func TestSuperseded(t *testing.T) {
	d, store := filled(t)
	before := make(map[string][]byte)
	for object := range d.Tree().Objects() {
		before[object] = bytesOf(t, store, object)
	}
	for i := range 40 {
		d.append(message("bob.eth", int64(2000+i), strings.Repeat("y", 300)))
		d.settle()
	}
	tree := d.Tree()
	replaced := 0
	for object, data := range before {
		superseded, err := tree.Superseded(t.Context(), object, data)
		if err != nil {
			t.Fatal(err)
		}
		if superseded == tree.Names(object) {
			t.Errorf("%s: in use %v, superseded %v", object, tree.Names(object), superseded)
		}
		if superseded {
			replaced++
		}
	}
	if replaced == 0 {
		t.Error("nothing was replaced: this test shows nothing")
	}
	// A device that has seen only the beginning knows of nothing that supersedes the rest.
	old := memory.New(nil)
	for object, data := range before {
		if err := old.Put(t.Context(), object, data); err != nil {
			t.Fatal(err)
		}
	}
	late := newDevice(t, old, func(o *engine.Options) { o.Inline, o.ChunkLimit = 1, 4000 })
	late.pass(engine.Work{})
	unknown := 0
	for object := range tree.Objects() {
		if late.Tree().Names(object) {
			continue
		}
		superseded, err := late.Tree().Superseded(t.Context(), object, bytesOf(t, store, object))
		if err != nil {
			t.Fatal(err)
		}
		if !superseded {
			unknown++
		}
	}
	if unknown < 2 {
		t.Errorf("only %d objects with something new in them", unknown)
	}
}

// TestHold: nobody passes meanwhile.
func TestHold(t *testing.T) {
	d := newDevice(t, memory.New(nil), nil)
	if d.Calm(0) {
		t.Error("calm before any look")
	}
	release, err := d.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.Pass(ctx, engine.Work{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a pass while passes are held: %v", err)
	}
	release()
	d.pass(engine.Work{})
	if looks := d.Looks(); looks == 0 || !d.Calm(looks-1) || d.Calm(looks) {
		t.Errorf("calm after %d looks: %v, %v", looks, d.Calm(looks-1), d.Calm(looks))
	}
}

// TestRecheck: an object that another place gave back is whole again, and no alarm lasts.
func TestRecheck(t *testing.T) {
	d, store := filled(t)
	var object string
	for name := range d.Tree().Objects() {
		object = name // of a chunk
		break
	}
	data := bytesOf(t, store, object)
	if err := d.cache.Blobs().Remove(object); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), object, data[:len(data)-1]); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Verify(t.Context(), engine.VerifyOptions{Deep: true}); err != nil {
		t.Fatal(err)
	}
	d.pass(engine.Work{Scrub: true})
	if ailing := d.Ailing(); !slices.Equal(ailing, []string{object}) || d.Calm(0) {
		t.Fatalf("ailing: %q, calm %v", ailing, d.Calm(0))
	}
	if err := store.Put(t.Context(), object, data); err != nil {
		t.Fatal(err)
	}
	if err := d.Recheck(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if ailing := d.Ailing(); len(ailing) > 0 || !d.Calm(0) {
		t.Errorf("ailing: %q, problems %+v", ailing, d.Status().Problems)
	}
}
