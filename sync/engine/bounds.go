package engine

// bounds are how much is done before a head says so. What fails before its head has to
// be done again: so the next time it is half as much, until a pass ends well. Else a
// place that can be reached for moments only would never get anything.
type bounds struct {
	contacts int   // of a batch of a push
	bytes    int64 // of their items
	objects  int   // of a failed pass that are taken in
}

// Bounds where nothing fails, and the least for the bytes: a chunk's size or so.
const (
	batchContacts = 4096
	batchBytes    = 24 << 20
	batchLeast    = 2 << 20
	adoptedMost   = 4096
)

func widest() bounds { return bounds{batchContacts, batchBytes, adoptedMost} }

// failedBatch bounds the next batch by half of one that failed.
func (b *bounds) failedBatch(taken map[string][]entry) {
	var size int64
	for _, entries := range taken {
		for i := range entries {
			size += int64(entries[i].size) + entryOverhead
		}
	}
	b.contacts, b.bytes = max(len(taken)/2, 1), max(size/2, batchLeast)
}

// failedAdoption does so for so many objects that could not be taken in.
func (b *bounds) failedAdoption(objects int) { b.objects = max(objects/2, 1) }
