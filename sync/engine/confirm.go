package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// look reads the heads once more and lets the journal forget what it may
// (invariant 2).
func (e *Engine) look(ctx context.Context, report *Report) error {
	n, err := e.pull(ctx)
	report.Pulled += n
	if err != nil {
		return err
	}
	if err := e.learn(); err != nil {
		return err
	}
	n, err = e.confirm()
	report.Confirmed += n
	return err
}

// confirm goes through what was written before the last look. An item whose
// chunk still is the one that covers it leaves the journal; any other one is
// pending again and goes to the chunk that covers it now.
func (e *Engine) confirm() (int, error) {
	confirmed := 0
	e.mu.Lock()
	owed := e.owed
	e.owed = nil
	e.mu.Unlock()
	for i, b := range owed {
		if b.look >= e.passes || !e.isShown(b.head) {
			e.mu.Lock()
			e.owed = append(e.owed, b)
			e.mu.Unlock()
			continue
		}
		n, err := e.confirmBatch(b)
		confirmed += n
		if err != nil {
			if n == 0 {
				i-- // it is owed as before
			}
			e.mu.Lock()
			e.owed = append(e.owed, owed[i+1:]...)
			e.mu.Unlock()
			return confirmed, err
		}
	}
	return confirmed, nil
}

// isShown tells whether a listing showed a head, or one that stands for it.
func (e *Engine) isShown(name string) bool {
	if name == "" {
		return true
	}
	incarnation, sequence, ok := container.ParseHeadName(name)
	if !ok {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, live := range e.heads {
		if live.shown && live.stands(incarnation, sequence) {
			return true
		}
	}
	return false
}

// confirmBatch returns how many items left the journal. With an error and none it
// changed nothing.
func (e *Engine) confirmBatch(b batch) (int, error) {
	var ids []cache.EntryID
	var bytes int64
	var failed error
	bases := make(map[container.Key][]known)
	again := make(map[string][]entry)
	for contact, items := range b.items {
		extents := e.extents(contact)
		shown := make(map[container.ChunkIdentifier][]known)
		hidden := e.hiddenCounter(contact)
		for _, item := range items {
			if item.kind == journalHidden && item.timestamp <= hidden {
				ids = append(ids, item.id)
				continue
			}
			at := reconcile.Covering(extents, item.timestamp)
			if at < 0 || extents[at].Identifier != item.chunk {
				again[contact] = append(again[contact], item.entry)
				continue
			}
			ids = append(ids, item.id)
			bytes += int64(item.size)
			shown[item.chunk] = append(shown[item.chunk], item.item)
		}
		for identifier, items := range shown {
			bases[e.chunkKey(contact, identifier)] = items
		}
	}
	if err := e.remember(bases); err != nil {
		return 0, err
	}
	if len(ids) > 0 {
		// What the journal forgets must be known as long as the place may lose it.
		if err := e.o.Cache.Records().Sync(); err != nil {
			return 0, fmt.Errorf("engine: keep what was confirmed: %w", err)
		}
		// The journal knows them no more even when it could not write that down.
		if failed = e.o.Cache.Journal().Forget(ids...); failed != nil {
			failed = fmt.Errorf("engine: forget journal entries: %w", failed)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count -= len(ids)
	e.bytes -= bytes
	for contact, entries := range again {
		e.pending[contact] = append(e.pending[contact], entries...)
		e.news.changed(contact)
	}
	return len(ids), failed
}

func (e *Engine) extents(contact string) []reconcile.Extent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.catalogue.Conversations[contact].Extents()
}

// remember adds items to the bases of their chunks in one transaction.
func (e *Engine) remember(bases map[container.Key][]known) error {
	e.mu.Lock()
	largest := e.largest
	e.mu.Unlock()
	err := e.addToBases(bases, func(tx *cache.Tx) error {
		return e.putRecord(tx, "meta", "largest", binary.BigEndian.AppendUint64(nil, uint64(largest)))
	})
	if err != nil {
		return fmt.Errorf("engine: remember items: %w", err)
	}
	for key, items := range bases {
		e.found(key, items)
	}
	return nil
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
