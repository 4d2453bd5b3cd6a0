package engine_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// inPieces makes every state that is larger than a few messages an object.
func inPieces(o *engine.Options) { o.ChunkLimit, o.Inline = 20_000, 1 }

func isHead(name string) bool {
	return strings.HasPrefix(name, string(container.HeadsKey(container.RootKey("test")))+"/")
}

// objects lists what lies at a place, heads or states, sorted.
func objects(t testing.TB, place providers.Store, heads bool) (names []string) {
	t.Helper()
	for object, err := range place.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if isHead(object.Name) == heads {
			names = append(names, object.Name)
		}
	}
	slices.Sort(names)
	return names
}

func get(t testing.TB, place providers.Store, name string) []byte {
	t.Helper()
	data, err := place.Get(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// put exchanges the bytes of an object behind everybody's back.
func put(t *testing.T, place providers.Store, name string, data []byte) {
	t.Helper()
	if err := place.Delete(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	if err := place.Put(context.Background(), name, data); err != nil {
		t.Fatal(err)
	}
}

// chunkObject is a state of a chunk, an object of its own.
func chunkObject(t *testing.T, place providers.Store) string {
	t.Helper()
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range objects(t, place, false) {
		key, _, _ := strings.Cut(name, "/")
		if _, err := sealer.Open(nil, container.KindChunk, container.Key(key), get(t, place, name)); err == nil {
			return name
		}
	}
	t.Fatal("no state of a chunk is an object")
	return ""
}

// page reads a conversation that may have gaps.
func (d *device) page(contact string) engine.Page {
	d.t.Helper()
	page, err := d.Messages(context.Background(), contact, engine.Range{})
	if err != nil {
		d.t.Fatal(err)
	}
	return page
}

// TestDamagedStateIsMended damages a state. A device without it shows a page
// with a gap and says so; the device that holds it writes it again.
func TestDamagedStateIsMended(t *testing.T) {
	for _, harm := range []string{"damaged", "swapped", "missing"} {
		t.Run(harm, func(t *testing.T) {
			place := memory.New(nil)
			one := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 200_000 })
			items := many(11, 1, 1500)
			one.append(items...)
			one.settle()
			name := chunkObject(t, place)
			whole := get(t, place, name)
			switch harm {
			case "damaged":
				bad := bytes.Clone(whole)
				bad[len(bad)/2] ^= 1
				put(t, place, name, bad)
			case "swapped":
				key, _, _ := strings.Cut(name, "/")
				sealer, _ := seal.New(storageKey(), nil)
				other, err := sealer.Seal(nil, container.KindChunk, container.Key(key), []byte(`{"messages":[]}`))
				if err != nil {
					t.Fatal(err)
				}
				put(t, place, name, other)
			case "missing":
				if err := place.Delete(context.Background(), name); err != nil {
					t.Fatal(err)
				}
			}
			two := newDevice(t, place, inPieces)
			two.pass(engine.Work{})
			page := two.page("friend0.eth")
			if !page.Provisional || len(page.Reasons) == 0 || len(page.Messages) == 0 || len(page.Messages) >= len(items) {
				t.Errorf("page of %d messages, provisional %v, reasons %v", len(page.Messages), page.Provisional, page.Reasons)
			}
			if problems := two.Status().Problems; !slices.ContainsFunc(problems, func(p engine.Problem) bool { return p.Kind == harm && p.Object == name }) {
				t.Errorf("problems %+v", problems)
			}
			if _, err := one.Verify(context.Background(), engine.VerifyOptions{Deep: true}); err != nil {
				t.Fatal(err)
			}
			one.pass(engine.Work{})
			if there, err := place.Get(context.Background(), name); err != nil || !bytes.Equal(there, whole) {
				t.Fatalf("the state was not written again: %v", err)
			}
			same(t, "two", two.holds(), hashes(items))
			two.wantClean()
			for _, d := range []*device{one, two} {
				if problems := d.Status().Problems; len(problems) > 0 {
					t.Errorf("mended, and still: %+v", problems)
				}
			}
		})
	}
}

// TestWarmingGoesOnBesideDamage damages the newest state: what is fetched
// ahead is a courtesy, and no reason for a pass to fail.
func TestWarmingGoesOnBesideDamage(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, inPieces)
	one.append(many(12, 1, 30)...)
	one.settle()
	name := chunkObject(t, place)
	bad := get(t, place, name)
	bad[len(bad)-1] ^= 1
	put(t, place, name, bad)
	two := newDevice(t, place, func(o *engine.Options) { inPieces(o); o.Warm = 1 << 20 })
	two.pass(engine.Work{})
}

// TestWarming reads the newest chunks without a request after a pass.
func TestWarming(t *testing.T) {
	place := providers.Count(memory.New(nil))
	one := newDevice(t, place, inPieces)
	items := many(13, 3, 600)
	one.append(items...)
	one.settle()
	two := newDevice(t, place, func(o *engine.Options) { inPieces(o); o.Warm = 1 << 20 })
	two.pass(engine.Work{})
	before := place.Counts()
	for _, contact := range []string{"friend0.eth", "friend1.eth", "friend2.eth"} {
		if n := len(two.read(contact, engine.Range{Last: 5})); n != 5 {
			t.Errorf("%s: %d messages", contact, n)
		}
	}
	if after := place.Counts(); after != before {
		t.Errorf("reading the newest messages cost requests: %+v -> %+v", before, after)
	}
	if one.settle(); place.Counts().Gets == 0 {
		t.Error("nothing was counted")
	}
}

