package search

import (
	"context"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// take indexes messages and tombstones, as far as they are not there yet.
func (x *Index) take(ctx context.Context, contact string, items *container.Chunk) error {
	x.mu.Lock()
	contact = x.intern(contact)
	x.mu.Unlock()
	for _, t := range items.Tombstones {
		if err := x.bury(contact, t); err != nil {
			return err
		}
	}
	for i := range items.Messages {
		if err := x.add(contact, items.Messages[i]); err != nil {
			return err
		}
		if int64(x.buffer.bytes) >= x.o.Memory/4 {
			if err := x.flush(ctx); err != nil {
				return err
			}
			if err := x.maintain(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *Index) add(contact string, envelope container.Envelope) error {
	d := document{contact: contact, hash: envelope.Hash, at: envelope.Timestamp}
	if d.at < x.manifest.floor {
		return nil
	}
	if known, err := x.has(&d); err != nil || known {
		return err
	}
	if buried, err := x.buried(&d); err != nil || buried {
		return err
	}
	record := thread.Read(envelope)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.buffer.add(x.split, contact, &record)
	return nil
}

// has tells whether a document is there. Only the updater changes what is there, so it needs no lock.
func (x *Index) has(d *document) (bool, error) {
	if x.buffer.has(d) {
		return true, nil
	}
	for _, s := range x.segments {
		if known, err := s.has(d); err != nil || known {
			return known, err
		}
	}
	return false, nil
}

// buried tells whether a message has a tombstone.
func (x *Index) buried(d *document) (bool, error) {
	stone := *d
	stone.kind = kindTombstone
	if x.buffer.has(&stone) {
		return true, nil
	}
	for _, s := range x.segments {
		if s.info.tombstones == 0 {
			continue
		}
		if known, err := s.has(&stone); err != nil || known {
			return known, err
		}
	}
	return false, nil
}

// bury takes a tombstone in, and notes where its message is.
func (x *Index) bury(contact string, t container.Tombstone) error {
	d := document{contact: contact, hash: t.Hash, at: t.Timestamp}
	if known, err := x.buried(&d); err != nil || known {
		return err
	}
	for _, s := range x.segments {
		known, err := s.has(&d)
		if err != nil {
			return err
		}
		if known {
			s.info.dead++
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.buffer.bury(contact, t)
	return nil
}
