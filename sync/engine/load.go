package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

var (
	errSwapped = errors.New("the state belongs to another container")
	errGone    = errors.New("the state is gone from the place and from the cache")
)

// plainState returns what a state holds: from the head that carries it,
// from the cache, or from the provider. fetched tells that the provider was
// asked. Several readers of one object share one fetch. An object of its own is
// taken when it has the length that the head says and fits finds it fit; nil is
// no further question.
func (e *Engine) plainState(ctx context.Context, kind container.Kind, key container.Key, state reconcile.State, fits func(found *content) bool) (found *content, fetched bool, err error) {
	if state.Inline() {
		found, err = e.inlineState(ctx, state)
		return found, false, err
	}
	fit := func(found *content) bool {
		return int64(len(found.plain)) == state.Size && (fits == nil || fits(found))
	}
	object := string(key) + "/" + state.Name
	if sealed, ok := e.o.Cache.Blobs().Get(object); ok {
		if found, err := e.open(kind, key, sealed); err == nil && fit(found) {
			return found, false, nil
		}
	}
	found, err = e.fetch(ctx, kind, key, object)
	if err == nil && !fit(found) {
		// The seal binds the container, not the name within it.
		e.accuse(object, "", errSwapped)
		return nil, true, fmt.Errorf("engine: open %s: %w", object, errSwapped)
	}
	if err == nil {
		e.readable(object)
	}
	return found, true, err
}

// fits tells whether a content can be that of a state.
func fits(kind container.Kind, state reconcile.State, found *content) bool {
	if int64(len(found.plain)) != state.Size || kind != container.KindChunk {
		return int64(len(found.plain)) == state.Size
	}
	chunk, err := found.decoded()
	return err != nil || describes(state, chunk) // told when it is decoded for use
}

// describes tells whether a chunk holds as many items as a state says, over the same
// span. Two states that agree in all that are told apart only by a device that
// holds a copy.
func describes(state reconcile.State, chunk *container.Chunk) bool {
	first, last := span(chunk)
	return int64(len(chunk.Messages)+len(chunk.Tombstones)) == state.Items && first == state.First && last == state.Last
}