// TestWithheldHead removes, then damages, one head of several at the place.
func TestWithheldHead(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(14, 2, 9)
	for i := range items {
		one.append(items[i])
		one.pass(engine.Work{})
	}
	one.settle()
	heads := objects(t, place, true)
	if len(heads) < 3 {
		t.Fatalf("%d heads", len(heads))
	}
	name := heads[1]
	whole := get(t, place, name)
	if err := place.Delete(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	one.pass(engine.Work{})
	one.pass(engine.Work{})
	if !bytes.Equal(get(t, place, name), whole) {
		t.Fatal("the head was not written again")
	}
	one.pass(engine.Work{})
	if problems := one.Status().Problems; len(problems) > 0 {
		t.Errorf("the head is there, and still: %+v", problems)
	}
	bad := bytes.Clone(whole)
	bad[40] ^= 1
	put(t, place, name, bad)
	if found, err := one.Verify(context.Background(), engine.VerifyOptions{Deep: true}); err != nil || len(found.Problems) != 1 || found.Problems[0].Kind != "damaged" {
		t.Errorf("verify: %+v, %v", found.Problems, err)
	}
	one.pass(engine.Work{Scrub: true})
	if !bytes.Equal(get(t, place, name), whole) {
		t.Fatal("the damaged head was not written again")
	}
	two := newDevice(t, place, nil)
	two.pass(engine.Work{})
	same(t, "two", two.holds(), hashes(items))
	one.pass(engine.Work{Scrub: true})
	if problems := one.Status().Problems; len(problems) > 0 {
		t.Errorf("the head is whole, and still: %+v", problems)
	}
}

// TestUnreadStateIsNotReplaced loses a state that one device alone has read. The other one holds a copy of a part of it, and
// what it knows of is all there then; but of the rest it can't say so, and leaves the state named until a copy comes back.
func TestUnreadStateIsNotReplaced(t *testing.T) {
	place := memory.New(nil)
	whole := func(o *engine.Options) { o.ChunkLimit, o.Inline = 200_000, 1 }
	one, two := newDevice(t, place, whole), newDevice(t, place, whole)
	items := many(71, 1, 60)
	one.append(items[:20]...)
	one.settle()
	two.settle()
	if got := two.read("friend0.eth", engine.Range{}); len(got) != 20 {
		t.Fatalf("%d messages", len(got))
	}
	one.append(items[20:]...)
	one.settle()
	two.pass(engine.Work{})
	lost := chunkObject(t, place)
	if err := place.Delete(context.Background(), lost); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		two.pass(engine.Work{Scrub: true})
	}
	if problems := two.Status().Problems; !slices.ContainsFunc(problems, func(p engine.Problem) bool { return p.Kind == "missing" && p.Object == lost }) {
		t.Errorf("the state is not missed any more: %+v", problems)
	}
	for range 2 {
		one.pass(engine.Work{Scrub: true, Settle: true})
		two.pass(engine.Work{Scrub: true, Settle: true})
	}
	for _, d := range []*device{one, two} {
		same(t, "in the end", d.holds(), hashes(items))
	}
	one.wantClean()
}

// cutting is a place that keeps only the first half of the next puts, and does not promise otherwise.
type cutting struct {
	providers.Store
	cuts int
}

func (c *cutting) Properties() providers.Properties {
	p := c.Store.Properties()
	p.Durable = false
	return p
}

func (c *cutting) Put(ctx context.Context, name string, data []byte) error {
	if c.cuts > 0 {
		c.cuts--
		data = data[:len(data)/2]
	}
	return c.Store.Put(ctx, name, data)
}

// TestMendCutShort loses a state at the place, and then the half of what is written to heal it: what is damaged there now may be
// such a write, for this device and another one, and is no word against the place. A changed byte is.
func TestMendCutShort(t *testing.T) {
	place := &cutting{Store: memory.New(nil)}
	one := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 200_000 })
	one.append(many(11, 1, 1500)...)
	one.settle()
	two := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 200_000 })
	two.pass(engine.Work{})
	name := chunkObject(t, place)
	whole := get(t, place, name)
	if err := place.Delete(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	place.cuts = 1
	if _, err := one.Pass(context.Background(), engine.Work{Scrub: true}); !errors.Is(err, providers.ErrTransient) {
		t.Fatalf("the pass whose write was cut short: %v", err)
	}
	if there := get(t, place, name); len(there) >= len(whole) {
		t.Fatalf("%d of %d bytes are there", len(there), len(whole))
	}
	if page := two.page("friend0.eth"); !page.Provisional || !two.hasProblem("damaged", name) {
		t.Errorf("the other device reads: provisional %v, problems %+v", page.Provisional, two.Status().Problems)
	}
	one.pass(engine.Work{Scrub: true})
	if !bytes.Equal(get(t, place, name), whole) {
		t.Error("the state was not written again")
	}
	two.page("friend0.eth")
	for _, d := range []*device{one, two} {
		if status := d.Status(); status.Alarms.Raised["damaged"] > 0 || d.hasProblem("damaged", name) {
			t.Errorf("alarms %v, problems %+v", status.Alarms.Raised, status.Problems)
		}
	}

	whole[len(whole)/2] ^= 1
	put(t, place, name, whole)
	one.pass(engine.Work{Scrub: true})
	if status := one.Status(); status.Alarms.Raised["damaged"] != 1 || status.Alarms.Healed["damaged"] != 1 {
		t.Errorf("a changed byte: alarms %v", status.Alarms)
	}
}

func (d *device) hasProblem(kind, object string) bool {
	return slices.ContainsFunc(d.Status().Problems, func(p engine.Problem) bool { return p.Kind == kind && p.Object == object })
}
