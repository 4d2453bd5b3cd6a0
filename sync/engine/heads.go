package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// liveHead is a head that is part of the catalogue.
type liveHead struct {
	size     int64
	device   string
	covers   []container.Cover
	known    []container.Cover
	void     []container.Cover
	absorbed []string
	shown    bool // a listing showed it
	missing  int  // looks in a row that did not show it though nothing stands for it
	hidden   bool // it is there all the same
}

// stands tells whether the head stands for one sequence of an incarnation.
func (h *liveHead) stands(incarnation string, sequence int64) bool {
	return slices.ContainsFunc(h.covers, func(cover container.Cover) bool {
		return cover.Incarnation == incarnation && cover.From <= sequence && sequence <= cover.To
	})
}

// errNotShown is a read-back that did not find what was just acknowledged. The
// next pass goes on: another device may have absorbed a head already.
var errNotShown = fmt.Errorf("the place acknowledged an object and does not show it whole: %w", providers.ErrTransient)

func (e *Engine) headObject(name string) string { return string(e.headsKey) + "/" + name }

// openHeads loads the heads that the cache holds; what is damaged there will
// be read from the provider again.
func (e *Engine) openHeads() error {
	var names []string
	if err := e.o.Cache.Records().Each("head", func(name string, _ []byte) error {
		names = append(names, name)
		return nil
	}); err != nil {
		return err
	}
	for _, name := range names {
		if sealed, ok := e.o.Cache.Blobs().Get(e.headObject(name)); ok {
			if head, err := e.openNamed(name, sealed); err == nil {
				e.adopt(name, int64(len(sealed)), head)
				continue
			}
		}
		e.behind = true
		e.unread, e.gapless = append(e.unread, name), nil
	}
	e.markShapeless()
	return e.o.Cache.Records().Each("device", func(name string, _ []byte) error {
		e.others[name] = -otherIsActive // known; not active until it writes again
		return nil
	})
}

// meet remembers that another device exists, longer than its heads are live.
func (e *Engine) meet(device string) error {
	e.mu.Lock()
	_, known := e.others[device]
	e.mu.Unlock()
	if known || device == e.device {
		return nil
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putRecord(tx, "device", device, nil) })
}

// openHead opens a head, which is not to be changed.
func (e *Engine) openHead(sealed []byte) (*container.Head, error) {
	found, err := e.open(container.KindHead, e.headsKey, sealed)
	if err != nil {
		return nil, err
	}
	return found.asHead()
}

// openNamed opens a head, which must be the one of that name: with errForeignHead
// comes the one that it is.
func (e *Engine) openNamed(name string, sealed []byte) (*container.Head, error) {
	head, err := e.openHead(sealed)
	if err == nil && container.HeadName(head.Incarnation, head.Sequence) != name {
		return head, errForeignHead
	}
	return head, err
}

// adopt makes a head part of the catalogue.
func (e *Engine) adopt(name string, size int64, head *container.Head) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.adoptLocked(name, size, head)
}

func (e *Engine) adoptLocked(name string, size int64, head *container.Head) {
	e.gapless = nil
	e.heads[name] = &liveHead{size: size, device: head.Device, covers: head.Covers, known: head.Known, void: head.Void, absorbed: head.Absorbed}
	e.addHead(&e.catalogue, name, head)
}

// keepHead stores a head's sealed bytes in the cache, never to be evicted
// while the head lives.
func (e *Engine) keepHead(name string, sealed []byte) error {
	if err := e.o.Cache.Blobs().Put(e.headObject(name), sealed, true); err != nil {
		return fmt.Errorf("engine: keep head: %w", err)
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		return e.putRecord(tx, "head", name, binary.BigEndian.AppendUint64(nil, uint64(len(sealed))))
	})
}

