package engine_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

// holding returns the names of the objects of a place that hold a text.
func holding(t *testing.T, place providers.Store, text string) []string {
	t.Helper()
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(enginetest.Holding(t, place, sealer, text)))
}

func (d *device) remove(items ...engine.Item) {
	d.t.Helper()
	for _, item := range items {
		if err := d.Remove(context.Background(), item.Contact, container.Tombstone{Hash: item.Envelope.Hash, Timestamp: item.Envelope.Timestamp}); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *device) lists() (contacts []string) {
	d.t.Helper()
	list, err := d.Conversations(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, conversation := range list {
		contacts = append(contacts, conversation.Contact)
	}
	return contacts
}

// TestDeletedWhileAway deletes a message while another device, which holds it
// and even waits to upload it once more, is away. No object at the provider
// holds it afterwards, nor once that device is back.
func TestDeletedWhileAway(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*engine.Options)
	}{
		{"in heads", nil},
		{"in objects", func(o *engine.Options) { o.Inline = 1 }},
		{"in closed chunks", func(o *engine.Options) { o.Inline, o.ChunkLimit = 1, 6000 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := memory.New(nil)
			one, two := newDevice(t, place, c.change), newDevice(t, place, c.change)
			items := many(51, 2, 60)
			secret := message("friend0.eth", items[20].Envelope.Timestamp+1, "what nobody shall read")
			one.append(items...)
			one.append(secret)
			one.settle()
			two.settle()
			two.holds()        // reads and caches everything
			two.append(secret) // durable here, and not delivered yet
			held := holding(t, place, "nobody shall read")
			if len(held) == 0 {
				t.Fatal("no object holds the message, so nothing can be shown")
			}
			one.remove(secret)
			one.settle()
			if left := holding(t, place, "nobody shall read"); len(left) > 0 {
				t.Errorf("after the deletion %d objects hold the message", len(left))
			}
			for range 2 {
				two.settle()
				one.settle()
			}
			if left := holding(t, place, "nobody shall read"); len(left) > 0 {
				t.Errorf("the device that was away brought it back in %d objects", len(left))
			}
			for _, d := range []*device{one, two} {
				same(t, "a device", d.holds(), hashes(items))
				for _, object := range held {
					if d.cache.Blobs().Has(object) {
						t.Errorf("the cache keeps %s", object)
					}
				}
				d.wantClean()
			}
			if pending := two.Status().Pending; pending != 0 {
				t.Errorf("%d entries wait for ever", pending)
			}
		})
	}
}

// TestLateArrivalIsNotWritten lets a device deliver what was deleted before it
// heard of the message: not one object of it is written.
func TestLateArrivalIsNotWritten(t *testing.T) {
	place := memory.New(nil)
	one, two := newDevice(t, place, nil), newDevice(t, place, nil)
	items := many(52, 1, 20)
	one.append(items...)
	one.settle()
	one.remove(items[7])
	one.settle()
	two.append(items[7])
	if report := two.settle(); report.Pushed != 0 || report.Confirmed != 1 || report.Pending != 0 {
		t.Errorf("a deleted message was written: %+v", report)
	}
}

