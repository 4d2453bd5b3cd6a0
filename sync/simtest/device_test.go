package simtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// account is what its devices share.
type account struct {
	name   string
	root   container.Key
	heads  container.Key
	sealer *seal.Sealer
	fates  map[container.MessageHash]*fate
	order  []container.MessageHash
}

// fate is what became of one message.
type fate struct {
	contact   string
	timestamp int64
	text      []byte // as written first
	whole     []byte // what all that was acknowledged of it joins to
	loose     bool   // some of it was not acknowledged, or is excused
	acked     bool   // acknowledged by some device, and not excused since
	removed   bool   // a removal was acknowledged, and not excused since
	unsure    bool   // a removal may or may not have been kept
}

// device is one device of an account, with the disk that outlives its runs.
type device struct {
	world   *world
	id      int
	account *account
	disk    *cachetest.Disk
	server  *server
	random  *rand.Rand // of its place's faults
	weather weather
	skew    time.Duration                  // of its clock, which its messages are written by
	jump    time.Duration                  // of what else goes by its clock, far beyond
	knows   map[container.MessageHash]bool // what it acknowledged or showed
	gone    bool
	full    bool // its disk
	cloned  bool
	born    int            // heads that were written before this device was there
	shaken  bool           // its records may not be those of its last run
	met     map[string]int // names of other devices, by heads that it read: heads of its own under them since
	noticed []noticed      // harmed objects that it wrote again

	*engine.Engine
	cache  *cache.Cache
	view   *view
	backup *backup
	writes atomic.Int64 // to the disk, until it crashes; 0 is no bound
}

// backup is a copy of a device's disk.
type backup struct {
	disk  *cachetest.Disk
	knows map[container.MessageHash]bool
}

// start opens the cache and the engine. A crash on the way is tried again.
func (d *device) start() {
	for d.Engine == nil {
		err := d.open()
		if err != nil && d.full {
			d.emptyDisk() // its user does, who was told
			continue
		}
		if err != nil && !errors.Is(err, cachetest.ErrCrashed) {
			d.world.fail("device %d does not start: %v", d.id, err)
			return
		}
	}
}

func (d *device) open() error {
	w := d.world
	kept, err := cache.Open("/cache", cache.Options{Disk: d.disk.Start(), BlobBudget: w.setting.blobs, SegmentSize: 64 << 10})
	if err != nil {
		return err
	}
	view := &view{world: w, device: d.id, server: d.server, random: d.random, promise: w.setting.promise, weather: d.weather,
		shown: make(map[string][]providers.Object), lag: make(map[string]int), crash: d.crash}
	opened, err := engine.Open(context.Background(), engine.Options{
		Account: d.account.name, Root: d.account.root, Sealer: d.account.sealer, Store: view, Cache: kept,
		ChunkLimit: w.setting.chunkLimit, Inline: w.setting.inline, LookEvery: w.setting.lookEvery, Grace: time.Millisecond, DeleteGrace: w.setting.grace,
		Random: rand.NewChaCha8(w.nextSeed()), Now: func() time.Time { return time.Now().Add(d.skew + d.jump) }, Log: d.logger(),
	})
	if err != nil {
		_ = kept.Close() // after a crash it says so again
		return err
	}
	d.Engine, d.cache, d.view = opened, kept, view
	return nil
}

// logger prints what the engine logs, where every step is printed.
func (d *device) logger() *slog.Logger {
	if !*trace {
		return nil
	}
	return slog.New(slog.NewTextHandler(traced(func(line string) { d.world.log(fmt.Sprintf("      device %d: %s", d.id, line)) }), nil))
}

type traced func(line string)

