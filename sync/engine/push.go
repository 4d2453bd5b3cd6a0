package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Bounds of what may travel in a head.
const (
	inlineState   = 8 << 10
	inlineHead    = 64 << 10
	entryOverhead = 256 // what an entry costs in memory beside its bytes
)

// sent is an item that a state at the provider carries and that still waits
// for the second look.
type sent struct {
	entry
	chunk container.ChunkIdentifier
	item  known
}

// batch is what one push wrote. It is confirmed when a later look shows head.
type batch struct {
	head  string // "" when nothing had to be written
	look  int64  // looks at the heads before it was written
	items map[string][]sent
}

// outgoing gathers what one head will say.
type outgoing struct {
	news          reconcile.Catalogue
	bodies        map[string][]byte
	inline        int
	chunks        *errgroup.Group
	conversations []upload // after the chunks
	contacts      []string // new ones, for the root
	names         []string // new ones of whom there are only tombstones
	hidden        map[string]int64
	rootUpload    *upload // of a compacted root
	replaced      []replacement
	force         bool // absorb all live heads
	batch         batch
	written       int
}

// upload is a sealed object that waits for its turn.
type upload struct {
	object string
	sealed []byte
	proof  bool // read it back whatever the place promises
}

// push writes everything pending, and looks at the heads between batches, so
// that no more waits for confirmation than one batch holds. On an
// error the items that were not published are pending again.
func (e *Engine) push(ctx context.Context, report *Report) error {
	for {
		taken := e.takePending()
		if len(taken) == 0 {
			return nil
		}
		n, err := e.pushBatch(ctx, taken)
		if err != nil {
			e.giveBack(taken)
			e.bounds.failedBatch(taken)
			return err
		}
		report.Pushed += n
		if !e.morePending() {
			return nil
		}
		if err := e.look(ctx, report); err != nil {
			return err
		}
	}
}

func (e *Engine) morePending() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.pending) > 0
}

// takePending takes whole conversations up to the bounds of a batch, and of a
// very long one the oldest part.
func (e *Engine) takePending() map[string][]entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := make(map[string][]entry)
	var size int64
	for _, contact := range slices.Sorted(maps.Keys(e.pending)) {
		entries := e.pending[contact]
		slices.SortFunc(entries, compareEntries)
		n, alone := fitting(entries, e.bounds.bytes)
		if len(taken) > 0 && size+alone > e.bounds.bytes {
			break
		}
		size += alone
		taken[contact] = slices.Clone(entries[:n])
		if n == len(entries) {
			delete(e.pending, contact)
		} else {
			e.pending[contact] = entries[n:]
		}
		if len(taken) >= e.bounds.contacts {
			break
		}
	}
	e.taken = taken
	return taken
}

// fitting counts the entries, oldest first, that a batch of most bytes can hold, and
// their bytes. A conversation is cut only when it is larger than a batch, since its
// chunks would be written twice.
func fitting(entries []entry, most int64) (n int, size int64) {
	for n < len(entries) && (n == 0 || size < most) {
		size += int64(entries[n].size) + entryOverhead
		n++
	}
	return n, size
}

func compareEntries(a, b entry) int {
	switch {
	case a.timestamp != b.timestamp:
		return int(min(max(a.timestamp-b.timestamp, -1), 1))
	case a.id < b.id:
		return -1
	}
	return 1
}

func (e *Engine) giveBack(taken map[string][]entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taken = nil
	for contact, entries := range taken {
		e.pending[contact] = append(e.pending[contact], entries...)
	}
}

// pushBatch writes the states of one batch, chunks before conversations before
// the root, then the head that names them.
func (e *Engine) pushBatch(ctx context.Context, taken map[string][]entry) (int, error) {
	opened, err := e.openEntries(taken)
	if err != nil {
		return 0, err
	}
	out, groupContext := e.newOutgoing(ctx)
	for _, contact := range slices.Sorted(maps.Keys(taken)) {
		if err := groupContext.Err(); err != nil {
			break
		}
		if err := e.stage(groupContext, out, contact, opened[contact]); err != nil {
			return 0, out.fail(err)
		}
		delete(opened, contact) // lets go of the plaintext
	}
	if err := e.publish(ctx, out); err != nil {
		return 0, err
	}
	e.mu.Lock()
	e.owed = append(e.owed, out.batch)
	e.taken = nil
	for contact := range taken {
		e.news.changed(contact)
	}
	e.mu.Unlock()
	return out.written, nil
}

func (e *Engine) newOutgoing(ctx context.Context) (*outgoing, context.Context) {
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(e.parallel())
	return &outgoing{
		bodies: make(map[string][]byte), chunks: group,
		batch: batch{look: e.passes, items: make(map[string][]sent)},
	}, groupContext
}

// fail waits for the uploads under way and returns the first error: what
// canceled them, when err is only the cancellation.
func (out *outgoing) fail(err error) error {
	if cause := out.chunks.Wait(); cause != nil {
		return cause
	}
	return err
}