// TestDeletedConversation deletes all messages of a conversation, and begins it
// anew. In between it is listed nowhere, neither here nor by the root for other
// clients; its name stays.
func TestDeletedConversation(t *testing.T) {
	place := memory.New(nil)
	spills := func(o *engine.Options) { o.Inline = 1 }
	one, two := newDevice(t, place, spills), newDevice(t, place, spills)
	items := many(53, 2, 40)
	var gone, kept []engine.Item
	for _, item := range items {
		if item.Contact == "friend0.eth" {
			gone = append(gone, item)
			continue
		}
		kept = append(kept, item)
	}
	one.append(items...)
	one.settle()
	two.settle()
	one.remove(gone...)
	if got := one.lists(); !slices.Equal(got, []string{"friend1.eth"}) {
		t.Errorf("while the tombstones wait: %v", got)
	}
	one.settle()
	two.settle()
	for _, d := range []*device{one, two} {
		if got := d.lists(); !slices.Equal(got, []string{"friend1.eth"}) {
			t.Errorf("listed: %v", got)
		}
		same(t, "a device", d.holds(), hashes(kept))
		if page := d.read("friend0.eth", engine.Range{}); len(page) > 0 {
			t.Errorf("%d messages are left", len(page))
		}
	}
	listed, names := roots(t, place)
	if !slices.Equal(listed, []string{"friend1.eth"}) || !slices.Equal(names, []string{"friend0.eth", "friend1.eth"}) {
		t.Errorf("the root lists %v, names %v", listed, names)
	}
	anew := message("friend0.eth", items[39].Envelope.Timestamp+1000, "hello again")
	two.append(anew)
	two.settle()
	one.settle()
	same(t, "begun anew", one.holds(), hashes(append(kept, anew)))
	if listed, _ := roots(t, place); !slices.Equal(listed, []string{"friend0.eth", "friend1.eth"}) {
		t.Errorf("begun anew, the root lists %v", listed)
	}
	one.wantClean()
}

// TestWrittenToWhileEmptied: a device that does not know yet that a conversation was
// emptied writes to it, while another one takes it from the root's list. The next scrub
// lists it again, as other programs need it.
func TestWrittenToWhileEmptied(t *testing.T) {
	place := memory.New(nil)
	spills := func(o *engine.Options) { o.Inline = 1 }
	one, two := newDevice(t, place, spills), newDevice(t, place, spills)
	items := many(54, 1, 20)
	one.append(items...)
	one.settle()
	two.settle()
	anew := message("friend0.eth", items[19].Envelope.Timestamp+1000, "are you there?")
	two.append(anew)
	one.remove(items...)
	one.settle()
	if listed, _ := roots(t, place); len(listed) > 0 {
		t.Fatalf("the root still lists %v", listed)
	}
	two.pass(engine.Work{Flush: true})
	for range 2 {
		one.pass(engine.Work{Settle: true, Scrub: true})
		two.pass(engine.Work{Settle: true, Scrub: true})
	}
	if listed, _ := roots(t, place); !slices.Equal(listed, []string{"friend0.eth"}) {
		t.Errorf("the root lists %v", listed)
	}
	same(t, "one", one.holds(), hashes([]engine.Item{anew}))
	one.wantClean()
}

// TestDeletedConversationOfManyChunks empties a conversation whose closed chunks
// are compacted before any purge looks at them.
func TestDeletedConversationOfManyChunks(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) { o.Inline, o.ChunkLimit = 1, 6000 })
	items := many(60, 1, 60)
	one.append(items...)
	one.settle()
	one.remove(items...)
	one.settle()
	listed, names := roots(t, place)
	if len(listed) > 0 || !slices.Equal(names, []string{"friend0.eth"}) || len(one.lists()) > 0 {
		t.Errorf("the root lists %v, names %v; listed here are %v", listed, names, one.lists())
	}
	if left := holding(t, place, "says"); len(left) > 0 {
		t.Errorf("%d objects hold deleted messages", len(left))
	}
	one.wantClean()
}

// roots unites what the states of the root say, in objects and in heads.
func roots(t *testing.T, place providers.Store) (conversations, names []string) {
	t.Helper()
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := container.RootKey("test")
	var parts []*container.Root
	add := func(plain []byte, err error) {
		root, decodeErr := container.DecodeRoot(plain)
		if err = errors.Join(err, decodeErr); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, root)
	}
	for _, name := range objects(t, place, false) {
		if strings.HasPrefix(name, string(key)+"/") {
			add(sealer.Open(nil, container.KindRoot, key, get(t, place, name)))
		}
	}
	for _, head := range heads(t, place) {
		for i := range head.Root {
			if head.Root[i].Length > 0 {
				add(sealer.OpenBody(nil, head.Body(&head.Root[i])))
			}
		}
	}
	union := container.UnionRoot(parts...)
	return union.Conversations, union.Names
}

