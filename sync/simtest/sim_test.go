package simtest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var (
	seeds = flag.Int("simtest.seeds", 12, "random worlds to run")
	first = flag.Uint64("simtest.first", 1, "seed of the first world")
)

// world is some devices on one place.
type world struct {
	t       *testing.T
	random  *rand.Rand
	store   providers.Store
	devices []*device
	wanted  map[container.MessageHash]string // acknowledged and not removed
	removed map[container.MessageHash]bool
	order   []engine.Item
	clock   int64
}

type device struct {
	*engine.Engine
	place  *place
	cache  *cache.Cache
	folder string
}

func TestRandomWorlds(t *testing.T) {
	for i := range *seeds {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newWorld(t, seed).run()
		})
	}
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), store: memory.New(nil),
		wanted: make(map[container.MessageHash]string), removed: make(map[container.MessageHash]bool), clock: 1_000_000}
	stale, honest := w.random.IntN(3) == 0, w.random.IntN(2) == 0
	for range 2 + w.random.IntN(2) {
		d := &device{folder: t.TempDir(), place: &place{
			Store: w.store, random: rand.New(rand.NewPCG(seed, w.random.Uint64())), budget: -1,
			stale: stale, honest: honest, shown: make(map[string][]providers.Object)}}
		w.devices = append(w.devices, d)
		w.open(d)
	}
	t.Cleanup(func() {
		for _, d := range w.devices {
			w.close(d)
		}
	})
	return w
}

