package cache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
)

// Forget drops entries, and removes a segment once all its entries are dropped.
// Unknown and forgotten numbers are fine. It is written without a sync: after a
// crash entries may be replayed again, never the other way round.
func (j *Journal) Forget(ids ...EntryID) error {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return fmt.Errorf("cache: forgetting entries: %w", ErrClosed)
	}
	touched := j.markForgotten(sorted)
	for s, ranges := range touched {
		if s.live > 0 || s == j.target {
			j.addForgets(s, ranges)
		}
	}
	var removals error
	for s := range touched {
		if s.live == 0 && s != j.target {
			removals = errors.Join(removals, j.retire(s))
		}
	}
	b := j.pending
	if b == nil || b.led { // whoever leads it writes it; there is nothing to wait for
		j.mu.Unlock()
	} else {
		removals = errors.Join(removals, j.await(b))
	}
	if removals != nil {
		return fmt.Errorf("cache: forgetting entries: %w", removals)
	}
	return nil
}

// markForgotten marks sorted entries and returns what it newly marked.
func (j *Journal) markForgotten(sorted []EntryID) map[*segment][]idRange {
	touched := make(map[*segment][]idRange)
	for _, id := range sorted {
		s, at := j.segmentOf(uint64(id))
		if at < 0 || !s.forgetSlot(at) {
			continue
		}
		j.entries--
		touched[s] = addToRanges(touched[s], uint64(id))
	}
	return touched
}

// addForgets puts a frame into the pending batch which says that entries of s
// are forgotten. Callers hold mu.
func (j *Journal) addForgets(s *segment, ranges []idRange) {
	b := j.batch()
	b.addControl(j.nextID, frameForget, appendRanges(nil, ranges))
	if b.segment != s {
		b.segment.forgets[s] = struct{}{}
	}
}

// retire drops a segment without live entries. What it says about entries of
// segments that stay is written anew first, else they would come back. Callers
// hold mu.
func (j *Journal) retire(s *segment) error {
	for other := range s.forgets {
		if !other.retired {
			j.addForgets(other, other.forgotten())
		}
	}
	s.retired = true
	j.bytes -= s.end
	j.segments = slices.DeleteFunc(j.segments, func(x *segment) bool { return x == s })
	for _, other := range j.segments {
		delete(other.forgets, s)
	}
	return s.removeIfUnread()
}

// removeIfUnread removes a retired segment's file, when no reader has it open.
func (s *segment) removeIfUnread() error {
	if !s.retired || s.readers > 0 {
		return nil
	}
	return removeFile(s.path)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }
