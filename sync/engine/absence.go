package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// offerAgain compares all that a chunk shows with its base. What this device
// saw there once and the provider no longer shows is not deleted for it: only a
// tombstone deletes (invariant 3). It is reported, and offered again, tombstones
// first, as far as bodies that were replaced are still in the cache.
func (e *Engine) offerAgain(ctx context.Context, whole *container.Chunk) error {
	key := e.chunkKey(whole.Contact, whole.Identifier)
	base, err := e.base(key)
	if err != nil {
		return err
	}
	if base, err = e.shownAgain(key, base, whole); err != nil {
		return err
	}
	missing := e.missingItems(base, whole)
	if len(missing) == 0 {
		return nil
	}
	bodies, err := e.retained(key)
	if err != nil {
		return err
	}
	var contents []journalled
	for i := range missing {
		missing[i].flags |= knownMissing
		item := missing[i]
		if item.flags&knownTombstone != 0 {
			contents = append(contents, journalled{tombstone: true, contact: whole.Contact,
				envelope: container.Envelope{Hash: item.hash, Timestamp: item.timestamp}})
			continue
		}
		if envelope, ok := bodies[item.hash]; ok {
			contents = append(contents, journalled{contact: whole.Contact, envelope: envelope})
		}
	}
	slices.SortStableFunc(contents, func(a, b journalled) int { return boolOrder(b.tombstone) - boolOrder(a.tombstone) })
	// No race: these states and the chunks that cover what are of one look, and
	// the base holds only what stood here. It ends when they are shown again.
	e.problem(Problem{Kind: "lost", Alarm: !e.o.Store.Properties().Carried, Container: "chunk", Object: string(key), Contact: whole.Contact,
		Detail: fmt.Sprintf("the place no longer shows %d messages that this device saw; %d are offered again", len(missing), len(contents))})
	// The offer first: a crash in between only offers twice.
	if err := e.journal(ctx, contents); err != nil {
		return err
	}
	return e.addToBases(map[container.Key][]known{key: missing}, nil)
}

// shownAgain clears the flag of items that were missing and are shown again, or
// removed.
func (e *Engine) shownAgain(key container.Key, base []known, whole *container.Chunk) ([]known, error) {
	there := make(map[container.MessageHash]bool)
	for _, item := range itemsOf(whole) {
		there[item.hash] = true
	}
	var again []known
	for _, item := range base {
		if item.flags&knownMissing != 0 && there[item.hash] {
			item.flags &^= knownMissing
			again = append(again, item)
		}
	}
	if len(again) == 0 {
		return base, nil
	}
	bases := map[container.Key][]known{key: again}
	err := e.addToBases(bases, nil)
	if err == nil {
		e.found(key, bases[key])
	}
	return bases[key], err
}

// found ends the report of lost items of a chunk when none is missing any more.
func (e *Engine) found(key container.Key, base []known) {
	if e.present("lost", string(key)) && !slices.ContainsFunc(base, func(item known) bool { return item.flags&knownMissing != 0 }) {
		e.healed("lost", string(key), "what was lost is shown again")
	}
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// missingItems are those of the base that belong to the chunk, are not known to
// be missing already, and neither shown nor removed there.
func (e *Engine) missingItems(base []known, whole *container.Chunk) []known {
	shown := make(map[container.MessageHash]bool, len(whole.Messages))
	removed := make(map[container.MessageHash]bool, len(whole.Tombstones))
	for i := range whole.Messages {
		shown[whole.Messages[i].Hash] = true
	}
	for _, tombstone := range whole.Tombstones {
		removed[tombstone.Hash] = true
	}
	extents := e.extents(whole.Contact)
	return slices.DeleteFunc(slices.Clone(base), func(item known) bool {
		at := reconcile.Covering(extents, item.timestamp)
		there := removed[item.hash] || item.flags&knownTombstone == 0 && shown[item.hash]
		return there || item.flags&knownMissing != 0 || at < 0 || extents[at].Identifier != whole.Identifier
	})
}

// retained opens the replaced bodies of one container that are still in the
// cache and returns their messages.
func (e *Engine) retained(key container.Key) (map[container.MessageHash]container.Envelope, error) {
	waiting, err := e.replacements()
	if err != nil {
		return nil, err
	}
	found := make(map[container.MessageHash]container.Envelope)
	for _, r := range waiting {
		for _, object := range r.old {
			for _, chunk := range e.retainedIn(key, object) {
				for _, message := range chunk.Messages {
					found[message.Hash] = message
				}
			}
		}
	}
	return found, nil
}

// retainedIn opens what a body in the cache, of a state or of a head that carries
// states, holds of a chunk. A damaged copy is no copy.
func (e *Engine) retainedIn(key container.Key, object string) (found []*container.Chunk) {
	mine := strings.HasPrefix(object, string(key)+"/")
	if !mine && !e.underHeads(object) {
		return nil
	}
	sealed, ok := e.o.Cache.Blobs().Get(object)
	if !ok {
		return nil
	}
	take := func(content *content, err error) {
		if err != nil {
			return
		}
		if chunk, err := content.asChunk(); err == nil {
			found = append(found, chunk)
		}
	}
	if mine {
		take(e.open(container.KindChunk, key, sealed))
		return found
	}
	head, err := e.openHead(sealed)
	if err != nil {
		return nil
	}
	for i := range head.Talks {
		for j, chunk := range head.Talks[i].Chunks {
			if e.chunkKey(head.Talks[i].Contact, chunk.Identifier) != key {
				continue
			}
			for s := range chunk.States {
				if ref := &head.Talks[i].Chunks[j].States[s]; ref.Length > 0 {
					take(e.openBody(head.Body(ref)))
				}
			}
		}
	}
	return found
}
