package reconcile

import (
	"math"
	"sort"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Overhead bounds the plaintext bytes of a chunk that are not messages: the
// braces, the extra field with its contact, and the names of a few replaced
// states.
const Overhead = 1 << 10

// Extent is what placing needs to know of a chunk: its identifier, the bytes
// of plaintext in its states, and the latest timestamp among its items.
type Extent struct {
	Identifier container.ChunkIdentifier
	Size, Last int64
}

// Extents measures the chunks of a conversation. The sizes are upper bounds:
// an item that stands in two states counts twice.
func (c *Conversation) Extents() []Extent {
	if c == nil {
		return nil
	}
	extents := make([]Extent, len(c.Chunks))
	for i := range c.Chunks {
		extents[i].Identifier = c.Chunks[i].Identifier
		for _, state := range c.Chunks[i].States {
			extents[i].Size += state.Size
			extents[i].Last = max(extents[i].Last, state.Last)
		}
	}
	return extents
}

// Measure is the timestamp (milliseconds) and plaintext size (bytes) of one
// item that wants a place.
type Measure struct{ Timestamp, Size int64 }

// Placement says that items From up to, not including, To belong to the chunk
// Identifier, which must be published first when it is New.
type Placement struct {
	Identifier container.ChunkIdentifier
	New        bool
	From, To   int
}

// Covering returns the index of the chunk that covers a timestamp: the last
// one that begins at or before it; the first chunk covers all before it too.
// It returns -1 where there is no chunk.
func Covering(chunks []Extent, timestamp int64) int {
	after := sort.Search(len(chunks), func(i int) bool { return chunks[i].Identifier.Timestamp > timestamp })
	return min(max(after-1, 0), len(chunks)-1)
}

// Place assigns items, in the order of time, to the chunks of a conversation,
// in the order of time too. A new chunk opens only after the newest one, when
// that is full and holds nothing at or after the item, so that no item of an
// older chunk is ever covered by a new one. Items of one timestamp stay
// together and may make a chunk larger than limit (bytes).
func Place(chunks []Extent, items []Measure, limit int64) []Placement {
	chunks = append([]Extent(nil), chunks...)
	known := len(chunks)
	var out []Placement
	for i, item := range items {
		at := Covering(chunks, item.Timestamp)
		if at < 0 || at == len(chunks)-1 && full(chunks[at], item, limit) {
			chunks = append(chunks, Extent{Identifier: container.ChunkIdentifier{ID: nextID(chunks), Timestamp: item.Timestamp}, Size: Overhead})
			at = len(chunks) - 1
		}
		chunks[at].Size += item.Size + 1
		chunks[at].Last = max(chunks[at].Last, item.Timestamp)
		if last := len(out) - 1; last >= 0 && out[last].Identifier == chunks[at].Identifier {
			out[last].To = i + 1
			continue
		}
		out = append(out, Placement{Identifier: chunks[at].Identifier, New: at >= known, From: i, To: i + 1})
	}
	return out
}

// full tells whether a new chunk shall open for an item after the newest chunk.
// Its own timestamp counts beside its items': it may have lost its first one.
func full(chunk Extent, item Measure, limit int64) bool {
	return chunk.Size > Overhead && chunk.Size+item.Size+1 > limit && item.Timestamp > max(chunk.Last, chunk.Identifier.Timestamp)
}

func nextID(chunks []Extent) int64 {
	next := int64(0)
	for _, chunk := range chunks {
		next = max(next, chunk.Identifier.ID+1)
	}
	return next
}

// Split returns the timestamps at which a chunk with these items, in the order
// of time, is cut so that each piece holds at most limit bytes, pieces of about
// one size. Items of one timestamp stay together. It returns nothing for a
// chunk that is not too large or that cannot be cut.
func Split(items []Measure, limit int64) []int64 {
	total := int64(Overhead)
	for _, item := range items {
		total += item.Size + 1
	}
	if total <= limit {
		return nil
	}
	room := max(limit-Overhead, 1)
	pieces := (total + room - 1) / room
	target := total/pieces + 1
	var cuts []int64
	size, group, start := int64(0), int64(0), 0
	for i, item := range items {
		group += item.Size + 1
		if i+1 < len(items) && items[i+1].Timestamp == item.Timestamp {
			continue
		}
		if size > 0 && size+group > target+target/8 || size+group > room && size > 0 {
			cuts = append(cuts, items[start].Timestamp)
			size = 0
		}
		size += group
		group, start = 0, i+1
	}
	return cuts
}

// Covers returns the half-open range of timestamps that the chunk at index i
// covers.
func Covers(chunks []Chunk, i int) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if i > 0 {
		from = chunks[i].Identifier.Timestamp
	}
	// Two chunks of one timestamp count as one: the later one covers.
	if i+1 < len(chunks) {
		to = chunks[i+1].Identifier.Timestamp
	}
	return from, to
}
