package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// An object that a state in use names as replaced may go. Who replaced it read it
// for that, but a name can also stand there because the object was missing and
// what was left seemed to show all that was in it; and a place that withheld it
// can show it again. So whoever removes what another one named reads it first:
// what is nowhere else is written again, under a new name, in its favour.

// sift reads objects that states in use name as replaced, and rescues what they
// alone hold. idle are those that may go; waits tells that for another one this
// can't be said yet, since not all that is in use can be read.
func (e *Engine) sift(ctx context.Context, objects []string) (idle []string, waits bool, err error) {
	out, groupContext := e.newOutgoing(ctx)
	for _, object := range objects {
		sealed, err := e.o.Store.Get(ctx, object)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, false, out.fail(fmt.Errorf("engine: read %s: %w", object, err))
		}
		key, name, _ := strings.Cut(object, "/")
		found, err := e.identify(container.Key(key), sealed)
		if e.isDebris(object, sealed, err) {
			if err := e.sweepDebris(ctx, object, sealed); err != nil {
				return nil, false, out.fail(err)
			}
			continue
		}
		if err != nil {
			continue // a newer program's, perhaps
		}
		found.state.Name = name
		held, err := e.held(ctx, found)
		switch {
		case unusable(err):
			waits = true
			continue
		case err == nil && held:
			idle = append(idle, object)
			continue
		case err == nil:
			err = e.rescue(groupContext, out, found)
		}
		if err != nil {
			return nil, false, out.fail(err)
		}
	}
	return idle, waits, e.publish(ctx, out)
}

// removeNamed removes what sift says may go, of containers that are whole at the
// place: after that was rolled back, a replaced object may be all that is there
// of what replaced it.
func (e *Engine) removeNamed(ctx context.Context, objects []string) error {
	looked := make(map[container.Key]bool)
	var named []string
	for _, object := range objects {
		text, _, _ := strings.Cut(object, "/")
		key := container.Key(text)
		if _, known := looked[key]; !known {
			whole, err := e.containerWhole(ctx, key)
			if err != nil {
				return err
			}
			looked[key] = whole
		}
		if looked[key] {
			named = append(named, object)
		}
	}
	idle, _, err := e.sift(ctx, named)
	if err != nil {
		return err
	}
	return e.remove(ctx, idle)
}

// rescue stages what a state holds as a new state that replaces it.
func (e *Engine) rescue(ctx context.Context, out *outgoing, found identified) error {
	switch {
	case found.chunk != nil:
		if err := e.listAdopted(out, found); err != nil {
			return err
		}
		e.touched[found.contact] = true
		return e.writeChunk(ctx, out, found.chunk, []reconcile.State{found.state})
	case found.list != nil:
		return e.stageLists(out, found.contact, found.list.Chunks, false)
	}
	out.contacts = append(out.contacts, found.root.Names...)
	return nil
}

// held tells whether all that a state holds is in states in use: its items, as
// they are or removed, in chunks; its identifiers and names in the catalogue.
func (e *Engine) held(ctx context.Context, found identified) (bool, error) {
	switch {
	case found.chunk != nil:
		missing, err := e.missingIn(ctx, found, nil)
		return err == nil && len(missing.Messages)+len(missing.Tombstones) == 0, err
	case found.list != nil:
		conversation := e.snapshot(found.contact)
		return !slices.ContainsFunc(found.list.Chunks, func(identifier container.ChunkIdentifier) bool {
			return conversation.Chunk(identifier) == nil
		}), nil
	}
	contacts := e.contacts()
	return !slices.ContainsFunc(found.root.Names, func(name string) bool { return !slices.Contains(contacts, name) }), nil
}

// missingIn reads the states of a conversation that reach into the time of a
// chunk's items and returns those that none of them shows. It fails where one
// can't be read. What it loads is kept in loaded for the next questions; nil keeps
// nothing.
func (e *Engine) missingIn(ctx context.Context, found identified, loaded *loadedStates) (*container.Chunk, error) {
	conversation := e.snapshot(found.contact)
	if conversation == nil {
		return container.UnionChunk(found.chunk), nil
	}
	var parts []*container.Chunk
	for _, chunk := range conversation.Chunks {
		for _, state := range chunk.States {
			if state.Name == found.state.Name || state.First > found.state.Last || state.Last < found.state.First {
				continue
			}
			part := loaded.find(state.Name)
			if part == nil {
				var err error
				if part, _, err = e.chunkState(ctx, found.contact, chunk.Identifier, state); err != nil {
					return nil, err
				}
				loaded.keep(&state, part)
			}
			parts = append(parts, part)
		}
	}
	return lacking(container.UnionChunk(parts...), found.chunk), nil
}

// lacking returns what of a chunk is not held by another content: neither as it
// is, nor joined into something greater, nor removed there.
func lacking(held, chunk *container.Chunk) *container.Chunk {
	missing := container.UnionChunk(chunk)
	removed := make(map[container.MessageHash]bool, len(held.Tombstones))
	for _, tombstone := range held.Tombstones {
		removed[tombstone.Hash] = true
	}
	shown := make(map[container.MessageHash]container.Envelope, len(held.Messages))
	for _, message := range held.Messages {
		shown[message.Hash] = message
	}
	missing.Messages = slices.DeleteFunc(missing.Messages, func(message container.Envelope) bool {
		have, there := shown[message.Hash]
		whole := there && bytes.Equal(container.Join(have, message).JSON, have.JSON)
		return removed[message.Hash] || whole
	})
	missing.Tombstones = slices.DeleteFunc(missing.Tombstones, func(t container.Tombstone) bool { return removed[t.Hash] })
	return missing
}

// loadedStates are states of chunks that were read a moment ago, by name. Nobody
// changes them.
type loadedStates struct {
	chunks map[string]*container.Chunk
	bytes  int64
}

// loadedBytes bounds what is kept, in bytes of plaintext.
const loadedBytes = 16 << 20

func (l *loadedStates) find(name string) *container.Chunk {
	if l == nil {
		return nil
	}
	return l.chunks[name]
}

func (l *loadedStates) keep(state *reconcile.State, chunk *container.Chunk) {
	if l == nil {
		return
	}
	if l.bytes += state.Size; l.chunks == nil || l.bytes > loadedBytes {
		l.chunks, l.bytes = make(map[string]*container.Chunk), state.Size
	}
	l.chunks[state.Name] = chunk
}
