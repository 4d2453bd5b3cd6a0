package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// replacement is an object that names others as replaced and was read back.
type replacement struct {
	object string
	old    []string // objects that may go
	heads  []string // objects of heads that carried replaced inline states
	unread bool     // that it holds what those held is another run's word: they are read before they go
}

// removal waits in a carried folder, or after a failed deletion, for a later
// pass.
type removal struct {
	pass int64
	old  []string
}

const (
	sightingsMost = 128 // replacements not seen a second time before a pass looks at some
	sightingsOnce = 16
)

// replace notes that object stands for states of the container key, unread if this
// device did not read them for it.
func (out *outgoing) replace(object string, key container.Key, states []reconcile.State, unread bool) {
	if len(states) == 0 {
		return
	}
	r := replacement{object: object, unread: unread}
	for _, state := range states {
		if state.Inline() {
			r.heads = append(r.heads, state.Head)
			continue
		}
		r.old = append(r.old, string(key)+"/"+state.Name)
	}
	out.replaced = append(out.replaced, r)
}

// retireAll removes what replacements stand for.
func (e *Engine) retireAll(ctx context.Context, replaced []replacement) error {
	var unread []string
	for _, r := range replaced {
		if err := e.retire(ctx, r); err != nil {
			return err
		}
		if r.unread {
			unread = append(unread, r.old...)
		}
	}
	if len(unread) == 0 {
		return nil
	}
	return e.removeNamed(ctx, unread)
}

// retire removes what a replacement stands for, unless that is to be read before. The
// bodies stay in the cache until a later pass has seen the replacement whole once more.
func (e *Engine) retire(ctx context.Context, r replacement) error {
	bodies := slices.Concat(r.old, prefixed(string(e.headsKey), r.heads))
	slices.Sort(bodies)
	bodies = slices.Compact(bodies)
	for _, object := range bodies {
		if e.o.Cache.Blobs().Has(object) {
			if err := e.o.Cache.Blobs().Pin(object); err != nil && !errors.Is(err, cache.ErrNotFound) {
				return fmt.Errorf("engine: keep replaced body: %w", err)
			}
		}
	}
	if err := e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		return e.putRecord(tx, "replaced", r.object, []byte(strings.Join(bodies, "\n")))
	}); err != nil || r.unread {
		return err
	}
	return e.remove(ctx, r.old)
}

// remove deletes objects in favour of one that was read back. Where another
// program carries the folder, a device that received the replacement removes
// what it names; a device that is alone does so itself in a later pass.
func (e *Engine) remove(ctx context.Context, old []string) error {
	properties := e.o.Store.Properties()
	if len(old) == 0 || !properties.Deletes {
		return nil
	}
	if properties.Carried && !e.alone() {
		return nil
	}
	if properties.Carried {
		e.removals = append(e.removals, removal{pass: e.passes, old: old})
		return nil
	}
	if err := e.o.Store.Delete(ctx, old...); err != nil {
		e.o.Log.Warn("removal is put off", "objects", len(old), "error", err)
		e.removals = append(e.removals, removal{pass: e.passes, old: old})
	}
	return ctx.Err()
}

// removeLater deletes what earlier passes left.
func (e *Engine) removeLater(ctx context.Context) error {
	if e.o.Store.Properties().Carried && !e.alone() {
		e.removals = nil // the others will, once they have what replaces them
		return nil
	}
	var kept []removal
	defer func() { e.removals = kept }()
	for i, r := range e.removals {
		if r.pass >= e.passes {
			kept = append(kept, r)
			continue
		}
		if err := e.o.Store.Delete(ctx, r.old...); err != nil {
			kept = append(kept, e.removals[i:]...)
			return fmt.Errorf("engine: remove replaced objects: %w", err)
		}
	}
	return nil
}

// alone tells whether no other device ever showed itself.
func (e *Engine) alone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.others) == 0
}

// received is a state from another device, in a carried folder, that names
// others as replaced.
type received struct {
	kind  container.Kind
	key   container.Key
	state reconcile.State
}

