package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// recording is a place that notes which states were read, and may cut a run off.
type recording struct {
	providers.Store
	mu   sync.Mutex
	read map[string]int
	left int // reads of states until cut is called; 0 never
	cut  func()
}

func (r *recording) Get(ctx context.Context, name string) ([]byte, error) {
	r.mu.Lock()
	if !isHead(name) {
		r.read[name]++
		if r.left--; r.left == 0 {
			r.cut()
		}
	}
	r.mu.Unlock()
	return r.Store.Get(ctx, name)
}

func (r *recording) reads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.read)
	r.read = make(map[string]int)
	return n
}

// manyContainers is a place with about 250 objects, and a device that wrote them.
func manyContainers(t *testing.T) (*recording, *device, []engine.Item) {
	t.Helper()
	place := &recording{Store: memory.New(nil), read: make(map[string]int)}
	one := newDevice(t, place, inPieces)
	items := many(61, 120, 900)
	one.append(items...)
	one.settle()
	one.pass(engine.Work{Scrub: true})
	return place, one, items
}

// TestVerifyGoesOn interrupts a deep run. The next one, after a restart, goes on
// where it stopped, and knows what the first one found.
func TestVerifyGoesOn(t *testing.T) {
	place, one, items := manyContainers(t)
	whole, err := one.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil || whole.Messages != len(items) || whole.Resumed || !whole.Deep {
		t.Fatalf("%+v, %v", whole, err)
	}
	total := place.reads()
	two := newDevice(t, place, nil)
	victim := firstChunk(t, place, "friend0.eth")
	put(t, place, victim, []byte("\x01spoiled"))
	ctx, cancel := context.WithCancel(context.Background())
	place.left, place.cut = total*2/3, cancel
	if _, err := two.Verify(ctx, engine.VerifyOptions{Deep: true}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	place.reads()
	two.reopen()
	rest, err := two.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil || !rest.Resumed || rest.States != whole.States || rest.Chunks != whole.Chunks || rest.Conversations != whole.Conversations {
		t.Errorf("%+v, then %+v, %v", whole, rest, err)
	}
	if !slices.ContainsFunc(rest.Problems, func(p engine.Problem) bool { return p.Object == victim && p.Kind == "damaged" }) {
		t.Errorf("what was found before is forgotten: %+v", rest.Problems)
	}
	if n := place.reads(); n > total*2/3 {
		t.Errorf("the second part read %d of %d objects", n, total)
	}
	for _, o := range []engine.VerifyOptions{{Deep: true}, {Deep: true, Restart: true}} { // the run is over
		if again, err := two.Verify(context.Background(), o); err != nil || again.Resumed {
			t.Errorf("%+v, %v", again, err)
		}
		if n := place.reads(); n < total {
			t.Errorf("a new run read %d of %d objects", n, total)
		}
	}
}

// firstChunk is the object of the first chunk of a conversation.
func firstChunk(t *testing.T, place providers.Store, contact string) string {
	t.Helper()
	for _, name := range sealedOf(t, place, container.KindChunk) {
		key := container.ConversationKey(container.RootKey("test"), contact)
		sealer := sealerOf(t)
		plain, err := sealer.Open(nil, container.KindChunk, container.Key(name[:66]), get(t, place, name))
		if err != nil {
			t.Fatal(err)
		}
		if chunk, err := container.DecodeChunk(plain); err == nil && container.ChunkKey(key, chunk.Identifier) == container.Key(name[:66]) {
			return name
		}
	}
	t.Fatal("no such chunk")
	return ""
}

// TestVerifyStructure: without Deep no chunk is fetched, and what the listing
// does not show, or at a size that can't be, is found all the same.
func TestVerifyStructure(t *testing.T) {
	place, one, items := manyContainers(t)
	place.reads()
	found, err := one.Verify(context.Background(), engine.VerifyOptions{})
	if err != nil || found.Deep || found.Messages != len(items) || len(found.Problems) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	lists := len(sealedOf(t, place.Store, container.KindConversation)) + len(sealedOf(t, place.Store, container.KindRoot))
	if n := place.reads(); n != lists {
		t.Errorf("%d states were read, there are %d lists", n, lists)
	}
	chunks := sealedOf(t, place.Store, container.KindChunk)
	whole := get(t, place.Store, chunks[0])
	put(t, place.Store, chunks[0], whole[:len(whole)-1])
	if err := place.Delete(context.Background(), chunks[1]); err != nil {
		t.Fatal(err)
	}
	found, err = one.Verify(context.Background(), engine.VerifyOptions{})
	if err != nil || len(found.Problems) != 2 {
		t.Errorf("%+v, %v", found.Problems, err)
	}
	one.pass(engine.Work{})
	one.wantClean()
	wantAlarms(t, one, map[string]int64{"damaged": 1, "missing": 1}, map[string]int64{"damaged": 1, "missing": 1})
}

// TestVerifyRate: at ten bytes a second this place would take hours, and the
// limit refuses to wait for what a deadline would cut off.
func TestVerifyRate(t *testing.T) {
	_, one, _ := manyContainers(t)
	ctx, cancel := context.WithTimeout(context.Background(), 900*time.Millisecond)
	defer cancel()
	if _, err := one.Verify(ctx, engine.VerifyOptions{Deep: true, Rate: 10}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if _, err := one.Verify(ctx, engine.VerifyOptions{Deep: true, Rate: 1 << 40}); err != nil {
		t.Error(err)
	}
}

// replacing is a place where another device works between two reads.
type replacing struct {
	providers.Store
	once sync.Once
	name string
	work func()
}

func (r *replacing) Get(ctx context.Context, name string) ([]byte, error) {
	if name == r.name {
		r.once.Do(r.work)
	}
	return r.Store.Get(ctx, name)
}

// TestVerifyBesideAnother: what another device replaces while a run is on its way
// is looked at anew, and is no fault.
func TestVerifyBesideAnother(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 400_000; o.Inline = 1 })
	items := many(62, 1, 900)
	one.append(items[:30]...)
	one.settle()
	between := &replacing{Store: place}
	two := newDevice(t, between, nil)
	two.pass(engine.Work{})
	between.name = sealedOf(t, place, container.KindChunk)[0]
	replaced := false
	between.work = func() {
		for i := 30; i < 900; i += 30 {
			one.append(items[i : i+30]...)
			one.settle()
			if _, err := place.Get(context.Background(), between.name); errors.Is(err, providers.ErrNotFound) {
				replaced, items = true, items[:i+30]
				return
			}
		}
	}
	found, err := two.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil || !replaced || len(found.Problems) > 0 || found.Messages != len(items) {
		t.Errorf("replaced %v, %d messages of %d, %+v, %v", replaced, found.Messages, len(items), found.Problems, err)
	}
	wantAlarms(t, two, map[string]int64{}, map[string]int64{})
}

