package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// scrub lists everything at the provider and compares it with the catalogue:
// states that no head names are adopted or, when something replaced them,
// removed; states that are gone are written again from the cache or reported;
// replacements are looked at a second time; every conversation that is out of
// shape is marked for maintenance.
func (e *Engine) scrub(ctx context.Context) error {
	e.leftover = true // until its end, also when a step of it publishes
	if _, err := e.pull(ctx); err != nil {
		return err
	}
	gone, unnamed, heads, err := e.compareObjects(ctx)
	if err != nil {
		return err
	}
	if err := e.sweepHeads(ctx, heads); err != nil {
		return err
	}
	if err := e.resolveGone(ctx, gone); err != nil {
		return err
	}
	if err := e.adoptUnnamed(ctx, unnamed); err != nil {
		return err
	}
	if err := e.sight(ctx, true); err != nil {
		return err
	}
	if err := e.settleDoubts(ctx, true); err != nil {
		return err
	}
	if err := e.rereadHeads(ctx); err != nil {
		return err
	}
	if err := e.rereadSome(ctx); err != nil {
		return err
	}
	if err := e.findUnsaid(ctx); err != nil {
		return err
	}
	e.markShapeless()
	e.leftover = false
	return e.setDirty(false)
}

// compareObjects lists all objects: gone are those that the catalogue names
// and the listing does not, unnamed the other way round; heads are the names of
// all heads.
func (e *Engine) compareObjects(ctx context.Context) (gone map[string]string, unnamed, heads []string, err error) {
	named := e.namedObjects()
	listed := int64(0)
	for object, err := range e.o.Store.List(ctx, "") {
		if err != nil {
			return nil, nil, nil, fmt.Errorf("engine: list objects: %w", err)
		}
		if listed++; listed%1000 == 0 {
			e.progress("scrub", listed, 0, "objects")
		}
		if name, isHead := strings.CutPrefix(object.Name, string(e.headsKey)+"/"); isHead {
			heads = append(heads, name)
			continue
		}
		if _, ok := named[object.Name]; ok {
			delete(named, object.Name)
			continue
		}
		unnamed = append(unnamed, object.Name)
	}
	return named, unnamed, heads, nil
}

// namedObjects are the objects of the states in use, with their contacts.
func (e *Engine) namedObjects() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.objectsOf(&e.catalogue)
}

// resolveGone looks after the conversations of objects that a listing did not
// show.
func (e *Engine) resolveGone(ctx context.Context, gone map[string]string) error {
	if len(gone) == 0 {
		return nil
	}
	// A listing takes its time: what was replaced meanwhile is no loss.
	if _, err := e.pull(ctx); err != nil {
		return err
	}
	for object := range gone {
		if _, _, _, ok := e.inUse(object); !ok {
			delete(gone, object)
		}
	}
	contacts := slices.Sorted(maps.Values(gone))
	for _, contact := range slices.Compact(contacts) {
		if err := e.resolve(ctx, contact); err != nil {
			return err
		}
	}
	return nil
}

// adoptUnnamed takes states that no head names into the catalogue, and removes
// those that a state in use names as replaced, or that this device remembers so:
// they would be passed over wherever they stand.
func (e *Engine) adoptUnnamed(ctx context.Context, objects []string) error {
	out, _ := e.newOutgoing(ctx)
	var leftover []string
	for i, object := range objects {
		e.progress("adopt", int64(i), int64(len(objects)), "objects")
		if e.isReplaced(object) || e.isGone(object) {
			leftover = append(leftover, object)
			continue
		}
		if err := e.adoptObject(ctx, out, object); err != nil {
			return err
		}
	}
	if err := e.publish(ctx, out); err != nil {
		return err
	}
	return e.removeNamed(ctx, leftover)
}

// containerWhole reads all states of a container from the provider.
func (e *Engine) containerWhole(ctx context.Context, key container.Key) (bool, error) {
	named := e.namedObjects()
	for _, object := range slices.Sorted(maps.Keys(named)) {
		contact := named[object]
		if !strings.HasPrefix(object, string(key)+"/") {
			continue
		}
		kind, _, state, ok := e.inUse(object)
		if !ok {
			continue
		}
		err := e.reread(ctx, kind, key, object, state)
		if unusable(err) {
			if _, err = e.care(ctx, kind, object, contact, state, err); err == nil {
				e.dangling[contact] = e.passes
			}
			return false, err
		}
		if err != nil {
			return false, fmt.Errorf("engine: look at %s: %w", object, err)
		}
	}
	return true, nil
}

func (e *Engine) isReplaced(object string) bool {
	key, name, _ := strings.Cut(object, "/")
	replaced := false
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		if slices.Contains(state.Replaces, name) {
			_, owner := e.locate(contact, identifier)
			replaced = string(owner) == key
		}
		return !replaced
	})
	return replaced
}