// removeReceived removes, in a carried folder, what states from other devices
// replace, once those have arrived here whole.
func (e *Engine) removeReceived(ctx context.Context) error {
	e.mu.Lock()
	waiting := e.received
	e.received = nil
	e.mu.Unlock()
	for i, r := range waiting {
		again, err := e.removeReplaced(ctx, r)
		if err != nil {
			again = append(again, waiting[i+1:]...)
		}
		e.mu.Lock()
		e.received = append(e.received, again...)
		e.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// removeReplaced removes what one received state replaces. It returns the state
// again when it, or what tells whether its predecessors may go, is not here yet.
func (e *Engine) removeReplaced(ctx context.Context, r received) (again []received, err error) {
	object := string(r.key) + "/" + r.state.Name
	err = e.reread(ctx, r.kind, r.key, object, r.state)
	if unusable(err) {
		if _, _, _, used := e.inUse(object); used { // else its heir names all that it replaced
			return []received{r}, nil
		}
		return nil, nil
	}
	if err != nil {
		return []received{r}, fmt.Errorf("engine: look for %s: %w", object, err)
	}
	idle, waits, err := e.sift(ctx, prefixed(string(r.key), r.state.Replaces))
	if err == nil {
		err = e.o.Store.Delete(ctx, idle...)
	}
	if err != nil {
		return []received{r}, fmt.Errorf("engine: remove what %s replaces: %w", object, err)
	}
	if waits {
		return []received{r}, nil
	}
	return nil, nil
}

// receive notes what another device's head says about replaced states. The
// caller holds e.mu.
func (e *Engine) receive(head *container.Head) {
	if !e.o.Store.Properties().Carried {
		return
	}
	note := func(kind container.Kind, key func() container.Key, refs []container.StateRef) {
		for _, ref := range refs {
			if len(ref.Replaces) > 0 && ref.Length == 0 {
				e.received = append(e.received, received{kind, key(), reconcile.State{StateRef: ref}})
			}
		}
	}
	note(container.KindRoot, func() container.Key { return e.o.Root }, head.Root)
	for i := range head.Talks {
		talk := &head.Talks[i]
		note(container.KindConversation, func() container.Key { return e.conversationKey(talk.Contact) }, talk.States)
		for j := range talk.Chunks {
			note(container.KindChunk, func() container.Key { return e.chunkKey(talk.Contact, talk.Chunks[j].Identifier) }, talk.Chunks[j].States)
		}
	}
}

// sight looks at replacements a second time: at all of them with all, else at
// a few when many wait. What is whole sets the bodies that it replaced free;
// what is not whole any more is written again from those.
func (e *Engine) sight(ctx context.Context, all bool) error {
	waiting, err := e.replacements()
	if err != nil {
		return err
	}
	if !all && len(waiting) <= sightingsMost {
		return nil
	}
	if !all {
		waiting = waiting[:sightingsOnce]
	}
	var seen []string
	for _, r := range waiting {
		whole, err := e.stillWhole(ctx, r)
		if err != nil {
			return err
		}
		if whole {
			seen = append(seen, r.object)
		}
	}
	return e.setFree(seen)
}

func (e *Engine) replacements() ([]replacement, error) {
	var out []replacement
	err := e.o.Cache.Records().Each("replaced", func(object string, sealed []byte) error {
		plain, err := e.o.Sealer.OpenRecord(nil, "replaced/"+object, sealed)
		if err != nil {
			return nil //nolint:nilerr // damaged: the bodies stay until the cache is rebuilt
		}
		out = append(out, replacement{object: object, old: strings.Split(string(plain), "\n")})
		return nil
	})
	return out, err
}

// stillWhole tells whether a replacement can be set free from its old bodies:
// it is whole, or it was itself replaced since.
func (e *Engine) stillWhole(ctx context.Context, r replacement) (bool, error) {
	kind, key, state, ok := e.inUse(r.object)
	if !ok {
		return true, nil
	}
	err := e.reread(ctx, kind, key, r.object, state)
	if err == nil {
		e.readable(r.object)
		return true, nil
	}
	if !unusable(err) {
		return false, fmt.Errorf("engine: look at %s again: %w", r.object, err)
	}
	if absent(err) {
		// Another device may have replaced it since the last look. Only what the
		// look after this one still shows in use was lost.
		seen, waits := e.suspects[r.object]
		if !waits {
			e.suspects[r.object] = e.passes
			e.suspect(missing(r.object, ""), "")
		}
		if !waits || seen >= e.passes {
			return false, nil
		}
		delete(e.suspects, r.object)
	}
	mended, err := e.care(ctx, kind, r.object, "", state, err)
	if err != nil || mended {
		return false, err
	}
	e.mu.Lock()
	_, contact := e.whereIs(r.object, "")
	e.mu.Unlock()
	e.dangling[contact] = e.passes
	return false, e.heal(ctx, r)
}

// heal writes again what the cache holds of a replacement and of what it
// replaced; objects never change, so this can only add.
func (e *Engine) heal(ctx context.Context, r replacement) error {
	for _, object := range append([]string{r.object}, r.old...) {
		sealed, ok := e.sound(object)
		if !ok || strings.HasPrefix(object, string(e.headsKey)) {
			continue
		}
		if err := e.putWhole(ctx, object, sealed, true); err != nil {
			return err
		}
	}
	return nil
}

// setFree unpins the bodies that only these replacements kept, and drops those
// of heads and of chunks with tombstones, which may hold what was deleted.
func (e *Engine) setFree(objects []string) error {
	if len(objects) == 0 {
		return nil
	}
	waiting, err := e.replacements()
	if err != nil {
		return err
	}
	doubtful, err := e.doubtful()
	if err != nil {
		return err
	}
	kept := make(map[string]bool)
	for _, object := range doubtful {
		kept[object] = true
	}
	for _, r := range waiting {
		if !slices.Contains(objects, r.object) {
			for _, old := range r.old {
				kept[old] = true
			}
		}
	}
	named, thinned := e.namedObjects(), e.thinned()
	var drop []string
	for _, r := range waiting {
		if !slices.Contains(objects, r.object) {
			continue
		}
		for _, old := range r.old {
			if _, used := named[old]; used || kept[old] || e.isLiveHead(old) {
				continue
			}
			if thinned[keyOf(old)] {
				drop = append(drop, old)
				continue
			}
			release := e.o.Cache.Blobs().Unpin
			if keyOf(old) == string(e.headsKey) {
				release = e.o.Cache.Blobs().Remove
			}
			if err := release(old); err != nil {
				return err
			}
		}
	}
	if err := e.dropForGood(drop); err != nil {
		return err
	}
	return e.dropRecords("replaced", objects...)
}

func (e *Engine) isLiveHead(object string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heads[strings.TrimPrefix(object, string(e.headsKey)+"/")] != nil
}
