package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// entry is a journalled item that no state at the provider is known to carry.
// There may be very many: its fields stand so that it takes 24 bytes.
type entry struct {
	id        cache.EntryID
	timestamp int64  // of a journalHidden entry, its counter
	size      uint32 // the journal takes nothing larger
	kind      byte   // journalMessage and the like
}

// journalled is the content of a journal entry.
type journalled struct {
	tombstone bool
	hidden    bool // the conversation's counter of being hidden is the envelope's timestamp
	contact   string
	envelope  container.Envelope // without JSON for a tombstone
}

func (j *journalled) kind() byte {
	switch {
	case j.hidden:
		return journalHidden
	case j.tombstone:
		return journalTombstone
	}
	return journalMessage
}

const (
	journalMessage   = 1
	journalTombstone = 2
	journalHidden    = 3
	journalHeader    = 1 + 8 + sha256.Size + 2
)

var errJournalEntry = errors.New("journal entry has another layout than expected")

// Append keeps items. It returns after all of them are durable in the journal,
// or with an error and none of them promised. Items that are there already
// are welcome: passes unite them. A message above the chunk limit is refused
// with a TooLargeError before anything is stored.
func (e *Engine) Append(ctx context.Context, items ...Item) error {
	limit := e.Limit()
	contents := make([]journalled, len(items))
	for i, item := range items {
		if size := len(item.Envelope.JSON); size > limit {
			return &TooLargeError{Size: size, Limit: limit}
		}
		contents[i] = journalled{contact: item.Contact, envelope: item.Envelope}
	}
	return e.journal(ctx, contents)
}

func (e *Engine) journal(ctx context.Context, contents []journalled) error {
	if e.stopped.Err() != nil {
		return ErrClosed
	}
	if len(contents) == 0 {
		return nil
	}
	sealed, err := e.sealEntries(contents)
	if err != nil {
		return fmt.Errorf("engine: seal journal entry: %w", err)
	}
	first, err := e.o.Cache.Journal().Append(ctx, sealed...)
	if err != nil {
		return fmt.Errorf("engine: append: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range contents {
		e.enqueue(first+cache.EntryID(i), &contents[i])
	}
	e.announce()
	return nil
}

// sealEntries seals entries one behind the other in one buffer.
func (e *Engine) sealEntries(contents []journalled) ([][]byte, error) {
	total := 0
	for i := range contents {
		total += journalHeader + len(contents[i].contact) + len(contents[i].envelope.JSON) + seal.RecordOverhead
	}
	buffer := make([]byte, 0, total)
	sealed := make([][]byte, len(contents))
	var plain []byte
	for i := range contents {
		plain = contents[i].append(plain[:0])
		start := len(buffer)
		var err error
		if buffer, err = e.o.Sealer.SealRecord(buffer, "journal", plain); err != nil {
			return nil, err
		}
		sealed[i] = buffer[start:]
	}
	return sealed, nil
}

// enqueue adds a durable entry to what wants to be pushed. The caller holds e.mu.
func (e *Engine) enqueue(id cache.EntryID, content *journalled) {
	size := int64(len(content.envelope.JSON))
	e.pending[content.contact] = append(e.pending[content.contact], entry{id: id, kind: content.kind(), timestamp: content.envelope.Timestamp, size: uint32(size)})
	e.news.changed(content.contact)
	e.count++
	e.bytes += size
	e.largest = max(e.largest, size)
}

// openJournal finds what earlier runs acknowledged and did not see confirmed.
func (e *Engine) openJournal() error {
	there := make(map[string]bool)
	defer func() { e.dropJournalProblems(there) }()
	return e.o.Cache.Journal().Replay(func(id cache.EntryID, sealed []byte) error {
		content, err := e.openEntry(sealed)
		if err != nil {
			// An alarm about this disk: the frame is whole, what was sealed is not.
			there[fmt.Sprint(id)] = true
			e.problem(Problem{Kind: "journal", Alarm: true, Object: fmt.Sprint(id), Detail: "a journal entry can't be opened; it stays there untouched: " + err.Error()})
			return nil
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.enqueue(id, &content)
		return nil
	})
}

// dropJournalProblems ends problems with entries that the journal holds no more.
func (e *Engine) dropJournalProblems(there map[string]bool) {
	for _, p := range slices.Collect(maps.Values(e.problems)) {
		if p.Kind == "journal" && !there[p.Object] {
			e.healed(p.Kind, p.Object, "the journal no longer holds the entry; its message has to be appended again")
		}
	}
}

// arenaSize is how much openInto allocates at a time.
const arenaSize = 256 << 10

// openInto opens an entry behind what arena holds, and begins a new arena when
// it has no room: a small one at first, for most batches are a few messages,
// then twice as much each time up to arenaSize.
func (e *Engine) openInto(arena, sealed []byte) ([]byte, journalled, error) {
	if cap(arena)-len(arena) < len(sealed) {
		arena = make([]byte, 0, max(min(max(4<<10, 2*cap(arena)), arenaSize), len(sealed)))
	}
	plain, err := e.o.Sealer.OpenRecord(arena, "journal", sealed)
	if err != nil {
		return arena, journalled{}, err
	}
	content, err := decodeJournalled(plain[len(arena):])
	return plain, content, err
}

func (e *Engine) openEntry(sealed []byte) (journalled, error) {
	plain, err := e.o.Sealer.OpenRecord(nil, "journal", sealed)
	if err != nil {
		return journalled{}, err
	}
	return decodeJournalled(plain)
}

// append writes kind, timestamp, hash, contact length, contact and envelope.
func (j *journalled) append(dst []byte) []byte {
	dst = append(dst, j.kind())
	dst = binary.BigEndian.AppendUint64(dst, uint64(j.envelope.Timestamp))
	dst = append(dst, j.envelope.Hash[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(j.contact)))
	dst = append(dst, j.contact...)
	return append(dst, j.envelope.JSON...)
}

// decodeJournalled reads what append wrote; the envelope aliases plain.
func decodeJournalled(plain []byte) (journalled, error) {
	if len(plain) < journalHeader || plain[0] < journalMessage || plain[0] > journalHidden {
		return journalled{}, errJournalEntry
	}
	j := journalled{tombstone: plain[0] == journalTombstone, hidden: plain[0] == journalHidden}
	j.envelope.Timestamp = int64(binary.BigEndian.Uint64(plain[1:]))
	copy(j.envelope.Hash[:], plain[9:])
	length := int(binary.BigEndian.Uint16(plain[9+sha256.Size:]))
	if len(plain) < journalHeader+length || j.envelope.Timestamp < 0 {
		return journalled{}, errJournalEntry
	}
	j.contact = string(plain[journalHeader : journalHeader+length])
	j.envelope.JSON = plain[journalHeader+length:]
	return j, nil
}