// TestDeletedBeforeDelivery deletes what never left this device.
func TestDeletedBeforeDelivery(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(54, 1, 3)
	one.append(items...)
	one.remove(items...)
	if got := one.lists(); len(got) > 0 {
		t.Errorf("listed: %v", got)
	}
	one.settle()
	if left := holding(t, place, "says"); len(left) > 0 {
		t.Errorf("%d objects hold what was deleted before", len(left))
	}
}

// TestHide hides a conversation. The flag reaches a device that was there and
// one that is new, outlasts a new message, and can be taken back.
func TestHide(t *testing.T) {
	place := memory.New(nil)
	one, two := newDevice(t, place, nil), newDevice(t, place, nil)
	items := many(55, 2, 10)
	one.append(items...)
	one.settle()
	two.settle()
	if err := one.Hide(context.Background(), "stranger.eth", true); !errors.Is(err, engine.ErrNoConversation) {
		t.Errorf("hiding a stranger: %v", err)
	}
	hidden := func(d *device) (contacts []string) {
		list, err := d.Conversations(context.Background())
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, conversation := range list {
			if conversation.Hidden {
				contacts = append(contacts, conversation.Contact)
			}
		}
		return contacts
	}
	hide := func(d *device, hidden bool) {
		for range 2 { // the second time nothing is left to do
			if err := d.Hide(context.Background(), "friend1.eth", hidden); err != nil {
				t.Fatal(err)
			}
		}
	}
	hide(one, true)
	one.reopen() // it is durable before any pass
	if report := one.settle(); report.Pushed != 1 || report.Pending != 0 {
		t.Errorf("hiding: %+v", report)
	}
	two.append(message("friend1.eth", 1_800_000_000_000, "a new message"))
	two.settle()
	one.settle()
	three := newDevice(t, place, nil)
	three.settle()
	for i, d := range []*device{one, two, three} {
		if got := hidden(d); !slices.Equal(got, []string{"friend1.eth"}) {
			t.Errorf("device %d: hidden are %v", i, got)
		}
	}
	hide(three, false)
	three.settle()
	one.settle()
	one.reopen()
	if got := hidden(one); len(got) > 0 {
		t.Errorf("shown again, hidden are %v", got)
	}
	one.wantClean()
}

// TestTombstonesOutliveTheirState: the place loses the state with a tombstone, while the
// message still lies there, and no copy of it is left. The base knows what was deleted,
// and the tombstone is written anew.
func TestTombstonesOutliveTheirState(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) { o.Inline, o.DeleteGrace = 1, time.Hour })
	items := many(55, 1, 40)
	one.append(items...)
	one.settle()
	before := objects(t, place, false)
	one.remove(items[7])
	one.settle()
	one.pass(engine.Work{Scrub: true})
	for _, name := range sealedOf(t, place, container.KindChunk) {
		if slices.Contains(before, name) {
			continue
		}
		if err := errors.Join(one.cache.Blobs().Unpin(name), one.cache.Blobs().Remove(name), place.Delete(t.Context(), name)); err != nil {
			t.Fatal(err)
		}
	}
	if len(sealedOf(t, place, container.KindChunk)) != 1 {
		t.Fatal("the message and its tombstone were to lie in two objects")
	}
	one.reopen()
	for range 4 {
		one.pass(engine.Work{Settle: true, Scrub: true})
	}
	want := hashes(items)
	delete(want, items[7].Envelope.Hash)
	same(t, "one", one.holds(), want)
	fresh := newDevice(t, place, nil)
	fresh.settle()
	same(t, "a fresh device", fresh.holds(), want)
	fresh.wantClean()
}
