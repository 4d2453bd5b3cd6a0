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
	e.problem(Problem{Kind: "lost", Object: string(key), Contact: whole.Contact,
		Detail: fmt.Sprintf("the provider no longer shows %d messages that this device saw; %d are offered again", len(missing), len(contents))})
	// The offer first: a crash in between only offers twice.
	if err := e.journal(ctx, contents); err != nil {
		return err
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putBase(tx, key, joinKnown(base, missing)) })
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
			if !strings.HasPrefix(object, string(key)+"/") {
				continue
			}
			sealed, ok := e.o.Cache.Blobs().Get(object)
			if !ok {
				continue
			}
			plain, err := e.o.Sealer.Open(nil, container.KindChunk, key, sealed)
			if err != nil {
				continue // a damaged copy is no copy
			}
			chunk, err := container.DecodeChunk(plain)
			if err != nil {
				continue
			}
			for _, message := range chunk.Messages {
				found[message.Hash] = message
			}
		}
	}
	return found, nil
}
