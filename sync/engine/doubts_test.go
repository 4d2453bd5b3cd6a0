package engine_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// watchedDisk counts what is read of it.
type watchedDisk struct {
	cache.Disk
	files, pages atomic.Int64 // pages: of the records of doubts
}

func (d *watchedDisk) ReadFile(path string) ([]byte, error) {
	d.files.Add(1)
	return d.Disk.ReadFile(path)
}

func (d *watchedDisk) OpenRecords(path string, thorough bool) (cache.RecordStore, error) {
	store, err := d.Disk.OpenRecords(path, thorough)
	return watchedRecords{store, d}, err
}

type watchedRecords struct {
	cache.RecordStore
	disk *watchedDisk
}

func (r watchedRecords) Page(bucket, after string, rows, bytes int) ([]cache.Record, bool, error) {
	if bucket == "doubt" {
		r.disk.pages.Add(1)
	}
	return r.RecordStore.Page(bucket, after, rows, bytes)
}

// pairs are two messages to each of so many contacts.
func pairs(contacts int) (early, late []engine.Item) {
	for i := range contacts {
		contact := fmt.Sprintf("friend%d.eth", i)
		early = append(early, message(contact, 1_700_000_000_000+int64(i), "early"))
		late = append(late, message(contact, 1_700_000_100_000+int64(i), "late"))
	}
	return early, late
}

// inDoubt returns a device, just opened, with a copy in doubt in each of so many
// conversations: another device replaced what it had written there.
func inDoubt(t testing.TB, contacts int, disk cache.Disk) *device {
	t.Helper()
	place := memory.New(nil)
	inObjects := func(o *engine.Options) { o.Inline = 1 }
	one := &device{t: t, folder: "/cache", disk: disk, store: place, change: inObjects}
	if disk == nil {
		one.folder = t.TempDir()
	}
	one.open()
	t.Cleanup(func() { one.close() })
	early, late := pairs(contacts)
	one.append(early...)
	one.settle()
	two := newDevice(t, place, inObjects)
	two.settle()
	two.reopen() // after which the maintenance does not wait for the other device
	two.append(late...)
	two.settle()
	two.close()
	one.pass(engine.Work{})
	one.reopen()
	return one
}

// TestReadSeesItsOwnDoubts lets a device read many conversations with copies in
// doubt. Only the first read since the start goes through all of these.
func TestReadSeesItsOwnDoubts(t *testing.T) {
	const contacts = 300
	disk := &watchedDisk{Disk: cachetest.New(rand.New(rand.NewPCG(1, 1))).Start()}
	one := inDoubt(t, contacts, disk)
	doubts := 0
	if err := one.cache.Records().Each("doubt", func(string, []byte) error { doubts++; return nil }); err != nil {
		t.Fatal(err)
	}
	if doubts < contacts/2 {
		t.Fatalf("%d copies in doubt in %d conversations", doubts, contacts)
	}
	disk.pages.Store(0)
	one.read("friend0.eth", engine.Range{})
	if disk.pages.Load() == 0 {
		t.Error("the first read did not look for doubts, so this test sees nothing")
	}
	one.holds() // from the place
	disk.files.Store(0)
	disk.pages.Store(0)
	if held := len(one.holds()); held != 2*contacts {
		t.Errorf("%d messages, want %d", held, 2*contacts)
	}
	if pages := disk.pages.Load(); pages != 0 {
		t.Errorf("later reads took %d pages of the records of doubts, want none", pages)
	}
	// Where a state was replaced there is the new one and the copy, else there are two.
	if files := disk.files.Load(); files != 2*contacts {
		t.Errorf("reading %d conversations, with %d copies in doubt, took %d files, want %d", contacts, doubts, files, 2*contacts)
	}
	one.pass(engine.Work{Settle: true, Scrub: true})
	disk.files.Store(0)
	one.holds()
	if files := disk.files.Load(); files > int64(2*contacts-doubts) {
		t.Errorf("a read of all took %d files after %d doubts had ended, want %d", files, doubts, 2*contacts-doubts)
	}
}

// BenchmarkReadInDoubt reads so many conversations of one state each from the
// cache, and all these states are in doubt.
func BenchmarkReadInDoubt(b *testing.B) {
	for _, contacts := range []int{1000, 20_000} {
		b.Run(fmt.Sprint(contacts), func(b *testing.B) {
			place := memory.New(nil)
			one := newDevice(b, place, func(o *engine.Options) { o.Inline = 1 })
			items, _ := pairs(contacts)
			one.append(items...)
			one.settle()
			err := one.cache.Records().Update(func(tx *cache.Tx) error {
				for _, object := range sealedOf(b, place, container.KindChunk) {
					if err := tx.Put("doubt", object, nil); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			one.reopen()
			for b.Loop() {
				if held := len(one.holds()); held != contacts {
					b.Fatalf("%d messages, want %d", held, contacts)
				}
			}
		})
	}
}
