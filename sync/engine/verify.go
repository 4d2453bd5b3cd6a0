package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// verifier walks the tree once.
type verifier struct {
	*Engine
	tally   sync.Mutex // guards all below
	found   Verification
	listed  map[string]int64
	visited map[string]bool
}

// Verify reads the whole tree from the provider: every object opens and is
// what its place says; chunks partition time; every chunk is listed by its
// conversation and every conversation by the root; every state is named by a
// head and nothing else lies there. It reads a few conversations at a time and changes
// nothing; the next pass looks after the states that it found wanting.
func (e *Engine) Verify(ctx context.Context) (Verification, error) {
	if err := e.takeTurn(ctx); err != nil {
		return Verification{}, err
	}
	defer func() { <-e.turn }()
	if _, err := e.pull(ctx); err != nil {
		return Verification{}, fmt.Errorf("engine: verify: %w", err)
	}
	v := &verifier{Engine: e, listed: make(map[string]int64), visited: make(map[string]bool)}
	v.found.Problems = []Problem{}
	for _, step := range []func(context.Context) error{v.list, v.root, v.conversations, v.orphans} {
		if err := step(ctx); err != nil {
			return v.found, fmt.Errorf("engine: verify: %w", err)
		}
	}
	return v.found, nil
}

func (v *verifier) list(ctx context.Context) error {
	for object, err := range v.o.Store.List(ctx, "") {
		if err != nil {
			return err
		}
		v.found.Objects++
		v.found.Bytes += object.Size
		if name, ok := strings.CutPrefix(object.Name, string(v.headsKey)+"/"); ok {
			v.found.Heads++
			if err := v.head(ctx, name); err != nil {
				return err
			}
			continue
		}
		v.listed[object.Name] = object.Size
	}
	return nil
}

// head reads a head from the provider, not from the cache.
func (v *verifier) head(ctx context.Context, name string) error {
	sealed, err := v.o.Store.Get(ctx, v.headObject(name))
	if absent(err) {
		return nil // absorbed meanwhile
	}
	if err != nil {
		return err
	}
	if _, err = v.openHead(sealed); err != nil {
		v.report("damaged", v.headObject(name), "", "this head can't be opened: %v", err)
	}
	return nil
}

// wants leaves a conversation with a state that is not as it should be to the
// next pass.
func (v *verifier) wants(contact string, err error) error {
	v.tally.Lock()
	defer v.tally.Unlock()
	return v.dangles(contact, err)
}

// count changes what was found so far, one caller at a time.
func (v *verifier) count(change func(*Verification)) {
	v.tally.Lock()
	defer v.tally.Unlock()
	change(&v.found)
}

func (v *verifier) report(kind, object, contact, format string, arguments ...any) {
	problem := Problem{Kind: kind, Object: object, Contact: contact, Detail: fmt.Sprintf(format, arguments...)}
	v.count(func(found *Verification) { found.Problems = append(found.Problems, problem) })
}

// plain reads a state from the provider, not from the cache. ok is false after
// a problem was reported.
func (v *verifier) plain(ctx context.Context, kind container.Kind, key container.Key, contact string, state reconcile.State) (plain []byte, ok bool, err error) {
	v.count(func(found *Verification) { found.States++ })
	if state.Inline() {
		if plain, err = v.inlineState(ctx, state); err != nil {
			v.report("damaged", v.headObject(state.Head), contact, "an inline state can't be read: %v", err)
			return nil, false, ctx.Err()
		}
		return plain, true, nil
	}
	object := string(key) + "/" + state.Name
	v.count(func(*Verification) { v.visited[object] = true })
	sealed, err := v.o.Store.Get(ctx, object)
	switch {
	case absent(err):
		v.report("missing", object, contact, "a head names this state and the provider does not have it")
		return nil, false, v.wants(contact, err)
	case err != nil:
		return nil, false, err
	}
	if plain, err = v.o.Sealer.Open(nil, kind, key, sealed); err != nil {
		v.report("damaged", object, contact, "the state can't be opened: %v", err)
		return nil, false, v.wants(contact, err)
	}
	if int64(len(plain)) != state.Size {
		v.report("swapped", object, contact, "the object holds another state of the same container")
		return nil, false, v.wants(contact, errSwapped)
	}
	return plain, true, nil
}

func (v *verifier) root(ctx context.Context) error {
	v.mu.Lock()
	states := slices.Clone(v.catalogue.Root)
	v.mu.Unlock()
	listed := make(map[string]bool)
	for _, state := range states {
		plain, ok, err := v.plain(ctx, container.KindRoot, v.o.Root, "", state)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		root, err := container.DecodeRoot(plain)
		if err != nil {
			v.report("damaged", string(v.o.Root)+"/"+state.Name, "", "the state can't be read: %v", err)
			continue
		}
		for _, contact := range slices.Concat(root.Conversations, root.Names) {
			listed[contact] = true
		}
	}
	for _, contact := range v.contacts() {
		if !listed[contact] {
			v.report("unlisted", string(v.conversationKey(contact)), contact, "the root does not list this conversation")
		}
	}
	return nil
}

