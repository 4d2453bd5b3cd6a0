package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
)

// ErrNotHere is a piece that is not on this device.
var ErrNotHere = errors.New("not on this device")

// Piece is a state of a chunk in use, for those who want to see each once: what
// it holds never changes.
type Piece struct {
	ID          [16]byte // names this state and no other, for ever; it is no secret to who may read the account, and to nobody else
	Contact     string
	First, Last int64 // timestamps of its items, both included
	Items       int64 // messages and tombstones
	Messages    int64
	Here        bool       // reading it fetches nothing
	Replaces    [][16]byte // pieces that it is the union of; only of one that is not here
	want        wanted
}

// Pieces lists the states in use of a conversation, from what is known here.
func (e *Engine) Pieces(contact string) (list []Piece) {
	conversation := e.snapshot(contact)
	if conversation == nil {
		return nil
	}
	for i := range conversation.Chunks {
		chunk := &conversation.Chunks[i]
		for j := range chunk.States {
			state := &chunk.States[j]
			if state.Items == 0 {
				continue
			}
			p := Piece{
				ID: pieceID(contact, chunk.Identifier, state.Name), Contact: contact, First: state.First, Last: state.Last,
				Items: state.Items, Messages: state.Messages(), Here: e.isHere(contact, chunk.Identifier, state),
				want: wanted{chunk.Identifier, *state},
			}
			if !p.Here {
				for _, name := range state.Replaces {
					p.Replaces = append(p.Replaces, pieceID(contact, chunk.Identifier, name))
				}
			}
			list = append(list, p)
		}
	}
	return list
}

func pieceID(contact string, identifier container.ChunkIdentifier, name string) [16]byte {
	text := binary.BigEndian.AppendUint64(nil, uint64(identifier.ID))
	text = binary.BigEndian.AppendUint64(text, uint64(identifier.Timestamp))
	text = append(append(append(text, contact...), 0), name...)
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// ReadPiece returns what a piece holds. What is not on this device is
// ErrNotHere, or fetched; then the cache does not keep it, so that who reads all
// of a long history does not push out what others read.
func (e *Engine) ReadPiece(ctx context.Context, p Piece, fetch bool) (*container.Chunk, error) {
	if chunk, here := e.readHere(p.Contact, p.want); here {
		return chunk, nil
	}
	if p.Here && !fetch {
		if e.isHere(p.Contact, p.want.identifier, &p.want.state) {
			return nil, fmt.Errorf("engine: read %d messages of the cache: %w", p.Messages, cache.ErrDamaged)
		}
		return nil, ErrNotHere
	}
	if !fetch {
		return nil, ErrNotHere
	}
	plain, err := e.plainAway(ctx, p)
	if err != nil {
		return nil, err
	}
	chunk, err := container.DecodeChunk(plain)
	if err == nil && !p.want.state.Inline() && !describes(p.want.state, chunk) {
		err = errSwapped
	}
	if err != nil {
		return nil, fmt.Errorf("engine: decode a state: %w", err)
	}
	return chunk, nil
}

// plainAway reads a state from the provider.
func (e *Engine) plainAway(ctx context.Context, p Piece) ([]byte, error) {
	if p.want.state.Inline() {
		body, err := e.inlineBody(ctx, p.want.state)
		if err != nil {
			return nil, err
		}
		return e.o.Sealer.OpenBody(nil, body)
	}
	key := e.chunkKey(p.Contact, p.want.identifier)
	sealed, err := e.o.Store.Get(ctx, string(key)+"/"+p.want.state.Name)
	if err != nil {
		return nil, fmt.Errorf("engine: fetch a state: %w", err)
	}
	return e.o.Sealer.Open(nil, container.KindChunk, key, sealed)
}

// Unconfirmed hands out what the journal holds, in the order of its numbers,
// which only grow, from the first above after: an item in a chunk of its own. What
// can't be read is left out; passes report it.
func (e *Engine) Unconfirmed(ctx context.Context, after uint64, visit func(number uint64, contact string, items *container.Chunk) error) error {
	var sealed []byte
	for _, id := range e.journalled(cache.EntryID(after)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if sealed, err = e.o.Cache.Journal().Read(sealed[:0], id); err != nil {
			if errors.Is(err, cache.ErrNotFound) || damagedInCache(err) {
				continue // confirmed meanwhile, or reported by the next pass
			}
			return fmt.Errorf("engine: read journal: %w", err)
		}
		content, err := e.openEntry(sealed)
		if err != nil || content.hidden {
			continue
		}
		items := &container.Chunk{Contact: content.contact}
		if content.tombstone {
			items.Tombstones = []container.Tombstone{{Hash: content.envelope.Hash, Timestamp: content.envelope.Timestamp}}
		} else {
			items.Messages = []container.Envelope{content.envelope}
		}
		if err := visit(uint64(id), content.contact, items); err != nil {
			return err
		}
	}
	return nil
}

// CountUnconfirmed tells how many messages and deletions Unconfirmed would hand out: of one contact, or of all with "".
// It reads nothing.
func (e *Engine) CountUnconfirmed(contact string, after uint64) (n int) {
	e.eachJournalled(func(of string, at *entry) {
		if at.id > cache.EntryID(after) && (contact == "" || contact == of) {
			n++
		}
	})
	return n
}

// journalled lists, in order, the entries above after that no state is known to carry.
func (e *Engine) journalled(after cache.EntryID) (list []cache.EntryID) {
	e.eachJournalled(func(_ string, at *entry) {
		if at.id > after {
			list = append(list, at.id)
		}
	})
	slices.Sort(list)
	return slices.Compact(list)
}

func (e *Engine) eachJournalled(visit func(contact string, at *entry)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	see := func(contact string, at *entry) {
		if at.kind != journalHidden {
			visit(contact, at)
		}
	}
	for _, entries := range []map[string][]entry{e.pending, e.taken} {
		for contact, of := range entries {
			for i := range of {
				see(contact, &of[i])
			}
		}
	}
	for _, b := range e.owed {
		for contact, items := range b.items {
			for i := range items {
				see(contact, &items[i].entry)
			}
		}
	}
}