func (w *world) open(d *device) {
	w.t.Helper()
	kept, err := cache.Open(d.folder, cache.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	sealer, err := seal.New([32]byte{3}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	d.cache = kept
	d.Engine, err = engine.Open(context.Background(), engine.Options{
		Account: "alice.eth", Root: container.RootKey("sim"), Sealer: sealer, Store: d.place, Cache: kept,
		Random: rand.NewChaCha8(w.seed()), ChunkLimit: 6000, Inline: 12_000, LookEvery: 3, Grace: time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// seed draws what a start of a device takes its random names from.
func (w *world) seed() (seed [32]byte) {
	for i := range seed {
		seed[i] = byte(w.random.Uint64())
	}
	return seed
}

func (w *world) close(d *device) {
	if d.Engine != nil {
		if err := errors.Join(d.Engine.Close(), d.cache.Close()); err != nil {
			w.t.Error(err)
		}
		d.Engine = nil
	}
}

func (w *world) run() {
	for range 120 {
		d := w.devices[w.random.IntN(len(w.devices))]
		switch w.random.IntN(10) {
		case 0, 1, 2, 3:
			w.append(d)
		case 4:
			w.remove(d)
		case 5, 6, 7:
			w.pass(d, engine.Work{Flush: w.random.IntN(2) == 0})
		case 8:
			w.cut(d)
		case 9:
			w.together()
		}
	}
	w.finish()
}

// append acknowledges some messages; some come late.
func (w *world) append(d *device) {
	items := make([]engine.Item, 1+w.random.IntN(8))
	for i := range items {
		w.clock += int64(w.random.IntN(50))
		at := w.clock
		if w.random.IntN(8) == 0 {
			at -= int64(w.random.IntN(3000))
		}
		items[i] = w.message(at)
	}
	if err := d.Append(context.Background(), items...); err != nil {
		w.t.Fatal(err)
	}
	for _, item := range items {
		if !w.removed[item.Envelope.Hash] {
			w.wanted[item.Envelope.Hash] = item.Contact
		}
	}
	w.order = append(w.order, items...)
}

func (w *world) message(at int64) engine.Item {
	contact := fmt.Sprintf("friend%d.eth", w.random.IntN(3))
	text := strings.Repeat("word ", w.random.IntN(40))
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", contact, at, w.random.Uint64()))
	signature := base64.StdEncoding.EncodeToString(append(sum[:], sum[:]...))
	envelope, _, err := container.ParseEnvelope(fmt.Appendf(nil,
		`{"message":{"message":%q,"metadata":{"from":"alice.eth","timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}}`, text, at, contact, signature))
	if err != nil {
		w.t.Fatal(err)
	}
	return engine.Item{Contact: contact, Envelope: envelope}
}

func (w *world) remove(d *device) {
	if len(w.order) == 0 {
		return
	}
	item := w.order[w.random.IntN(len(w.order))]
	tombstone := container.Tombstone{Hash: item.Envelope.Hash, Timestamp: item.Envelope.Timestamp}
	if err := d.Remove(context.Background(), item.Contact, tombstone); err != nil {
		w.t.Fatal(err)
	}
	w.removed[tombstone.Hash] = true
	delete(w.wanted, tombstone.Hash)
}

func (w *world) pass(d *device, work engine.Work) {
	w.t.Helper()
	if _, err := d.Pass(context.Background(), work); err != nil && !errors.Is(err, errCut) {
		w.t.Fatalf("pass: %v", err)
	}
}

// cut lets a device do some requests, then crash and start again.
func (w *world) cut(d *device) {
	d.place.budget = 1 + w.random.IntN(25)
	w.pass(d, engine.Work{Settle: w.random.IntN(2) == 0, Scrub: w.random.IntN(6) == 0})
	w.close(d)
	d.place.budget = -1
	w.open(d)
}

// together lets all devices pass at once.
func (w *world) together() {
	done := make(chan error, len(w.devices))
	for _, d := range w.devices {
		go func() {
			_, err := d.Pass(context.Background(), engine.Work{})
			done <- err
		}()
	}
	for range w.devices {
		if err := <-done; err != nil {
			w.t.Fatalf("pass: %v", err)
		}
	}
}

// finish lets everything come to rest and checks what must hold.
func (w *world) finish() {
	for _, d := range w.devices {
		d.place.stale = false
	}
	for round := range 4 {
		for _, d := range w.devices {
			w.pass(d, engine.Work{Settle: true, Scrub: round == 1})
		}
	}
	for i, d := range w.devices {
		w.check(fmt.Sprintf("device %d", i), d)
	}
	fresh := &device{folder: w.t.TempDir(), place: &place{Store: w.store, random: w.random, budget: -1, honest: true, shown: make(map[string][]providers.Object)}}
	w.open(fresh)
	defer w.close(fresh)
	// It adopts what crashes left; the device that leads brings that into shape.
	w.pass(fresh, engine.Work{Scrub: true, Settle: true})
	for range 2 {
		for _, d := range w.devices {
			w.pass(d, engine.Work{Settle: true})
		}
	}
	w.pass(fresh, engine.Work{Settle: true})
	w.check("a fresh device", fresh)
	found, err := fresh.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for i, problem := range found.Problems {
		if i < 6 {
			w.t.Errorf("verify: %+v", problem)
		}
	}
}

func (w *world) check(what string, d *device) {
	w.t.Helper()
	if status := d.Status(); status.Pending != 0 {
		w.t.Errorf("%s: %d messages unconfirmed", what, status.Pending)
	}
	holds := make(map[container.MessageHash]string)
	list, err := d.Conversations(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, conversation := range list {
		page, err := d.Messages(context.Background(), conversation.Contact, engine.Range{})
		if err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
		if page.Provisional {
			w.t.Errorf("%s: provisional: %v", what, page.Reasons)
		}
		for _, message := range page.Messages {
			holds[message.Hash] = conversation.Contact
		}
	}
	missing, back := 0, 0
	for hash := range w.wanted {
		if _, ok := holds[hash]; !ok {
			missing++
		}
	}
	for hash := range holds {
		if w.removed[hash] {
			back++
		}
	}
	if missing > 0 || back > 0 || len(holds) != len(w.wanted) {
		w.t.Errorf("%s: holds %d, want %d: %d missing, %d removed ones are back", what, len(holds), len(w.wanted), missing, back)
	}
}