// conversations walks the conversations side by side, each on its own.
func (v *verifier) conversations(ctx context.Context) error {
	contacts := v.contacts()
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(v.parallel())
	for i, contact := range contacts {
		v.progress("verify", int64(i), int64(len(contacts)), "conversations")
		group.Go(func() error { return v.conversation(groupContext, v.snapshot(contact)) })
	}
	return group.Wait()
}

func (v *verifier) conversation(ctx context.Context, conversation *reconcile.Conversation) error {
	v.count(func(found *Verification) { found.Conversations++ })
	contact := conversation.Contact
	key := v.conversationKey(contact)
	listed := make(map[container.ChunkIdentifier]bool)
	for _, state := range conversation.States {
		plain, ok, err := v.plain(ctx, container.KindConversation, key, contact, state)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		list, err := container.DecodeConversation(plain)
		if err != nil {
			v.report("damaged", string(key)+"/"+state.Name, contact, "the state can't be read: %v", err)
			continue
		}
		for _, identifier := range list.Chunks {
			listed[identifier] = true
		}
	}
	for i, chunk := range conversation.Chunks {
		v.count(func(found *Verification) { found.Chunks++ })
		if !listed[chunk.Identifier] {
			v.report("unlisted", string(v.chunkKey(contact, chunk.Identifier)), contact, "the conversation does not list chunk %d", chunk.Identifier.ID)
		}
		delete(listed, chunk.Identifier)
		if err := v.chunk(ctx, conversation, i); err != nil {
			return err
		}
	}
	for identifier := range listed {
		v.report("dangling", string(v.chunkKey(contact, identifier)), contact, "the conversation lists chunk %d, which has no state", identifier.ID)
	}
	return nil
}

func (v *verifier) chunk(ctx context.Context, conversation *reconcile.Conversation, i int) error {
	contact, chunk := conversation.Contact, conversation.Chunks[i]
	key := v.chunkKey(contact, chunk.Identifier)
	var parts []*container.Chunk
	for _, state := range chunk.States {
		plain, ok, err := v.plain(ctx, container.KindChunk, key, contact, state)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		part, err := container.DecodeChunk(plain)
		if err != nil {
			v.report("damaged", string(key)+"/"+state.Name, contact, "the state can't be read: %v", err)
			continue
		}
		if part.Contact != "" && (part.Contact != contact || part.Identifier != chunk.Identifier) {
			v.report("swapped", string(key)+"/"+state.Name, contact, "the state says that it belongs to another chunk")
		}
		parts = append(parts, part)
	}
	union := container.UnionChunk(parts...)
	v.count(func(found *Verification) {
		found.Messages += len(union.Messages)
		found.Tombstones += len(union.Tombstones)
	})
	from, to := reconcile.Covers(conversation.Chunks, i)
	for _, message := range union.Messages {
		if message.Timestamp < from || message.Timestamp >= to {
			v.report("stray", string(key), contact, "a message of %d lies outside its chunk", message.Timestamp)
		}
	}
	return v.against(key, contact, union)
}

// against compares a chunk with what this device ever saw in it.
func (v *verifier) against(key container.Key, contact string, union *container.Chunk) error {
	base, err := v.base(key)
	if err != nil {
		return err
	}
	extents := v.extents(contact)
	shown := make(map[container.MessageHash]bool)
	for i := range union.Messages {
		shown[union.Messages[i].Hash] = true
	}
	for _, tombstone := range union.Tombstones {
		shown[tombstone.Hash] = true
	}
	for _, item := range base {
		at := reconcile.Covering(extents, item.timestamp)
		if !shown[item.hash] && at >= 0 && v.chunkKey(contact, extents[at].Identifier) == key {
			v.report("lost", string(key), contact, "a message of %d that this device saw is not there any more", item.timestamp)
		}
	}
	return nil
}

// orphans looks at the objects that no head names.
func (v *verifier) orphans(ctx context.Context) error {
	for object := range v.listed {
		if v.visited[object] {
			continue
		}
		sealed, err := v.o.Store.Get(ctx, object)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		key, _, _ := strings.Cut(object, "/")
		found, err := v.identify(container.Key(key), sealed)
		switch {
		case isAny(err, seal.ErrOtherKey, seal.ErrDamaged) && !v.isDebris(object, sealed, err):
			v.found.Foreign++
		case err == nil && v.o.Store.Properties().Carried && v.isLeftover(ctx, object, found):
			v.found.Leftovers++
		case err != nil:
			v.report("damaged", object, "", "no head names this object and it can't be read: %v", err)
		default:
			v.report("orphan", object, "", "no head names this state; dm3sync sync --scrub takes care of it")
		}
	}
	return nil
}

// isLeftover tells whether a carried folder still has what was replaced.
func (v *verifier) isLeftover(ctx context.Context, object string, found identified) bool {
	_, found.state.Name, _ = strings.Cut(object, "/")
	held, err := v.held(ctx, found)
	return err == nil && held
}
