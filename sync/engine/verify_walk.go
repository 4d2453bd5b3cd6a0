package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// place is a container that a walk visits: the root (no contact), the list of a
// conversation (no chunk), or a chunk.
type place struct {
	Contact string                     `json:"contact,omitempty"`
	Chunk   *container.ChunkIdentifier `json:"chunk,omitempty"`
}

func comparePlaces(a, b place) int {
	if order := cmp.Compare(a.Contact, b.Contact); order != 0 || a.Chunk == nil && b.Chunk == nil {
		return order
	}
	switch {
	case a.Chunk == nil:
		return -1
	case b.Chunk == nil:
		return 1
	}
	return a.Chunk.Compare(*b.Chunk)
}

// places lists what is to be walked after the cursor.
func (v *verifier) places() []place {
	var all []place
	for _, contact := range v.contacts() {
		all = append(all, place{Contact: contact})
		conversation := v.snapshot(contact)
		if conversation == nil {
			continue // forgotten meanwhile
		}
		for _, chunk := range conversation.Chunks {
			all = append(all, place{Contact: contact, Chunk: &chunk.Identifier})
		}
	}
	return slices.DeleteFunc(all, func(at place) bool { return comparePlaces(at, v.cursor) <= 0 })
}

// statesOf are the states of a container.
func (v *verifier) statesOf(at place) []reconcile.State {
	if at.Contact == "" {
		v.mu.Lock()
		defer v.mu.Unlock()
		return slices.Clone(v.catalogue.Root)
	}
	conversation := v.snapshot(at.Contact)
	switch {
	case conversation == nil:
		return nil
	case at.Chunk == nil:
		return conversation.States
	}
	if chunk := conversation.Chunk(*at.Chunk); chunk != nil {
		return chunk.States
	}
	return nil
}

// walk is a look at one container. It belongs to one goroutine.
type walk struct {
	*verifier
	place place
	found Verification
	bad   []badState
	union *container.Chunk // of a whole chunk in which something known is missing
}

// badState is a state that is not as it should be, unless it was replaced.
type badState struct {
	object string
	reason error
}

func (w *walk) run(ctx context.Context) error {
	switch {
	case w.place.Contact == "":
		return w.root(ctx)
	case w.place.Chunk == nil:
		return w.conversation(ctx)
	}
	return w.chunk(ctx)
}

func (w *walk) report(kind, object, format string, arguments ...any) {
	w.found.Problems = append(w.found.Problems, Problem{Kind: kind, Object: object, Contact: w.place.Contact, Detail: fmt.Sprintf(format, arguments...)})
}

func (w *walk) faulty(object string, reason error) {
	kind, detail := fault(reason)
	if absent(reason) {
		kind, detail = "missing", "a head names this state and the place does not have it"
	}
	w.report(kind, object, "%s", detail)
	w.bad = append(w.bad, badState{object, reason})
}

// read reads a state from the provider, not from the cache. ok is false after a
// fault was reported.
func (w *walk) read(ctx context.Context, kind container.Kind, key container.Key, state reconcile.State) (found *content, ok bool, err error) {
	w.found.States++
	if state.Inline() {
		if found, err = w.inlineState(ctx, state); err != nil {
			w.report("damaged", w.headObject(state.Head), "an inline state can't be read: %v", err)
			return nil, false, ctx.Err()
		}
		return found, true, nil
	}
	object := string(key) + "/" + state.Name
	sealed, err := w.store.Get(ctx, object)
	if absent(err) {
		w.suspect(missing(object, w.place.Contact), "")
	}
	if err == nil {
		found, err = w.open(kind, key, sealed)
	}
	if err == nil && !fits(kind, state, found) {
		err = errSwapped
	}
	if err == nil {
		w.readable(object)
		return found, true, nil
	}
	if !unusable(err) {
		return nil, false, err
	}
	w.faulty(object, err)
	return nil, false, nil
}

func (w *walk) root(ctx context.Context) error {
	listed := make(map[string]bool)
	for _, state := range w.statesOf(w.place) {
		found, ok, err := w.read(ctx, container.KindRoot, w.o.Root, state)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		root, err := container.DecodeRoot(found.plain)
		if err != nil {
			w.faulty(string(w.o.Root)+"/"+state.Name, err)
			continue
		}
		for _, contact := range slices.Concat(root.Conversations, root.Names) {
			listed[contact] = true
		}
	}
	for _, contact := range w.contacts() {
		if !listed[contact] {
			w.found.Problems = append(w.found.Problems, Problem{Kind: "unlisted", Object: string(w.conversationKey(contact)), Contact: contact,
				Detail: "the root does not list this conversation"})
		}
	}
	return nil
}