// fetch reads an object and keeps its sealed bytes in the cache. The fetch is
// not bound to one caller's context, since others may share it; it ends with
// the engine.
func (e *Engine) fetch(ctx context.Context, kind container.Kind, key container.Key, object string) (*content, error) {
	done := e.flight.DoChan(object, func() (any, error) {
		if !e.begin() {
			return nil, ErrClosed
		}
		defer e.background.Done()
		sealed, err := e.o.Store.Get(e.stopped, object)
		if absent(err) {
			e.suspect(missing(object, ""), "")
		}
		if err != nil {
			return nil, fmt.Errorf("engine: fetch %s: %w", object, err)
		}
		found, err := e.open(kind, key, sealed)
		if err != nil {
			e.accuse(object, "", err)
			return nil, fmt.Errorf("engine: open %s: %w", object, err)
		}
		return found, e.o.Cache.Blobs().Put(object, sealed, false)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-done:
		found, _ := result.Val.(*content)
		return found, result.Err
	}
}

func (e *Engine) inlineState(ctx context.Context, state reconcile.State) (*content, error) {
	body, err := e.inlineBody(ctx, state)
	if err != nil {
		return nil, err
	}
	return e.openBody(body)
}

// inlineFresh reads an inline state from the provider, past the cache.
func (e *Engine) inlineFresh(ctx context.Context, state reconcile.State) (*content, error) {
	sealed, err := e.o.Store.Get(ctx, e.headObject(state.Head))
	if err != nil {
		return nil, fmt.Errorf("engine: read head %s: %w", state.Head, err)
	}
	head, err := e.openNamed(state.Head, sealed)
	if err != nil {
		return nil, fmt.Errorf("engine: open head %s: %w", state.Head, err)
	}
	body, ok := bodiesOf(head)[state.Name]
	if !ok {
		return nil, fmt.Errorf("engine: state %s is not in its head: %w", state.Name, errGone)
	}
	return e.openBody(body)
}

// inlineBodies returns the bodies that a head carries, by state. The few that
// were read last are kept, since many small states travel in one head.
func (e *Engine) inlineBodies(ctx context.Context, name string) (map[string][]byte, error) {
	if bodies, kept := e.recentBodies(name); kept {
		return bodies, nil
	}
	head, err := e.loadHead(ctx, name)
	if err != nil {
		return nil, err
	}
	return e.keepBodies(name, head), nil
}

// recentBodies are the bodies of a head, when it is one of those read last.
func (e *Engine) recentBodies(name string) (bodies map[string][]byte, kept bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, read := range e.recent {
		if read.name == name {
			return read.bodies, true
		}
	}
	return nil, false
}

// keepBodies keeps the bodies of a head that was read, and returns them.
func (e *Engine) keepBodies(name string, head *container.Head) map[string][]byte {
	read := recentHead{name: name, size: len(head.Bodies), bodies: bodiesOf(head)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recent = append(e.recent, read)
	size := 0
	for i := len(e.recent) - 1; i >= 0; i-- {
		if size += e.recent[i].size; size > recentBytes && i < len(e.recent)-1 {
			e.recent = slices.Clone(e.recent[i+1:])
			break
		}
	}
	return read.bodies
}

// bodiesOf copies the bodies out of a head, which lets go of its directory.
func bodiesOf(head *container.Head) map[string][]byte {
	all := bytes.Clone(head.Bodies)
	bodies := make(map[string][]byte)
	for ref := range head.States() {
		if ref.Length > 0 {
			bodies[ref.Name] = all[ref.Offset : ref.Offset+ref.Length]
		}
	}
	return bodies
}

// recentBytes bounds the bodies that are kept.
const recentBytes = 2 << 20

type recentHead struct {
	name   string
	size   int
	bodies map[string][]byte
}

// chunkState loads one state of a chunk and checks that it is of that chunk.
func (e *Engine) chunkState(ctx context.Context, contact string, identifier container.ChunkIdentifier, state reconcile.State) (chunk *container.Chunk, fetched bool, err error) {
	key := e.chunkKey(contact, identifier)
	found, fetched, err := e.plainState(ctx, container.KindChunk, key, state, func(found *content) bool {
		return fits(container.KindChunk, state, found)
	})
	if err != nil {
		return nil, fetched, err
	}
	if chunk, err = found.asChunk(); err != nil {
		return nil, fetched, fmt.Errorf("engine: decode %s/%s: %w", key, state.Name, err)
	}
	if chunk.Contact != "" && (chunk.Contact != contact || chunk.Identifier != identifier) {
		e.accuse(string(key)+"/"+state.Name, contact, errSwapped)
		return nil, fetched, fmt.Errorf("engine: decode %s/%s: %w", key, state.Name, errSwapped)
	}
	chunk.Contact, chunk.Identifier = contact, identifier
	return chunk, fetched, nil
}

// wanted is a state that a reader asks for, with its place.
type wanted struct {
	identifier container.ChunkIdentifier
	state      reconcile.State
}

// loadChunks loads states side by side, in the order asked for. What came from
// the provider is added to the base.
func (e *Engine) loadChunks(ctx context.Context, contact string, states []wanted) (chunks []*container.Chunk, fetched int, err error) {
	chunks = make([]*container.Chunk, len(states))
	came := make([]bool, len(states))
	if err := e.abreast(ctx, len(states), func(ctx context.Context, i int) (err error) {
		chunks[i], came[i], err = e.chunkState(ctx, contact, states[i].identifier, states[i].state)
		return err
	}); err != nil {
		return nil, 0, err
	}
	bases := make(map[container.Key][]known)
	for i, chunk := range chunks {
		if came[i] {
			fetched++
			key := e.chunkKey(contact, states[i].identifier)
			bases[key] = append(bases[key], e.placed(contact, states[i].identifier, chunk)...)
		}
	}
	if len(bases) == 0 {
		return chunks, fetched, nil
	}
	return chunks, fetched, e.remember(bases)
}

// placed lists the items of a state that its chunk really covers: only those
// belong into its base.
func (e *Engine) placed(contact string, identifier container.ChunkIdentifier, chunk *container.Chunk) []known {
	extents := e.extents(contact)
	return slices.DeleteFunc(itemsOf(chunk), func(item known) bool {
		at := reconcile.Covering(extents, item.timestamp)
		return at < 0 || extents[at].Identifier != identifier
	})
}

// absent tells a definite "not found" from a place that can't be reached.
func absent(err error) bool { return isAny(err, providers.ErrNotFound, errGone) }

// unusable tells a state that is not there, or not as it should be, from a
// place that can't be reached. The rest of the work goes on without it.
func unusable(err error) bool {
	return absent(err) || isAny(err, errSwapped, seal.ErrDamaged, seal.ErrOtherKey, seal.ErrNewerVersion, seal.ErrTooLarge,
		seal.ErrFormNotAllowed, container.ErrSyntax, container.ErrField, container.ErrKind, container.ErrHash, container.ErrHead)
}