// dropHeads takes heads out of the live set. Their bodies, which may hold what was
// deleted, leave the cache when what they carry was found elsewhere.
func (e *Engine) dropHeads(names []string) error {
	if len(names) == 0 {
		return nil
	}
	e.mu.Lock()
	e.gapless = nil
	for _, name := range names {
		delete(e.heads, name)
	}
	e.mu.Unlock()
	for _, name := range names {
		e.healedAll(e.headObject(name), "another head stands for it")
		e.healed("withheld", e.headObject(name), "another head stands for it")
		if err := e.o.Cache.Blobs().Unpin(e.headObject(name)); err != nil {
			return err
		}
	}
	return e.changeDoubts(prefixed(string(e.headsKey), names), nil, func(tx *cache.Tx) error {
		for _, name := range names {
			if err := errors.Join(tx.Delete("head", name), e.putRecord(tx, "doubt", e.headObject(name), nil)); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadHead reads a live head from the cache, else from the provider. Other bytes
// than its own are named there, and never taken for it: what it says would go with it.
func (e *Engine) loadHead(ctx context.Context, name string) (*container.Head, error) {
	if sealed, ok := e.o.Cache.Blobs().Get(e.headObject(name)); ok {
		if head, err := e.openNamed(name, sealed); err == nil {
			return head, nil
		}
	}
	sealed, err := e.o.Store.Get(ctx, e.headObject(name))
	if err != nil {
		return nil, fmt.Errorf("engine: read head %s: %w", name, err)
	}
	head, err := e.openNamed(name, sealed)
	if err != nil {
		e.misread(name, err)
		return nil, fmt.Errorf("engine: open head %s: %w", name, err)
	}
	return head, e.keepHead(name, sealed)
}

// writeHead publishes news: states that were written, or that travel inside
// the head with the bodies given by name. It absorbs other heads when they are
// many, or those in force. What news says is in the catalogue afterwards. It
// returns the head's name.
func (e *Engine) writeHead(ctx context.Context, news *reconcile.Catalogue, bodies map[string][]byte, force bool) (string, error) {
	e.leaveTwin()
	absorbed := e.pickAbsorbed(force)
	head := &container.Head{Device: e.device, Incarnation: e.incarnation, Sequence: e.sequence, Absorbed: absorbed, Limit: e.limit()}
	name := container.HeadName(head.Incarnation, head.Sequence)
	var replaced []string
	merged, inline, err := e.mergeHeads(ctx, head)
	if err != nil {
		return "", err
	}
	absorbed = head.Absorbed
	maps.Copy(inline, bodies)
	merged.Unite(news)
	e.mu.Lock()
	e.dropGone(merged, news)
	e.mu.Unlock()
	news.States(func(_ string, _ *container.ChunkIdentifier, state *reconcile.State) bool {
		replaced = append(replaced, state.Replaces...)
		return true
	})
	// In a carried folder these names tell receivers what to remove.
	var forget func(string) bool
	if e.standsForAll(absorbed) && !e.o.Store.Properties().Carried {
		forget = e.isOldNews()
	}
	err = merged.Fill(head, func(state reconcile.State) ([]byte, error) {
		body, ok := inline[state.Name]
		if !ok {
			return nil, fmt.Errorf("engine: body of inline state %s is gone", state.Name)
		}
		return body, nil
	}, forget)
	if err != nil {
		return "", err
	}
	sealed, err := e.putHead(ctx, head)
	if err != nil {
		return "", err
	}
	if err := e.keepHead(name, sealed); err != nil {
		return "", err
	}
	e.mu.Lock()
	e.learnGone(replaced)
	e.catalogue.Unite(news) // the head may have forgotten what its states replaced; news has not
	e.adoptLocked(name, int64(len(sealed)), head)
	e.mu.Unlock()
	if err := e.dropHeads(absorbed); err != nil {
		return "", err
	}
	return name, e.remove(ctx, prefixed(string(e.headsKey), absorbed))
}

// putHead seals and writes a head. Even a failed put may have happened, so its
// number is not used again; later heads say that its absence means nothing.
func (e *Engine) putHead(ctx context.Context, head *container.Head) (sealed []byte, err error) {
	if err := e.keepIncarnation(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.sequence++
	e.mu.Unlock()
	defer func() {
		if err != nil {
			number := container.Cover{Incarnation: head.Incarnation, From: head.Sequence, To: head.Sequence}
			e.callVoid(number)
		}
	}()
	if sealed, err = e.o.Sealer.Seal(nil, container.KindHead, e.headsKey, head.Append(nil)); err != nil {
		return nil, fmt.Errorf("engine: seal head: %w", err)
	}
	return sealed, e.putNew(ctx, e.headObject(container.HeadName(head.Incarnation, head.Sequence)), sealed, len(head.Absorbed) > 0)
}

// callVoid notes that the absence of a head means nothing.
func (e *Engine) callVoid(number container.Cover) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.void, e.gapless = container.JoinCovers(e.void, []container.Cover{number}), nil
}

// standsForAll tells whether these are all live heads.
func (e *Engine) standsForAll(absorbed []string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(absorbed) == len(e.heads)
}

// pickAbsorbed picks the heads that the next one stands for.
func (e *Engine) pickAbsorbed(all bool) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	infos := make([]reconcile.HeadInfo, 0, len(e.heads))
	for name, head := range e.heads {
		infos = append(infos, reconcile.HeadInfo{Name: name, Size: head.size})
	}
	switch {
	case all:
		return slices.Sorted(maps.Keys(e.heads))
	case e.flushes > 0 && len(e.others) > 0:
		return nil // what it says of others' states may be old
	}
	return reconcile.Absorb(infos)
}

// mergeHeads unites the heads to be absorbed and fills in what the new head
// says about sequences.
func (e *Engine) mergeHeads(ctx context.Context, head *container.Head) (*reconcile.Catalogue, map[string][]byte, error) {
	merged := &reconcile.Catalogue{}
	inline := make(map[string][]byte)
	head.Covers = []container.Cover{{Incarnation: head.Incarnation, From: head.Sequence, To: head.Sequence}}
	absorbed := head.Absorbed
	head.Absorbed = nil
	for _, name := range absorbed {
		old, err := e.loadHead(ctx, name)
		if absent(err) {
			continue // neither here nor there any more; the next pull explains it
		}
		if err != nil {
			return nil, nil, err
		}
		head.Absorbed = append(head.Absorbed, name)
		e.mu.Lock()
		e.gather(merged, name, old)
		e.mu.Unlock()
		maps.Copy(inline, inlineBodies(old))
		head.Covers = append(head.Covers, old.Covers...)
		head.Void = append(head.Void, old.Void...)
	}
	head.Void = container.JoinCovers(head.Void, e.void)
	head.Covers = container.JoinCovers(head.Covers)
	head.Known = e.knownSequences(head.Covers)
	return merged, inline, nil
}

// inlineBodies are the bodies that travel in a head, by their states' names.
func inlineBodies(head *container.Head) map[string][]byte {
	bodies := make(map[string][]byte)
	for ref := range head.States() {
		if ref.Length > 0 {
			bodies[ref.Name] = head.Body(ref)
		}
	}
	return bodies
}

// knownSequences lists the last sequence of every other live incarnation: one
// that wrote a live head. Those that only covers name would be all there ever
// were, in each head.
func (e *Engine) knownSequences(own []container.Cover) []container.Cover {
	last := make(map[string]int64)
	e.mu.Lock()
	for name := range e.heads {
		incarnation, sequence, _ := container.ParseHeadName(name)
		last[incarnation] = max(last[incarnation], sequence)
	}
	e.mu.Unlock()
	for _, cover := range own {
		delete(last, cover.Incarnation)
	}
	var known []container.Cover
	for _, incarnation := range slices.Sorted(maps.Keys(last)) {
		known = append(known, container.Cover{Incarnation: incarnation, From: last[incarnation], To: last[incarnation]})
	}
	return known
}

// putWhole puts an object. Where the place promises no durable puts, or the
// caller asks for proof, it is read back and compared.
func (e *Engine) putWhole(ctx context.Context, object string, sealed []byte, proof bool) error {
	if err := e.o.Store.Put(ctx, object, sealed); err != nil {
		return fmt.Errorf("engine: write %s: %w", object, err)
	}
	if e.o.Store.Properties().Durable && !proof {
		return nil
	}
	back, err := e.o.Store.Get(ctx, object)
	if errors.Is(err, providers.ErrNotFound) {
		err = errNotShown
	}
	if err != nil {
		return fmt.Errorf("engine: read back %s: %w", object, err)
	}
	if !bytes.Equal(back, sealed) {
		if e.o.Store.Properties().Durable {
			// Acknowledged, hence promised to be whole; nobody else writes under this
			// name. That it is not found is no alarm: another device may have
			// replaced it already.
			e.problem(Problem{Kind: "torn", Alarm: true, Object: object, Detail: "an acknowledged object is not what was written; it is written again under another name"})
			e.healed("torn", object, "written again under another name")
		}
		return fmt.Errorf("engine: read back %s: %w", object, errTorn)
	}
	return nil
}

func prefixed(container string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = container + "/" + name
	}
	return out
}