// publish waits for the chunks, then writes conversations, the root and the
// head, in that order, and removes what was replaced.
func (e *Engine) publish(ctx context.Context, out *outgoing) error {
	if err := out.chunks.Wait(); err != nil {
		return err
	}
	if err := e.abreast(ctx, len(out.conversations), func(ctx context.Context, i int) error {
		return e.putState(ctx, out.conversations[i])
	}); err != nil {
		return err
	}
	if err := e.stageRoot(ctx, out); err != nil {
		return err
	}
	if len(out.news.Root) == 0 && len(out.news.Conversations) == 0 {
		return nil
	}
	var err error
	if out.batch.head, err = e.writeHead(ctx, &out.news, out.bodies, out.force); err != nil {
		return err
	}
	e.fasten()
	if err := e.retireAll(ctx, out.replaced); err != nil {
		return err
	}
	if e.leftover || e.unnamed {
		return nil // a scrub is owed or under way, or another head: only its end is clean
	}
	return e.setDirty(false)
}

// stageRoot writes the state of the root that lists new contacts and says which
// are hidden.
func (e *Engine) stageRoot(ctx context.Context, out *outgoing) error {
	if up := out.rootUpload; up != nil {
		if err := e.putState(ctx, *up); err != nil {
			return err
		}
	}
	if len(out.contacts)+len(out.names)+len(out.hidden) == 0 {
		return nil
	}
	root := &container.Root{Account: e.o.Account, Conversations: out.contacts, Names: slices.Concat(out.contacts, out.names), Hidden: out.hidden}
	state, up, err := e.writeList(out, container.KindRoot, e.o.Root, root.AppendJSON(nil), nil)
	if err != nil {
		return err
	}
	out.news.AddRoot(state)
	if up == nil {
		return nil
	}
	return e.putState(ctx, *up)
}

// putState puts a state and keeps a copy, which can mend it.
func (e *Engine) putState(ctx context.Context, up upload) error {
	e.loosen(up.object) // a put that fails may have happened
	if err := e.putNew(ctx, up.object, up.sealed, up.proof); err != nil {
		return err
	}
	return e.o.Cache.Blobs().Put(up.object, up.sealed, false)
}

// stage opens the journal entries of one conversation, places their items and
// writes or queues the states that carry them.
func (e *Engine) stage(ctx context.Context, out *outgoing, contact string, items []pendingItem) error {
	items = e.stageHidden(out, contact, items)
	if len(items) == 0 {
		return nil
	}
	e.mu.Lock()
	conversation := e.catalogue.Conversations[contact]
	extents := conversation.Extents()
	living, _ := conversation.Living(0)
	limit := max(int64(e.o.ChunkLimit), e.catalogue.Limit)
	e.mu.Unlock()
	measures := make([]reconcile.Measure, len(items))
	for i := range items {
		measures[i] = reconcile.Measure{Timestamp: items[i].envelope.Timestamp, Size: int64(len(items[i].envelope.JSON))}
	}
	var opened []container.ChunkIdentifier
	for _, placement := range reconcile.Place(extents, measures, limit) {
		if placement.New {
			opened = append(opened, placement.Identifier)
		}
		if err := e.stageChunk(ctx, out, contact, placement, items[placement.From:placement.To]); err != nil {
			return err
		}
	}
	switch {
	case !living && slices.ContainsFunc(items, func(item pendingItem) bool { return !item.tombstone }):
		out.contacts = append(out.contacts, contact) // listed, or listed again
	case len(extents) == 0:
		out.names = append(out.names, contact)
	}
	if len(opened) == 0 {
		return nil
	}
	return e.stageLists(out, contact, opened, false)
}

// pendingItem is an opened journal entry.
type pendingItem struct {
	journalled
	entry
	whole bool
}

// openEntries reads the entries of a batch from the journal, each segment of it
// once. One that is damaged is reported and left where it is; the others go on.
func (e *Engine) openEntries(taken map[string][]entry) (map[string][]pendingItem, error) {
	opened := make(map[string][]pendingItem, len(taken))
	var slots []*pendingItem
	for contact, entries := range taken {
		opened[contact] = make([]pendingItem, len(entries))
		for i, at := range entries {
			opened[contact][i].entry = at
			slots = append(slots, &opened[contact][i])
		}
	}
	slices.SortFunc(slots, func(a, b *pendingItem) int { return cmp.Compare(a.id, b.id) })
	ids := make([]cache.EntryID, len(slots))
	for i, slot := range slots {
		ids[i] = slot.id
	}
	next := 0
	var arena []byte // many small plaintexts in few allocations
	err := e.o.Cache.Journal().ReadEach(ids, func(_ cache.EntryID, sealed []byte, err error) error {
		slot := slots[next]
		next++
		if err == nil {
			arena, slot.journalled, err = e.openInto(arena, sealed)
		}
		slot.whole = err == nil
		return e.damagedEntry(slot.entry, err)
	})
	if err != nil {
		return nil, fmt.Errorf("engine: read journal: %w", err)
	}
	for contact, items := range opened {
		opened[contact] = slices.DeleteFunc(items, func(item pendingItem) bool { return !item.whole })
	}
	return opened, nil
}

func (e *Engine) damagedEntry(at entry, err error) error {
	if err == nil {
		return nil
	}
	if !damagedInCache(err) {
		return fmt.Errorf("engine: read journal: %w", err)
	}
	// An alarm about this disk: what a crash leaves is cut off when the journal is opened.
	e.problem(Problem{Kind: "journal", Alarm: true, Object: fmt.Sprint(at.id), Detail: "a journal entry is damaged; append its message again"})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count--
	e.bytes -= int64(at.size)
	return nil
}