// adoptObject reads an object that nothing names and, when it is a state of
// this account, puts it into the next head.
func (e *Engine) adoptObject(ctx context.Context, out *outgoing, object string) error {
	sealed, err := e.o.Store.Get(ctx, object)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: read %s: %w", object, err)
	}
	key, name, _ := strings.Cut(object, "/")
	found, err := e.identify(container.Key(key), sealed)
	if err != nil {
		return e.passOver(ctx, object, sealed, err)
	}
	e.readable(object)
	found.state.Name = name
	// Its writer may have stopped before it kept a copy, and what it replaced goes.
	if err := e.o.Cache.Blobs().Put(object, sealed, false); err != nil {
		return fmt.Errorf("engine: keep %s: %w", object, err)
	}
	// Where files come late, or listings are old, its head may be under way, and with
	// it other states that hold what this one left out.
	if properties := e.o.Store.Properties(); properties.Carried || !properties.CurrentListings {
		found.state.Replaces = nil
	}
	// Its writer stopped before the head; what it replaced is still there.
	var replaced []reconcile.State
	for _, old := range found.state.Replaces {
		replaced = append(replaced, reconcile.State{StateRef: container.StateRef{Name: old}})
	}
	// That it held all of them is its writer's word.
	out.replace(object, container.Key(key), replaced, true)
	if err := e.doubt(prefixed(key, found.state.Replaces)); err != nil {
		return err
	}
	e.mu.Lock()
	found.state.Replaces = e.catalogue.Inherit(found.contact, found.identifier, found.state.Replaces)
	e.mu.Unlock()
	switch {
	case found.identifier != nil:
		if err := e.listAdopted(out, found); err != nil {
			return err
		}
		if chunk := e.snapshot(found.contact).Chunk(*found.identifier); chunk != nil {
			out.force = out.force || slices.ContainsFunc(chunk.States, func(s reconcile.State) bool {
				return s.Inline() && slices.Contains(found.state.Replaces, s.Name) // what it left out may be deleted
			})
		}
		out.news.AddChunk(found.contact, *found.identifier, found.state)
		e.touched[found.contact] = true
	case found.contact != "":
		out.news.AddConversation(found.contact, found.state)
	default:
		out.news.AddRoot(found.state)
	}
	return nil
}

// passOver leaves an object alone that nothing names and that can't be opened,
// unless it is debris. It is no alarm: nobody said that it is whole.
func (e *Engine) passOver(ctx context.Context, object string, sealed []byte, why error) error {
	debris := e.isDebris(object, sealed, why)
	if !debris && isAny(why, seal.ErrOtherKey, seal.ErrDamaged) {
		return nil // another account's, for all that can be told
	}
	kind, detail := fault(why)
	e.problem(Problem{Kind: kind, Object: object, Detail: detail + "; no head names it"})
	if !debris {
		return nil
	}
	return e.sweepDebris(ctx, object, sealed)
}

// listAdopted publishes the identifier of an adopted chunk that is new: its
// writer stopped before it did so.
func (e *Engine) listAdopted(out *outgoing, found identified) error {
	e.mu.Lock()
	conversation := e.catalogue.Conversations[found.contact]
	e.mu.Unlock()
	staged := out.news.Conversations[found.contact]
	if conversation.Chunk(*found.identifier) != nil || staged.Chunk(*found.identifier) != nil {
		return nil
	}
	return e.stageLists(out, found.contact, []container.ChunkIdentifier{*found.identifier}, conversation == nil && staged == nil)
}

// identified is what a sealed object says that it is.
type identified struct {
	contact    string
	identifier *container.ChunkIdentifier
	state      reconcile.State
	root       *container.Root
	list       *container.Conversation
	chunk      *container.Chunk
}

// identify opens a state of unknown kind. The container key, which the seal
// binds, must be the one that follows from what the state says of itself.
func (e *Engine) identify(key container.Key, sealed []byte) (identified, error) {
	var found identified
	var first error
	for _, kind := range []container.Kind{container.KindChunk, container.KindConversation, container.KindRoot} {
		content, err := e.open(kind, key, sealed)
		if err == nil {
			found = identified{}
			found.state.Size = int64(len(content.plain))
			err = e.decodeAs(&found, kind, key, content)
		}
		if err == nil {
			return found, nil
		}
		if first == nil || errors.Is(first, container.ErrKind) {
			first = err // the dm3 seal does not bind the kind: only decoding tells
		}
	}
	return identified{}, first
}

func (e *Engine) decodeAs(found *identified, kind container.Kind, key container.Key, content *content) (err error) {
	expected := e.o.Root
	switch kind {
	case container.KindChunk:
		if found.chunk, err = content.asChunk(); err != nil {
			return err
		}
		found.contact, found.identifier = found.chunk.Contact, &found.chunk.Identifier
		found.state.Describe(found.chunk)
		found.state.Replaces = found.chunk.Replaces
		expected = e.chunkKey(found.contact, *found.identifier)
	case container.KindConversation:
		if found.list, err = container.DecodeConversation(content.plain); err != nil {
			return err
		}
		found.contact, found.state.Replaces = found.list.Contact, found.list.Replaces
		expected = e.conversationKey(found.contact)
	default:
		if found.root, err = container.DecodeRoot(content.plain); err != nil {
			return err
		}
		found.state.Replaces = found.root.Replaces
	}
	if key != expected {
		return errSwapped
	}
	return nil
}

// markShapeless marks the conversations that maintenance has work with.
func (e *Engine) markShapeless() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for contact, conversation := range e.catalogue.Conversations {
		if e.shapeless(conversation) {
			e.strayed = append(e.strayed, contact)
		}
		if conversation.Purges() {
			e.purges[contact] = true
		}
	}
}

// shapeless tells whether maintenance has work with a conversation. The caller
// holds e.mu.
func (e *Engine) shapeless(conversation *reconcile.Conversation) bool {
	limit := max(int64(e.o.ChunkLimit), e.catalogue.Limit)
	if len(conversation.Strays()) > 0 {
		return true
	}
	for _, i := range conversation.Overfull(limit) {
		if !e.uncut[conversation.Chunks[i].States[0].Name] {
			return true
		}
	}
	for i, chunk := range conversation.Chunks {
		if len(reconcile.Compact(chunk.States, i+1 < len(conversation.Chunks), false)) > 0 {
			return true
		}
	}
	return len(reconcile.Compact(conversation.States, false, false)) > 0
}
