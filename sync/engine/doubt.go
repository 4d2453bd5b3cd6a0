package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// That another device calls a state replaced is its word only: it may never have
// read the state, since the place had lost it, and have taken what is left for
// all that there was. So a device that holds a copy of what others replaced looks
// for its content before it lets go of the copy, and writes again what is nowhere
// else. Until then the copy is in doubt, over restarts too. The looking is mostly
// a scrub's, since it may have to fetch what took the place of the copy; what may
// hold what was deleted, or was replaced in an odd way, does not wait for one.

// doubt notes copies that others replaced, by object, and whether that looks odd.
// A name that the cache does not hold is passed over.
func (e *Engine) doubt(objects map[string]bool) error {
	maps.DeleteFunc(objects, func(object string, _ bool) bool { return !e.o.Cache.Blobs().Has(object) })
	if len(objects) == 0 {
		return nil
	}
	known, err := e.doubtful()
	if err != nil {
		return err
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		for _, object := range slices.Sorted(maps.Keys(objects)) {
			var plain []byte
			if objects[object] || known[object] {
				plain = []byte{1}
			}
			if err := e.putRecord(tx, "doubt", object, plain); err != nil {
				return err
			}
		}
		return nil
	})
}

// doubtful lists the copies that others replaced and that nobody looked for yet,
// and whether their replacement looked odd.
func (e *Engine) doubtful() (map[string]bool, error) {
	objects := make(map[string]bool)
	err := e.o.Cache.Records().Each("doubt", func(object string, sealed []byte) error {
		plain, err := e.o.Sealer.OpenRecord(nil, "doubt/"+object, sealed)
		objects[object] = err != nil || len(plain) > 0
		return nil
	})
	return objects, err
}

// replacedBy lists the objects in use that a head calls replaced, and those that
// carry such states. It looks odd when the heir was there before, so that nobody
// wrote it for that, or holds less than what it replaces.
func (e *Engine) replacedBy(head *container.Head) map[string]bool {
	objects := make(map[string]bool)
	heirs := make(map[string][]*container.StateRef)
	for ref := range head.States() {
		for _, name := range ref.Replaces {
			heirs[name] = append(heirs[name], ref)
		}
	}
	if len(heirs) == 0 {
		return objects
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	used := make(map[string]bool)
	e.catalogue.States(func(_ string, _ *container.ChunkIdentifier, state *reconcile.State) bool {
		used[state.Name] = true
		return true
	})
	e.catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		replaced := heirs[state.Name]
		odd := !slices.ContainsFunc(replaced, func(heir *container.StateRef) bool { return !used[heir.Name] && heir.Items >= state.Items })
		switch {
		case len(replaced) == 0 || state.Inline() && !odd: // the head that carries it is in doubt when it goes
		case state.Inline():
			objects[e.headObject(state.Head)] = true
		default:
			_, key := e.locate(contact, identifier)
			objects[string(key)+"/"+state.Name] = odd
		}
		return true
	})
	return objects
}

// settleDoubts looks for what doubted copies hold, writes again what is nowhere
// else, and lets go of them: of all, or of those that may hold what was deleted
// and those whose replacement looked odd. Where a state in use can't be read, the
// copy waits.
func (e *Engine) settleDoubts(ctx context.Context, all bool) error {
	objects, err := e.doubtful()
	if err != nil || len(objects) == 0 {
		return err
	}
	thinned := e.thinned()
	out, groupContext := e.newOutgoing(ctx)
	var over []string
	for _, object := range slices.Sorted(maps.Keys(objects)) {
		odd := objects[object]
		if !all && !odd && e.doubted[object] {
			continue
		}
		copies := e.copied(object)
		if !all && !odd && len(copies) > 0 && !slices.ContainsFunc(copies, func(found identified) bool {
			return found.chunk != nil && thinned[string(e.chunkKey(found.contact, *found.identifier))]
		}) {
			e.doubted[object] = true
			continue
		}
		waits := false
		for _, found := range copies {
			missing, err := e.unheld(ctx, found)
			if unusable(err) {
				waits = true
				break
			}
			if err == nil && missing != nil {
				err = e.rescue(groupContext, out, *missing)
			}
			if err != nil {
				return out.fail(err)
			}
		}
		if !waits {
			over = append(over, object)
		}
	}
	if err := e.publish(ctx, out); err != nil {
		return err
	}
	return e.endDoubts(over)
}

// endDoubts forgets that copies were in doubt, and drops those that may hold what
// was deleted.
func (e *Engine) endDoubts(objects []string) error {
	named, thinned := e.namedObjects(), e.thinned()
	kept, err := e.retainedObjects()
	if err != nil {
		return err
	}
	var drop []string
	for _, object := range objects {
		_, used := named[object]
		switch {
		case used || kept[object] || e.isLiveHead(object):
		case e.underHeads(object):
			if err := e.o.Cache.Blobs().Remove(object); err != nil {
				return err
			}
		case thinned[keyOf(object)]:
			drop = append(drop, object)
		default:
			if err := e.o.Cache.Blobs().Unpin(object); err != nil {
				return err
			}
		}
	}
	if err := e.dropForGood(drop); err != nil {
		return err
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		for _, object := range objects {
			delete(e.doubted, object)
			if err := tx.Delete("doubt", object); err != nil {
				return err
			}
		}
		return nil
	})
}

// copied opens the states of a copy in the cache, of a state or of a head that
// carries some, that are not in use any more. A damaged copy is no copy.
func (e *Engine) copied(object string) (list []identified) {
	sealed, ok := e.o.Cache.Blobs().Get(object)
	if !ok {
		return nil
	}
	if !e.underHeads(object) {
		if _, _, _, used := e.inUse(object); used {
			return nil
		}
		key, name, _ := strings.Cut(object, "/")
		found, err := e.identify(container.Key(key), sealed)
		if err != nil {
			return nil
		}
		found.state.Name = name
		return []identified{found}
	}
	head, err := e.openHead(sealed)
	if err != nil {
		return nil
	}
	for i := range head.Talks {
		talk := &head.Talks[i]
		for j := range talk.Chunks {
			key := e.chunkKey(talk.Contact, talk.Chunks[j].Identifier)
			for k := range talk.Chunks[j].States {
				ref := &talk.Chunks[j].States[k]
				if _, _, _, used := e.inUse(string(key) + "/" + ref.Name); used || ref.Length == 0 {
					continue
				}
				plain, err := e.o.Sealer.OpenBody(nil, head.Body(ref))
				if err != nil {
					continue
				}
				var found identified
				if err := e.decodeAs(&found, container.KindChunk, key, plain); err == nil {
					found.state.Name = ref.Name
					list = append(list, found)
				}
			}
		}
	}
	return list
}

// unheld returns what a state holds that is nowhere in states in use, nil when
// all is.
func (e *Engine) unheld(ctx context.Context, found identified) (*identified, error) {
	if found.chunk == nil {
		held, err := e.held(ctx, found)
		if err != nil || held {
			return nil, err
		}
		return &found, nil
	}
	missing, err := e.missingIn(ctx, found)
	if err != nil {
		return nil, fmt.Errorf("engine: look for what a replaced state held: %w", err)
	}
	if len(missing.Messages)+len(missing.Tombstones) == 0 {
		return nil, nil
	}
	found.chunk = missing
	return &found, nil
}