func (w *walk) conversation(ctx context.Context) error {
	w.found.Conversations++
	conversation := w.snapshot(w.place.Contact)
	if conversation == nil {
		return nil
	}
	key := w.conversationKey(w.place.Contact)
	listed := make(map[container.ChunkIdentifier]bool)
	for _, state := range conversation.States {
		found, ok, err := w.read(ctx, container.KindConversation, key, state)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		list, err := container.DecodeConversation(found.plain)
		if err != nil {
			w.faulty(string(key)+"/"+state.Name, err)
			continue
		}
		for _, identifier := range list.Chunks {
			listed[identifier] = true
		}
	}
	for _, chunk := range conversation.Chunks {
		if !listed[chunk.Identifier] {
			w.report("unlisted", string(w.chunkKey(w.place.Contact, chunk.Identifier)), "the conversation does not list chunk %d", chunk.Identifier.ID)
		}
		delete(listed, chunk.Identifier)
	}
	for identifier := range listed {
		w.report("dangling", string(w.chunkKey(w.place.Contact, identifier)), "the conversation lists chunk %d, which has no state", identifier.ID)
	}
	return nil
}

func (w *walk) chunk(ctx context.Context) error {
	w.found.Chunks++
	if !w.options.Deep {
		return w.outline(ctx)
	}
	key := w.chunkKey(w.place.Contact, *w.place.Chunk)
	var parts []*container.Chunk
	for _, state := range w.statesOf(w.place) {
		found, ok, err := w.read(ctx, container.KindChunk, key, state)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		part, err := found.asChunk()
		if err != nil {
			w.faulty(string(key)+"/"+state.Name, err)
			continue
		}
		if part.Contact != "" && (part.Contact != w.place.Contact || part.Identifier != *w.place.Chunk) {
			w.faulty(string(key)+"/"+state.Name, errSwapped)
		}
		parts = append(parts, part)
	}
	union := container.UnionChunk(parts...)
	union.Contact, union.Identifier = w.place.Contact, *w.place.Chunk
	w.found.Messages += len(union.Messages)
	w.found.Tombstones += len(union.Tombstones)
	w.strays(key, union)
	return w.against(key, union)
}

// strays reports messages outside the time of their chunk.
func (w *walk) strays(key container.Key, union *container.Chunk) {
	conversation := w.snapshot(w.place.Contact)
	if conversation.Chunk(union.Identifier) == nil {
		return // forgotten meanwhile
	}
	at := slices.IndexFunc(conversation.Chunks, func(chunk reconcile.Chunk) bool { return chunk.Identifier == union.Identifier })
	from, to := reconcile.Covers(conversation.Chunks, at)
	for _, message := range union.Messages {
		if message.Timestamp < from || message.Timestamp >= to {
			w.report("stray", string(key), "a message of %d lies outside its chunk", message.Timestamp)
		}
	}
}

// against compares a chunk with what this device ever saw in it.
func (w *walk) against(key container.Key, union *container.Chunk) error {
	base, err := w.base(key)
	if err != nil {
		return err
	}
	extents := w.extents(w.place.Contact)
	shown := make(map[container.MessageHash]bool)
	for _, item := range itemsOf(union) {
		shown[item.hash] = true
	}
	for _, item := range base {
		at := reconcile.Covering(extents, item.timestamp)
		if !shown[item.hash] && at >= 0 && w.chunkKey(w.place.Contact, extents[at].Identifier) == key {
			w.report("lost", string(key), "a message of %d that this device saw is not there any more", item.timestamp)
			w.union = union
		}
	}
	return nil
}

// outline compares the states of a chunk with the listing. One that the listing
// does not show may be newer than it, so it is asked for by name.
func (w *walk) outline(ctx context.Context) error {
	key := w.chunkKey(w.place.Contact, *w.place.Chunk)
	for _, state := range w.statesOf(w.place) {
		w.found.Messages += int(state.Items)
		if state.Inline() {
			w.found.States++
			continue
		}
		object := string(key) + "/" + state.Name
		size, shown := w.listed[object]
		kept, cached := w.o.Cache.Blobs().Get(object)
		if shown && size > 0 && (!cached || size == int64(len(kept))) {
			w.found.States++
			continue
		}
		if _, _, err := w.read(ctx, container.KindChunk, key, state); err != nil {
			return err
		}
	}
	return nil
}
