package engine_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const account = "alice.eth"

// storageKey is the secret of the account in these tests.
func storageKey() (key [32]byte) {
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

// device is one engine with a cache of its own.
type device struct {
	*engine.Engine
	t      testing.TB
	folder string
	disk   cache.Disk // nil: the machine's
	budget int64      // of blobs; 0: the default
	store  providers.Store
	cache  *cache.Cache
	change func(*engine.Options)
}

func newDevice(t testing.TB, store providers.Store, change func(*engine.Options)) *device {
	t.Helper()
	d := &device{t: t, folder: t.TempDir(), store: store, change: change}
	d.open()
	t.Cleanup(func() { d.close() })
	return d
}

func (d *device) open() {
	d.t.Helper()
	kept, err := cache.Open(d.folder, cache.Options{Disk: d.disk, BlobBudget: d.budget})
	if err != nil {
		d.t.Fatal(err)
	}
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	options := engine.Options{Account: account, Root: container.RootKey("test"), Sealer: sealer, Store: d.store, Cache: kept}
	if d.change != nil {
		d.change(&options)
	}
	opened, err := engine.Open(context.Background(), options)
	if err != nil {
		kept.Close()
		d.t.Fatal(err)
	}
	d.Engine, d.cache = opened, kept
}

func (d *device) close() {
	if d.Engine == nil {
		return
	}
	if err := errors.Join(d.Engine.Close(), d.cache.Close()); err != nil {
		d.t.Error(err)
	}
	d.Engine = nil
}

func (d *device) reopen() {
	d.close()
	d.open()
}

func (d *device) append(items ...engine.Item) {
	d.t.Helper()
	if err := d.Append(context.Background(), items...); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) pass(work engine.Work) engine.Report {
	d.t.Helper()
	report, err := d.Pass(context.Background(), work)
	if err != nil {
		d.t.Fatal(err)
	}
	return report
}

func (d *device) settle() engine.Report { return d.pass(engine.Work{Settle: true}) }

// holds returns every message of the device by hash, whatever conversation.
func (d *device) holds() map[container.MessageHash]string {
	d.t.Helper()
	all := make(map[container.MessageHash]string)
	list, err := d.Conversations(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, conversation := range list {
		for _, message := range d.read(conversation.Contact, engine.Range{}) {
			all[message.Hash] = conversation.Contact
		}
	}
	return all
}

func (d *device) read(contact string, r engine.Range) []container.Envelope {
	d.t.Helper()
	page, err := d.Messages(context.Background(), contact, r)
	if err != nil {
		d.t.Fatal(err)
	}
	if page.Provisional {
		d.t.Errorf("page is provisional: %v", page.Reasons)
	}
	if !slices.IsSortedFunc(page.Messages, container.Envelope.Compare) {
		d.t.Error("page is not in the order of time")
	}
	return page.Messages
}

func (d *device) wantClean() engine.Verification {
	d.t.Helper()
	found, err := d.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil {
		d.t.Fatal(err)
	}
	for i, problem := range found.Problems {
		if i < 5 {
			d.t.Errorf("verify: %+v", problem)
		}
	}
	if len(found.Problems) > 5 {
		d.t.Errorf("verify: %d problems in all", len(found.Problems))
	}
	return found
}

// message makes a signed envelope to contact.
func message(contact string, timestamp int64, text string) engine.Item {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	inner := fmt.Sprintf(`{"message":%q,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"}}`, text, account, timestamp, contact)
	signature := base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(inner)))
	whole, err := json.Marshal(map[string]any{"message": json.RawMessage(fmt.Sprintf(
		`{"message":%q,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}`, text, account, timestamp, contact, signature))})
	if err != nil {
		panic(err)
	}
	envelope, _, err := container.ParseEnvelope(whole)
	if err != nil {
		panic(err)
	}
	return engine.Item{Contact: contact, Envelope: envelope}
}

func same(t testing.TB, what string, got, want map[container.MessageHash]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		missing, extra := 0, 0
		for hash := range want {
			if _, ok := got[hash]; !ok {
				missing++
			}
		}
		for hash := range got {
			if _, ok := want[hash]; !ok {
				extra++
			}
		}
		t.Fatalf("%s: %d messages, want %d: %d missing, %d too many", what, len(got), len(want), missing, extra)
	}
}

func hashes(items []engine.Item) map[container.MessageHash]string {
	all := make(map[container.MessageHash]string)
	for _, item := range items {
		all[item.Envelope.Hash] = item.Contact
	}
	return all
}

// openFails opens the device's folder and returns why that fails.
func openFails(d *device) error {
	kept, err := cache.Open(d.folder, cache.Options{})
	if err != nil {
		return err
	}
	defer kept.Close()
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		return err
	}
	options := engine.Options{Account: account, Root: container.RootKey("test"), Sealer: sealer, Store: d.store, Cache: kept}
	d.change(&options)
	opened, err := engine.Open(context.Background(), options)
	if err == nil {
		opened.Close()
	}
	return err
}
