package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// Debris is an object that nothing names and that can't be opened: a write that
// was cut short, at a place where such a thing can be. Nobody can have relied on
// it, since whoever reads it reads nothing. Its writer removes what it finds torn
// when it reads back; what a crash left goes when a later scrub finds the same
// bytes again (an upload under way would have changed them). What may be another
// account's, or a newer program's, stays for ever.

// errTorn is a read-back that found other bytes than were acknowledged.
var errTorn = fmt.Errorf("%w: other bytes are there", errNotShown)

// putNew puts an object that nobody knows of yet, and takes it away again when
// it is not whole. When that fails a scrub finds it.
func (e *Engine) putNew(ctx context.Context, object string, sealed []byte, proof bool) error {
	err := e.putWhole(ctx, object, sealed, proof)
	if !errors.Is(err, errTorn) {
		return err
	}
	if deleteErr := e.o.Store.Delete(ctx, object); deleteErr != nil {
		e.o.Log.Warn("a torn object stays for a scrub", "object", object, "error", deleteErr)
	}
	return err
}

// isDebris tells whether an object that nothing names is a torn write of this
// account: err is why it can't be opened.
func (e *Engine) isDebris(object string, sealed []byte, err error) bool {
	if !isAny(err, seal.ErrDamaged, container.ErrHead) {
		return false
	}
	if e.o.Sealer.IsOurs(sealed) {
		return true
	}
	// Too short to say whose it is: only its place can.
	key, _, _ := strings.Cut(object, "/")
	return e.ownKeys()[container.Key(key)]
}

// ownKeys are the keys of all containers that the catalogue knows, and the heads'.
func (e *Engine) ownKeys() map[container.Key]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := map[container.Key]bool{e.headsKey: true, e.o.Root: true}
	for contact, conversation := range e.catalogue.Conversations {
		keys[e.conversationKey(contact)] = true
		for _, chunk := range conversation.Chunks {
			keys[e.chunkKey(contact, chunk.Identifier)] = true
		}
	}
	return keys
}

// sweepDebris removes debris that an earlier scrub saw with the same bytes, and
// remembers it otherwise.
func (e *Engine) sweepDebris(ctx context.Context, object string, sealed []byte) error {
	sum := sha256.Sum256(sealed)
	seen, known, err := e.record("debris", object)
	if err != nil {
		return err
	}
	if !known || !bytes.Equal(seen, sum[:]) {
		return e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putRecord(tx, "debris", object, sum[:]) })
	}
	if !e.o.Store.Properties().Deletes {
		return nil
	}
	if err := e.o.Store.Delete(ctx, object); err != nil {
		return fmt.Errorf("engine: remove torn object %s: %w", object, err)
	}
	e.readable(object) // nothing is wrong with it any more
	return e.dropRecords("debris", object)
}

// sweepHeads looks at the heads that a listing shows and that no live head is or
// stands for: pull could not open them. One that is another head, which this
// device does not have, is written under its own name: a head says which it is.
func (e *Engine) sweepHeads(ctx context.Context, names []string) error {
	foreign, unreadable := make(map[string][]byte), make(map[string][]byte)
	for _, name := range names {
		if e.isExplained(name) {
			continue
		}
		object := e.headObject(name)
		sealed, err := e.o.Store.Get(ctx, object)
		if absent(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("engine: read head %s: %w", name, err)
		}
		head, err := e.openNamed(name, sealed)
		if errors.Is(err, errForeignHead) {
			if own := container.HeadName(head.Incarnation, head.Sequence); !e.isExplained(own) {
				foreign[own] = sealed
			}
		}
		if err != nil && e.isDebris(object, sealed, err) {
			unreadable[name] = sealed
		}
	}
	for _, own := range slices.Sorted(maps.Keys(foreign)) {
		if err := e.putWhole(ctx, e.headObject(own), foreign[own], true); err != nil {
			return err
		}
		delete(unreadable, own)
	}
	for _, name := range slices.Sorted(maps.Keys(unreadable)) {
		if err := e.sweepDebris(ctx, e.headObject(name), unreadable[name]); err != nil {
			return err
		}
	}
	return nil
}

// isExplained tells whether a head is live, or another one stands for it.
func (e *Engine) isExplained(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heads[name] != nil || e.covered(name)
}