// TestScrubSample: a scrub reads a random part of the objects, another one each
// time, and a small place whole.
func TestScrubSample(t *testing.T) {
	place, one, _ := manyContainers(t)
	total := len(objects(t, place.Store, false))
	if total < 200 {
		t.Fatalf("only %d objects", total)
	}
	seen := make(map[string]bool)
	for range 3 {
		place.reads()
		one.pass(engine.Work{Scrub: true})
		place.mu.Lock()
		if n := len(place.read); n != 64 {
			t.Errorf("a scrub read %d objects", n)
		}
		for name := range place.read {
			seen[name] = true
		}
		place.mu.Unlock()
	}
	if len(seen) <= 80 { // three draws of 64 among more than 200 meet 80 or fewer by no chance at all
		t.Errorf("three scrubs read %d objects", len(seen))
	}
	small := &recording{Store: memory.New(nil), read: make(map[string]int)}
	two := newDevice(t, small, inPieces)
	two.append(many(63, 2, 300)...)
	two.settle()
	two.pass(engine.Work{Scrub: true})
	small.reads()
	two.pass(engine.Work{Scrub: true})
	if n, all := small.reads(), len(objects(t, small.Store, false)); n != all {
		t.Errorf("a scrub read %d of %d objects", n, all)
	}
}
