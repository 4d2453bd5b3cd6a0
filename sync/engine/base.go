package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
)

// known is one item of the base: an item that this device saw in a chunk at
// the provider. The hash binds the message; the digest tells whether what is
// around it is still the same: length and CRC-32C of the envelope's JSON.
type known struct {
	hash      container.MessageHash
	timestamp int64
	digest    [8]byte // of the envelope's JSON; zero for a tombstone
	flags     byte
}

const (
	knownTombstone = 1 << iota
	knownMissing   // the provider does not show it any more
)

const knownSize = sha256.Size + 8 + 8 + 1

func knownMessage(envelope *container.Envelope) known {
	item := known{hash: envelope.Hash, timestamp: envelope.Timestamp}
	binary.BigEndian.PutUint32(item.digest[:], uint32(len(envelope.JSON)))
	binary.BigEndian.PutUint32(item.digest[4:], crc32.Checksum(envelope.JSON, crc32.MakeTable(crc32.Castagnoli)))
	return item
}

func knownRemoval(tombstone container.Tombstone) known {
	return known{hash: tombstone.Hash, timestamp: tombstone.Timestamp, flags: knownTombstone}
}

// itemsOf lists the items of a chunk state as the base keeps them.
func itemsOf(chunk *container.Chunk) []known {
	items := make([]known, 0, len(chunk.Messages)+len(chunk.Tombstones))
	for i := range chunk.Messages {
		items = append(items, knownMessage(&chunk.Messages[i]))
	}
	for _, tombstone := range chunk.Tombstones {
		items = append(items, knownRemoval(tombstone))
	}
	return items
}

// base reads the items of a chunk that this device ever saw, sorted by hash,
// tombstones after messages.
func (e *Engine) base(key container.Key) ([]known, error) {
	plain, _, err := e.record("base", string(key))
	if err != nil {
		return nil, err
	}
	items := make([]known, 0, len(plain)/knownSize)
	for ; len(plain) >= knownSize; plain = plain[knownSize:] {
		item := known{
			timestamp: int64(binary.BigEndian.Uint64(plain[32:])),
			digest:    [8]byte(plain[40:48]), flags: plain[48],
		}
		copy(item.hash[:], plain)
		items = append(items, item)
	}
	return items, nil
}

func compareKnown(a, b known) int {
	if order := bytes.Compare(a.hash[:], b.hash[:]); order != 0 {
		return order
	}
	return int(a.flags&knownTombstone) - int(b.flags&knownTombstone)
}

// joinKnown unites sorted items with others in any order, which win where both
// stand.
func joinKnown(items, add []known) []known {
	slices.SortFunc(add, compareKnown)
	out := make([]known, 0, len(items)+len(add))
	for len(items) > 0 || len(add) > 0 {
		var next known
		if len(add) == 0 || len(items) > 0 && compareKnown(items[0], add[0]) <= 0 {
			next, items = items[0], items[1:]
		} else {
			next, add = add[0], add[1:]
		}
		if last := len(out) - 1; last >= 0 && compareKnown(out[last], next) == 0 {
			out[last] = next
			continue
		}
		out = append(out, next)
	}
	return out
}

// addToBases unites the bases of chunks with further items, which win, in one
// transaction; also, which may be nil, is what else belongs to it. The lists given are
// the united ones afterwards. Readers and passes do so at the same time: each reads and
// writes a base alone, or one would drop what the other had just added.
func (e *Engine) addToBases(bases map[container.Key][]known, also func(tx *cache.Tx) error) error {
	e.basing <- struct{}{}
	defer func() { <-e.basing }()
	for key, items := range bases {
		old, err := e.base(key)
		if err != nil {
			return err
		}
		bases[key] = joinKnown(old, items)
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		for key, items := range bases {
			if err := e.putBase(tx, key, items); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(tx)
	})
}

func (e *Engine) putBase(tx *cache.Tx, key container.Key, items []known) error {
	plain := make([]byte, 0, len(items)*knownSize)
	for i := range items {
		plain = append(plain, items[i].hash[:]...)
		plain = binary.BigEndian.AppendUint64(plain, uint64(items[i].timestamp))
		plain = append(plain, items[i].digest[:]...)
		plain = append(plain, items[i].flags)
	}
	return e.putRecord(tx, "base", string(key), plain)
}

// contains tells whether a sorted base shows an item just as it is.
func contains(items []known, want known) bool {
	at, found := slices.BinarySearchFunc(items, want, compareKnown)
	return found && items[at].digest == want.digest && items[at].flags&knownMissing == 0
}

// findKnown finds a message or its tombstone in a sorted base.
func findKnown(items []known, hash container.MessageHash) (at int, found bool) {
	return slices.BinarySearchFunc(items, hash, func(item known, want container.MessageHash) int {
		return bytes.Compare(item.hash[:], want[:])
	})
}
