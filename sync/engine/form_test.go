package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// headless is a place where no head arrives, as for a device that stops
// between its objects and their head.
type headless struct{ providers.Store }

var errNoHead = errors.New("no head arrives")

func (h headless) Put(ctx context.Context, name string, data []byte) error {
	if isHead(name) {
		return errNoHead
	}
	return h.Store.Put(ctx, name, data)
}

// dm3Form makes objects that other dm3 clients read. Such objects do not bind
// their place, so everything rests on what the states say of themselves.
func dm3Form(o *engine.Options) {
	inPieces(o)
	sealer, err := seal.New(storageKey(), &seal.Options{DM3: true})
	if err != nil {
		panic(err)
	}
	o.Sealer = sealer
}

func TestDM3Form(t *testing.T) {
	place := memory.New(nil)
	one, two := newDevice(t, place, dm3Form), newDevice(t, place, dm3Form)
	items := many(31, 3, 500)
	one.append(items[:250]...)
	one.settle()
	two.append(items[250:]...)
	two.settle()
	one.settle()
	for _, name := range objects(t, place, false) {
		if data := get(t, place, name); data[0] != '{' || !bytes.Contains(data, []byte(`"ciphertext"`)) {
			t.Errorf("%s is not in the dm3 form", name)
		}
	}
	gone := items[100].Envelope
	if err := one.Remove(context.Background(), items[100].Contact, container.Tombstone{Hash: gone.Hash, Timestamp: gone.Timestamp}); err != nil {
		t.Fatal(err)
	}
	one.settle()
	one.reopen()
	one.pass(engine.Work{Scrub: true, Settle: true})
	three := newDevice(t, place, dm3Form)
	three.pass(engine.Work{})
	want := hashes(items)
	delete(want, gone.Hash)
	same(t, "one", one.holds(), want)
	same(t, "three", three.holds(), want)
	three.wantClean()
	if _, err := newDevice(t, place, inPieces).Pass(context.Background(), engine.Work{}); err != nil {
		t.Errorf("heads are the same for both forms: %v", err)
	}
}

// TestScrubAdopts finds, in both forms, objects whose writer never came to name
// them, and puts them where they belong.
func TestScrubAdopts(t *testing.T) {
	for name, form := range map[string]func(*engine.Options){"compact": nil, "dm3": dm3Form} {
		t.Run(name, func(t *testing.T) {
			place := memory.New(nil)
			items := many(32, 2, 3000)
			lost := newDevice(t, headless{place}, func(o *engine.Options) {
				if form != nil {
					form(o)
				}
				o.ChunkLimit, o.Inline = 100_000, 0
			})
			lost.append(items...)
			if _, err := lost.Pass(context.Background(), engine.Work{}); !errors.Is(err, errNoHead) {
				t.Fatalf("error %v", err)
			}
			left := len(objects(t, place, false))
			if left < 3 || len(objects(t, place, true)) > 0 {
				t.Fatalf("%d objects are left", left)
			}
			finder := newDevice(t, place, form)
			finder.pass(engine.Work{Scrub: true, Settle: true})
			found := finder.holds()
			if len(found) < len(items)/2 {
				t.Errorf("%d of %d messages were found", len(found), len(items))
			}
			all := hashes(items)
			for hash, contact := range found {
				if all[hash] != contact {
					t.Fatalf("a message came up in the conversation with %s", contact)
				}
			}
			finder.wantClean()
		})
	}
}

// TestAdoptedStateProvesNothing: an object that no head names calls a state in use
// replaced and lacks a message of it, as one may that a device wrote while the place
// withheld that state, and then crashed. Whoever adopts it reads what it removes.
func TestAdoptedStateProvesNothing(t *testing.T) {
	place := memory.New(nil)
	inObjects := func(o *engine.Options) { o.Inline = 1 }
	one := newDevice(t, place, inObjects)
	items := many(61, 1, 60)
	one.append(items...)
	one.settle()
	states := sealedOf(t, place, container.KindChunk)
	if len(states) != 1 {
		t.Fatalf("%d states", len(states))
	}
	key, name, _ := strings.Cut(states[0], "/")
	sealer := sealerOf(t)
	plain, err := sealer.Open(nil, container.KindChunk, container.Key(key), get(t, place, states[0]))
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := container.DecodeChunk(plain)
	if err != nil {
		t.Fatal(err)
	}
	chunk.Messages, chunk.Replaces = chunk.Messages[:20], []string{name}
	sealed, err := sealer.Seal(nil, container.KindChunk, container.Key(key), chunk.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	put(t, place, key+"/"+strings.Repeat("a", 24), sealed)
	one.close()
	two := newDevice(t, place, inObjects)
	for range 3 {
		two.pass(engine.Work{Settle: true, Scrub: true})
	}
	fresh := newDevice(t, place, inObjects)
	fresh.settle()
	same(t, "a fresh device", fresh.holds(), hashes(items))
	fresh.wantClean()
}
