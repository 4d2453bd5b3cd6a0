package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// dangles takes the error of work on a conversation, contact "" for the root.
// That a state is not there mostly means that another device replaced it since
// the last look, so the work is left for after the next one; any other error
// is returned.
func (e *Engine) dangles(contact string, err error) error {
	if !unusable(err) {
		return err
	}
	if _, known := e.dangling[contact]; !known {
		e.dangling[contact] = e.passes
	}
	return nil
}

// resolveDangling looks after states that were still not found after another
// look at the heads.
func (e *Engine) resolveDangling(ctx context.Context) error {
	for _, contact := range slices.Sorted(maps.Keys(e.dangling)) {
		if e.dangling[contact] >= e.passes {
			continue
		}
		delete(e.dangling, contact) // resolve leaves it again for a later look where it must
		if err := e.resolve(ctx, contact); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds out, for every object that the catalogue names in a
// conversation (or the root), whether it is there. One that is gone is written
// again from the cache; else, when what is left shows everything that was in
// it, it counts as replaced; else it is reported.
func (e *Engine) resolve(ctx context.Context, contact string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, _ := e.newOutgoing(ctx)
	if err := e.resolveInto(ctx, out, contact); err != nil {
		cancel()
		_ = out.chunks.Wait() // what was begun ends with this turn; err is why
		return err
	}
	return e.publish(ctx, out)
}

// resolveInto stages what resolve writes.
func (e *Engine) resolveInto(ctx context.Context, out *outgoing, contact string) error {
	conversation := e.snapshot(contact)
	if conversation == nil {
		conversation = &reconcile.Conversation{}
	}
	for _, chunk := range conversation.Chunks {
		gone, err := e.goneStates(ctx, container.KindChunk, e.chunkKey(contact, chunk.Identifier), contact, chunk.States)
		if err != nil {
			return err
		}
		if err := e.resolveChunk(ctx, out, contact, chunk, gone); err != nil {
			return err
		}
	}
	if contact != "" {
		if err := e.resolveList(ctx, out, conversation); err != nil {
			return err
		}
	}
	return e.resolveRoot(ctx, out)
}

// goneStates asks for each object by name and heals from the cache what it can.
// gone are those that are surely not there: a look after a vain attempt still
// shows them in use. What else was not found waits for the next look.
func (e *Engine) goneStates(ctx context.Context, kind container.Kind, key container.Key, contact string, states []reconcile.State) (gone []reconcile.State, err error) {
	for _, state := range states {
		object := string(key) + "/" + state.Name
		if state.Inline() {
			continue // heads are looked after by pull
		}
		err := e.reread(ctx, kind, key, object, state)
		if err == nil {
			e.readable(object)
			continue
		}
		if !unusable(err) {
			return nil, fmt.Errorf("engine: look for %s: %w", object, err)
		}
		mended, mendErr := e.care(ctx, kind, object, contact, state, err)
		if mendErr != nil {
			return nil, mendErr
		}
		// What can't be opened stays: a newer program, or another key, may.
		switch {
		case mended || !absent(err):
		case e.present("missing", object):
			gone = append(gone, state)
		default:
			e.dangling[contact] = e.passes
		}
	}
	return gone, nil
}

// reread reads an object from the provider and opens it. What the cache holds of
// it tells even states of one size apart.
func (e *Engine) reread(ctx context.Context, kind container.Kind, key container.Key, object string, state reconcile.State) error {
	sealed, err := e.o.Store.Get(ctx, object)
	if err != nil {
		return err
	}
	found, err := e.open(kind, key, sealed)
	if err != nil {
		if kept, ok := e.whole(kind, key, object, state); ok {
			err = altered(kept, sealed, err)
		}
		return err
	}
	if !fits(kind, state, found) {
		return errSwapped
	}
	if kept, ok := e.o.Cache.Blobs().Get(object); !ok || !bytes.Equal(kept, sealed) {
		if _, ok := e.whole(kind, key, object, state); ok {
			return errSwapped
		}
	}
	e.compareList(kind, key, &state, found)
	return nil
}

// whole returns the bytes that the cache holds of an object, when they are what
// they should be: a damaged copy is no copy.
func (e *Engine) whole(kind container.Kind, key container.Key, object string, state reconcile.State) ([]byte, bool) {
	sealed, ok := e.o.Cache.Blobs().Get(object)
	if !ok {
		return nil, false
	}
	found, err := e.open(kind, key, sealed)
	return sealed, err == nil && fits(kind, state, found)
}

// sound returns the bytes that the cache holds of an object whose place in the
// catalogue may be unknown, when they open as what their name says.
func (e *Engine) sound(object string) ([]byte, bool) {
	sealed, ok := e.o.Cache.Blobs().Get(object)
	if !ok {
		return nil, false
	}
	return sealed, e.opens(object, sealed) == nil
}

// mend writes an object again when the cache holds it whole.
func (e *Engine) mend(ctx context.Context, kind container.Kind, key container.Key, object string, state reconcile.State) (bool, error) {
	sealed, ok := e.whole(kind, key, object, state)
	if !ok {
		return false, nil
	}
	return true, e.putWhole(ctx, object, sealed, true)
}

// resolveChunk decides what became of gone states of one chunk.
func (e *Engine) resolveChunk(ctx context.Context, out *outgoing, contact string, chunk reconcile.Chunk, gone []reconcile.State) error {
	if len(gone) == 0 || e.o.Store.Properties().Carried {
		return nil // carried files come late; heads there name all that was replaced
	}
	key := e.chunkKey(contact, chunk.Identifier)
	prefix := string(key) + "/"
	left := slices.DeleteFunc(slices.Clone(chunk.States), func(s reconcile.State) bool {
		return slices.ContainsFunc(gone, func(g reconcile.State) bool { return g.Name == s.Name })
	})
	var spare []string
	for object, err := range e.o.Store.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("engine: list chunk: %w", err)
		}
		name := strings.TrimPrefix(object.Name, prefix)
		if slices.ContainsFunc(chunk.States, func(s reconcile.State) bool { return s.Name == name }) {
			continue
		}
		if e.isReplaced(object.Name) || e.isGone(object.Name) {
			spare = append(spare, object.Name)
			continue
		}
		if err := e.adoptObject(ctx, out, object.Name); err != nil {
			return err
		}
	}
	if found := out.news.Conversations[contact].Chunk(chunk.Identifier); found != nil {
		left = append(left, found.States...)
	}
	for _, state := range gone {
		elsewhere, err := e.outlived(ctx, out, contact, state, gone)
		if err != nil {
			return err
		}
		if !elsewhere {
			return e.salvage(ctx, out, contact, chunk.Identifier, left, gone, spare)
		}
	}
	if len(left) == 0 {
		return e.writeChunk(ctx, out, &container.Chunk{Contact: contact, Identifier: chunk.Identifier}, gone)
	}
	defer e.explained(prefix, gone, "what is left shows all that was in it")
	heir := left[0]
	heir.Replaces = distinct(slices.Concat(heir.Replaces, names(gone)))
	if heir.Inline() {
		body, err := e.inlineBody(ctx, heir)
		if err != nil {
			return err
		}
		out.bodies[heir.Name] = body
	}
	out.news.AddChunk(contact, chunk.Identifier, heir)
	return nil
}