func (t traced) Write(line []byte) (int, error) {
	t(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// crash ends the run at once: nothing that it does from here on has any effect.
func (d *device) crash() {
	d.shake()
	d.view.dead.Store(true)
	if d.world.setting.liar {
		d.disk.Kill() // what the place loses must be on some disk
		return
	}
	d.disk.Crash(nil)
}

// shake notes that a device's records may not be those of its last run.
func (d *device) shake() {
	d.shaken = true
	clear(d.met)
}

// emptyDisk makes room again.
func (d *device) emptyDisk() {
	d.disk.SetLimit(0)
	d.full = false
}

// stop ends the run, in good order or after a crash.
func (d *device) stop() {
	if d.Engine == nil {
		return
	}
	err := errors.Join(d.Engine.Close(), d.cache.Close())
	if err != nil && !d.view.dead.Load() && !d.full {
		d.world.fail("device %d does not stop: %v", d.id, err)
	}
	d.Engine, d.cache = nil, nil
	d.writes.Store(0)
}

// unconfirmed lists what only this device's journal is sure to hold.
func (d *device) unconfirmed() (messages, tombstones []container.MessageHash) {
	err := d.cache.Journal().Replay(func(_ cache.EntryID, sealed []byte) error {
		plain, err := d.account.sealer.OpenRecord(nil, "journal", sealed)
		if err != nil {
			return err
		}
		// See the engine's append.go: kind, timestamp, hash.
		hash := container.MessageHash(plain[9:41])
		_ = binary.BigEndian.Uint64(plain[1:9])
		switch plain[0] {
		case 1:
			messages = append(messages, hash)
		case 2:
			tombstones = append(tombstones, hash)
		}
		return nil
	})
	if err != nil {
		d.world.fail("device %d: reading the journal: %v", d.id, err)
	}
	return messages, tombstones
}

// excuse gives up what only this device was sure to hold.
func (d *device) excuse() {
	messages, tombstones := d.unconfirmed()
	for _, hash := range messages {
		if fate := d.account.fates[hash]; fate != nil {
			fate.acked, fate.loose = false, true
		}
	}
	for _, hash := range tombstones {
		if fate := d.account.fates[hash]; fate != nil && fate.removed {
			fate.removed, fate.unsure = false, true
		}
	}
}

func (d *device) keepBackup() {
	d.backup = &backup{disk: d.world.clone(d.disk), knows: maps.Clone(d.knows)}
}

// pass runs one pass; faults of the place end it, and are no failure.
func (d *device) pass(work engine.Work) {
	report, err := d.Pass(context.Background(), work)
	if *trace {
		d.world.log(fmt.Sprintf("      device %d: %+v: %+v %v", d.id, work, report, err))
	}
	if err == nil || d.view.dead.Load() || d.world.spent {
		return
	}
	if d.full {
		return
	}
	for _, allowed := range []error{providers.ErrTransient, providers.ErrRateLimited, providers.ErrQuota, providers.ErrUnauthorised, engine.ErrBlocked} {
		if errors.Is(err, allowed) {
			return
		}
	}
	if d.world.calm(d) {
		d.world.fail("device %d: pass in fair weather: %v", d.id, err)
	}
}

// append acknowledges some messages.
func (d *device) append(items ...engine.Item) {
	err := d.Append(context.Background(), items...)
	for _, item := range items {
		if *trace {
			d.world.log(fmt.Sprintf("      device %d appends %s %d: %v", d.id, item.Contact, item.Envelope.Timestamp, err))
		}
		f := d.account.fates[item.Envelope.Hash]
		if f == nil {
			f = &fate{contact: item.Contact, timestamp: item.Envelope.Timestamp, text: item.Envelope.JSON}
			d.account.fates[item.Envelope.Hash] = f
			d.account.order = append(d.account.order, item.Envelope.Hash)
		}
		if err != nil {
			f.loose = true
			continue
		}
		f.acked = true
		f.whole = joined(f.whole, item.Envelope)
		d.knows[item.Envelope.Hash] = true
	}
	if err != nil && !d.view.dead.Load() && !d.full {
		d.world.fail("device %d: append: %v", d.id, err)
	}
}

// joined joins an envelope to what others of the same message have joined to.
func joined(whole []byte, envelope container.Envelope) []byte {
	if whole == nil {
		return envelope.JSON
	}
	return container.Join(container.Envelope{Hash: envelope.Hash, JSON: whole}, envelope).JSON
}

func (d *device) remove(hashes ...container.MessageHash) {
	for _, hash := range hashes {
		f := d.account.fates[hash]
		err := d.Remove(context.Background(), f.contact, container.Tombstone{Hash: hash, Timestamp: f.timestamp})
		switch {
		case err == nil:
			f.removed = true
		case d.view.dead.Load() || d.full:
			f.unsure = true
		default:
			d.world.fail("device %d: remove: %v", d.id, err)
		}
	}
}

// read looks at a conversation: what this device knows is there, or the page
// says that something may be missing.
func (d *device) read(contact string, r engine.Range) {
	page, err := d.Messages(context.Background(), contact, r)
	if err != nil || page.Provisional {
		return
	}
	shown := make(map[container.MessageHash]bool, len(page.Messages))
	for i := range page.Messages {
		shown[page.Messages[i].Hash] = true
	}
	first := int64(0)
	if r.Last > 0 && len(page.Messages) == r.Last {
		first = page.Messages[0].Timestamp + 1
	}
	for hash := range d.knows {
		f := d.account.fates[hash]
		if f == nil || !f.acked || f.removed || f.unsure || f.contact != contact || f.timestamp < max(r.From, first) || r.To > 0 && f.timestamp >= r.To {
			continue
		}
		if !shown[hash] {
			d.world.fail("device %d: a page of %s that calls itself complete lacks a message of %d that the device knew", d.id, contact, f.timestamp)
			return
		}
	}
	for hash := range shown {
		d.knows[hash] = true
	}
}

// holds reads everything that the device shows.
func (d *device) holds() map[container.MessageHash][]byte {
	all := make(map[container.MessageHash][]byte)
	list, err := d.Conversations(context.Background())
	if err != nil {
		d.world.fail("device %d: conversations: %v", d.id, err)
		return all
	}
	for _, conversation := range list {
		page, err := d.Messages(context.Background(), conversation.Contact, engine.Range{})
		if err != nil {
			d.world.fail("device %d: reading %s: %v", d.id, conversation.Contact, err)
			return all
		}
		if page.Provisional {
			d.world.fail("device %d: %s is provisional when all is quiet: %v", d.id, conversation.Contact, page.Reasons)
		}
		if shown := len(page.Messages); shown == 0 || !conversation.Estimated && shown != conversation.Messages {
			d.world.fail("device %d: %s is listed with %d messages, of which %d are shown", d.id, conversation.Contact, conversation.Messages, shown)
		}
		for i := range page.Messages {
			all[page.Messages[i].Hash] = page.Messages[i].JSON
		}
	}
	return all
}

// check compares what the device shows with what became of each message.
func (d *device) check(what string) {
	w := d.world
	if status := d.Status(); status.Pending != 0 {
		w.fail("%s: %d entries are not confirmed when all is quiet", what, status.Pending)
	}
	if *alarms {
		d.checkAlarms(what)
	}
	holds := d.holds()
	missing, back, strange := 0, 0, 0
	for hash, f := range d.account.fates {
		switch _, there := holds[hash]; {
		case f.removed && there:
			back++
		case f.acked && !f.removed && !f.unsure && !there:
			missing++
			w.log(fmt.Sprintf("missing: %s %d", f.contact, f.timestamp))
		}
	}
	for hash, text := range holds {
		f := d.account.fates[hash]
		switch {
		case f == nil:
			strange++
		case f.acked && !f.loose && string(text) != string(f.whole):
			w.fail("%s: a message of %d is not what its parts join to", what, f.timestamp)
		}
		if other, seen := w.texts[hash]; seen && string(other) != string(text) {
			w.fail("%s: a message reads otherwise than on another device", what)
		}
		w.texts[hash] = text
	}
	if missing+back+strange > 0 {
		w.fail("%s: %d messages are missing, %d removed ones are back, %d are nobody's", what, missing, back, strange)
	}
}

// hashes are the messages of a contact, in the order of their first writing.
func (a *account) hashes(fits func(*fate) bool) []container.MessageHash {
	return slices.DeleteFunc(slices.Clone(a.order), func(hash container.MessageHash) bool { return !fits(a.fates[hash]) })
}

func (d *device) String() string { return fmt.Sprintf("device %d", d.id) }
