package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// restore writes again what this device holds, after a provider lost all of it or
// a part: states first, then the heads that name them. Heads that no device
// brought back are given up: the next head says that their absence means
// nothing. One that is brought back later still counts.
func (e *Engine) restore(ctx context.Context) error {
	objects := slices.Sorted(maps.Keys(e.namedObjects()))
	e.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(e.heads)) {
		objects = append(objects, e.headObject(name))
	}
	e.mu.Unlock()
	for i, object := range objects {
		e.progress("repair", int64(i), int64(len(objects)), "objects")
		sealed, ok := e.sound(object)
		if !ok {
			continue
		}
		if err := e.putWhole(ctx, object, sealed, true); err != nil {
			return err
		}
	}
	e.empty = 0
	e.healed("blocked", "root", "repair wrote again what this device holds")
	given, err := e.giveUpGaps(), error(nil)
	if given {
		_, err = e.writeHead(ctx, &reconcile.Catalogue{}, nil, false)
	}
	return err
}

// giveUpGaps calls the withheld heads void that this device never saw.
func (e *Engine) giveUpGaps() bool {
	given := false
	for name := range e.gaps {
		incarnation, sequence, ok := container.ParseHeadName(name)
		if !ok || !e.present("withheld", e.headObject(name)) {
			continue
		}
		e.callVoid(container.Cover{Incarnation: incarnation, From: sequence, To: sequence})
		e.healed("withheld", e.headObject(name), "given up by repair: no device brought it back")
		delete(e.gaps, name)
		given = true
	}
	return given
}

// forgotten are the buckets of the records that Forget empties. Which other
// devices there are stays known, and what is in the journal stays.
var forgotten = []string{"head", "base", "replaced", "doubt", "verify"}

// Forget starts anew with a provider: everything that this device knows of what
// is there (heads, base, bodies) is dropped from the cache, so that nothing of it
// is missed or written again. What was appended and not confirmed stays in the
// journal and is uploaded by the next pass. Past problems stay in the history.
func (e *Engine) Forget(ctx context.Context) error {
	if err := e.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-e.turn }()
	if err := e.forgetRecords(); err != nil {
		return fmt.Errorf("engine: forget: %w", err)
	}
	e.forgetMemory()
	if err := e.o.Cache.Blobs().Clear(); err != nil {
		return fmt.Errorf("engine: forget: %w", err)
	}
	e.saveProblems()
	e.setState("idle", nil)
	e.keepStatus()
	return nil
}

func (e *Engine) forgetRecords() error {
	keys := make(map[string][]string)
	for _, bucket := range forgotten {
		if err := e.o.Cache.Records().Each(bucket, func(key string, _ []byte) error {
			keys[bucket] = append(keys[bucket], key)
			return nil
		}); err != nil {
			return err
		}
	}
	return e.changeDoubts(nil, keys["doubt"], func(tx *cache.Tx) error {
		for bucket, list := range keys {
			if err := deleteRecords(tx, bucket, list); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetMemory begins a new incarnation that knows of no head. The caller holds
// the turn.
func (e *Engine) forgetMemory() {
	e.gaps, e.empty = nil, 0
	e.touched, e.short, e.suspects = make(map[string]bool), make(map[string]bool), make(map[string]int64)
	e.uncut, e.dangling, e.removals = make(map[string]bool), make(map[string]int64), nil
	e.mu.Lock()
	defer e.mu.Unlock()
	e.beginIncarnation()
	e.void = nil
	empty := reconcile.Catalogue{}
	empty.Succeed(&e.catalogue)
	e.catalogue, e.heads = empty, make(map[string]*liveHead)
	e.recent, e.received, e.remains, e.gone, e.since = nil, nil, nil, make(map[string]int64), make(map[string]int64)
	e.stale, e.strayed, e.suspicions = false, nil, make(map[string]suspicion)
	for _, b := range e.owed { // not confirmed: to be written again
		for contact, items := range b.items {
			for _, item := range items {
				e.pending[contact] = append(e.pending[contact], item.entry)
				e.news.changed(contact)
			}
		}
	}
	e.owed = nil
	for _, p := range slices.Collect(maps.Values(e.problems)) {
		if !strings.HasPrefix(p.Kind, "journal") && p.Kind != "cache" {
			e.lower(p.Kind, p.Object, "forgotten at the user's word")
		}
	}
	e.announce()
}