// outlived tells whether what is there can be all that a gone state held, see fills,
// whichever chunk it stands in, and misses nothing there that this device ever saw.
// A state is removed only in favour of one that holds what it held, and items move
// between chunks; so it was replaced then, and the head that says so came to
// nobody's notice, or left the name out.
func (e *Engine) outlived(ctx context.Context, out *outgoing, contact string, state reconcile.State, gone []reconcile.State) (bool, error) {
	conversation := e.snapshot(contact)
	if added := out.news.Conversations[contact]; added != nil {
		united := reconcile.Catalogue{Conversations: map[string]*reconcile.Conversation{contact: conversation}}
		united.Unite(&reconcile.Catalogue{Conversations: map[string]*reconcile.Conversation{contact: added}})
	}
	shown := make(shownItems)
	var bases []known
	for _, chunk := range conversation.Chunks {
		base, err := e.base(e.chunkKey(contact, chunk.Identifier))
		if err != nil {
			return false, err
		}
		bases = append(bases, base...)
		for _, other := range chunk.States {
			isGone := slices.ContainsFunc(gone, func(g reconcile.State) bool { return g.Name == other.Name })
			if isGone || other.First > state.Last || other.Last < state.First {
				continue
			}
			content, _, err := e.chunkState(ctx, contact, chunk.Identifier, other)
			if unusable(err) {
				continue // it shows nothing
			}
			if err != nil {
				return false, err
			}
			shown.add(content)
		}
	}
	lost := slices.ContainsFunc(bases, func(item known) bool {
		return item.flags&knownMissing == 0 && item.timestamp >= state.First && item.timestamp <= state.Last && !shown.has(item.hash)
	})
	return !lost && shown.fills(&state), nil
}

// resolveList writes the list of a conversation anew when a state of it is
// gone: the catalogue knows its chunks.
func (e *Engine) resolveList(ctx context.Context, out *outgoing, conversation *reconcile.Conversation) error {
	key := e.conversationKey(conversation.Contact)
	gone, err := e.goneStates(ctx, container.KindConversation, key, conversation.Contact, conversation.States)
	if err != nil || len(gone) == 0 || e.o.Store.Properties().Carried {
		return err // a carried list comes late, and may say what is not known here
	}
	list := &container.Conversation{Contact: conversation.Contact, Replaces: names(gone)}
	for _, chunk := range conversation.Chunks {
		list.Chunks = append(list.Chunks, chunk.Identifier)
	}
	state, up, err := e.writeList(out, container.KindConversation, key, list.AppendJSON(nil), gone)
	if err != nil {
		return err
	}
	out.news.AddConversation(conversation.Contact, state)
	if up != nil {
		out.conversations = append(out.conversations, *up)
	}
	e.explained(string(key)+"/", gone, "written anew from the catalogue")
	return nil
}

// resolveRoot does the same for the root.
func (e *Engine) resolveRoot(ctx context.Context, out *outgoing) error {
	e.mu.Lock()
	states := slices.Clone(e.catalogue.Root)
	e.mu.Unlock()
	gone, err := e.goneStates(ctx, container.KindRoot, e.o.Root, "", states)
	if err != nil || len(gone) == 0 || e.o.Store.Properties().Carried {
		return err // a carried list comes late, and may say what is not known here
	}
	contacts := e.contacts()
	root := &container.Root{Conversations: slices.Clone(contacts), Names: contacts, Hidden: e.hiddenCounters()}
	if err := e.replaceRoot(out, root, gone); err != nil {
		return err
	}
	e.explained(string(e.o.Root)+"/", gone, "written anew from the catalogue")
	return nil
}

// inlineBody returns the stored body of an inline state, as a head carries it.
func (e *Engine) inlineBody(ctx context.Context, state reconcile.State) ([]byte, error) {
	bodies, err := e.inlineBodies(ctx, state.Head)
	if err != nil {
		return nil, err
	}
	body, ok := bodies[state.Name]
	if !ok {
		return nil, fmt.Errorf("engine: state %s is not in its head: %w", state.Name, errGone)
	}
	return body, nil
}
