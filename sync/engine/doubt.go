package engine

import (
	"context"
	"fmt"
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
// hold what was deleted does not wait for one. Meanwhile readers are shown what
// the copy holds.

// doubt notes copies that others replaced. A name that the cache does not hold is
// passed over.
func (e *Engine) doubt(objects []string) error {
	objects = slices.DeleteFunc(objects, func(object string) bool { return !e.o.Cache.Blobs().Has(object) })
	if len(objects) == 0 {
		return nil
	}
	return e.changeDoubts(objects, nil, func(tx *cache.Tx) error {
		for _, object := range objects {
			if err := e.putRecord(tx, "doubt", object, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// replacedBy lists the objects in use that a head calls replaced.
func (e *Engine) replacedBy(head *container.Head) (objects []string) {
	replaced := make(map[string]bool)
	for ref := range head.States() {
		for _, name := range ref.Replaces {
			replaced[name] = true
		}
	}
	if len(replaced) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		if replaced[state.Name] && !state.Inline() { // a head is in doubt when it goes
			_, key := e.locate(contact, identifier)
			objects = append(objects, string(key)+"/"+state.Name)
		}
		return true
	})
	return objects
}

// doubted returns what copies in doubt hold of a range of a conversation, in
// objects and in heads: until it was found elsewhere, a reader is shown it, too.
func (e *Engine) doubted(contact string, r Range) (parts []*container.Chunk, err error) {
	objects, err := e.doubtfulIn(contact)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if !slices.ContainsFunc(e.reach(object), func(o outline) bool { return o.contact == contact && o.first < r.To && o.last >= r.From }) {
			continue
		}
		for _, found := range e.copied(object, func(of string) bool { return of == contact }) {
			if found.chunk != nil {
				parts = append(parts, found.chunk)
			}
		}
	}
	return parts, nil
}

// outline is where the items of a copy stand, or of a part of it.
type outline struct {
	contact     string
	identifier  container.ChunkIdentifier
	first, last int64
}

// reach outlines the chunks of a copy in doubt, those included that are in use. The
// copy is opened only for the first question: copies wait long and are asked about
// in each pass.
func (e *Engine) reach(object string) []outline {
	e.mu.Lock()
	outlines, known := e.reaches[object]
	e.mu.Unlock()
	if known {
		return outlines
	}
	outlines = e.outline(object)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.doubts.known || e.doubts.objects[object] { // else somebody has settled it meanwhile
		e.reaches[object] = outlines
		e.placeDoubt(object, outlines)
	}
	return outlines
}

func (e *Engine) outline(object string) (outlines []outline) {
	sealed, ok := e.o.Cache.Blobs().Get(object)
	if !ok {
		return nil
	}
	if !e.underHeads(object) {
		key, _, _ := strings.Cut(object, "/")
		if found, err := e.identify(container.Key(key), sealed); err == nil && found.chunk != nil {
			outlines = append(outlines, outline{found.contact, *found.identifier, found.state.First, found.state.Last})
		}
		return outlines
	}
	head, err := e.openHead(sealed)
	if err != nil {
		return nil
	}
	for _, talk := range head.Talks {
		for _, chunk := range talk.Chunks {
			for _, ref := range chunk.States {
				if ref.Length > 0 {
					outlines = append(outlines, outline{talk.Contact, chunk.Identifier, ref.First, ref.Last})
				}
			}
		}
	}
	return outlines
}

// settleDoubts looks for what doubted copies hold, writes again what is nowhere
// else, and lets go of them: of all, or of those that may hold what was deleted
// and those where nothing is to be fetched. Where a state in use can't be read,
// the copy waits.
func (e *Engine) settleDoubts(ctx context.Context, all bool) error {
	objects, err := e.doubtful()
	if err != nil || len(objects) == 0 {
		return err
	}
	thinned := e.thinned()
	out, groupContext := e.newOutgoing(ctx)
	var over []string
	loaded := &loadedStates{} // many copies are of the same few chunks
	for _, object := range objects {
		outlines := e.reach(object)
		urgent := slices.ContainsFunc(outlines, func(o outline) bool { return thinned[string(e.chunkKey(o.contact, o.identifier))] })
		if !all && !urgent && !e.areHere(outlines) {
			continue
		}
		waits := false
		for _, found := range e.copied(object, func(string) bool { return true }) {
			missing, err := e.unheld(ctx, found, loaded)
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

// areHere tells whether the cache has all states in use that reach into the time
// of some chunks.
func (e *Engine) areHere(outlines []outline) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range outlines {
		conversation := e.catalogue.Conversations[o.contact]
		if conversation == nil {
			continue
		}
		for _, chunk := range conversation.Chunks {
			for i := range chunk.States {
				if state := &chunk.States[i]; state.First <= o.last && state.Last >= o.first && !e.isHere(o.contact, chunk.Identifier, state) {
					return false
				}
			}
		}
	}
	return true
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
	err = e.changeDoubts(nil, objects, func(tx *cache.Tx) error { return deleteRecords(tx, "doubt", objects) })
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, object := range objects {
		delete(e.reaches, object)
	}
	return err
}

// copied opens the states of a copy in the cache, of a state or of a head that
// carries some, that are not in use any more and that are of conversations asked
// for. A damaged copy is no copy.
func (e *Engine) copied(object string, of func(contact string) bool) (list []identified) {
	sealed, ok := e.o.Cache.Blobs().Get(object)
	if !ok {
		return nil
	}
	if !e.underHeads(object) {
		key, name, _ := strings.Cut(object, "/")
		found, err := e.identify(container.Key(key), sealed)
		if err != nil || !of(found.contact) || e.uses(found.contact, found.identifier, name) {
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
		if !of(talk.Contact) {
			continue
		}
		for j := range talk.Chunks {
			key := e.chunkKey(talk.Contact, talk.Chunks[j].Identifier)
			for k := range talk.Chunks[j].States {
				ref := &talk.Chunks[j].States[k]
				if ref.Length == 0 || e.uses(talk.Contact, &talk.Chunks[j].Identifier, ref.Name) {
					continue
				}
				content, err := e.openBody(head.Body(ref))
				if err != nil {
					continue
				}
				var found identified
				if err := e.decodeAs(&found, container.KindChunk, key, content); err == nil {
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
func (e *Engine) unheld(ctx context.Context, found identified, loaded *loadedStates) (*identified, error) {
	if found.chunk == nil {
		held, err := e.held(ctx, found)
		if err != nil || held {
			return nil, err
		}
		return &found, nil
	}
	missing, err := e.missingIn(ctx, found, loaded)
	if err != nil {
		return nil, fmt.Errorf("engine: look for what a replaced state held: %w", err)
	}
	if len(missing.Messages)+len(missing.Tombstones) == 0 {
		return nil, nil
	}
	found.chunk = missing
	return &found, nil
}
