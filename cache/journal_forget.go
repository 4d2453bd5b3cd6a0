package cache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
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
	for s := range touched {
		if s.live == 0 && s != j.target {
			j.retire(s)
		}
	}
	doomed, b := j.takeDoomed(), j.pending
	var err error
	if b == nil || b.led { // whoever leads it writes it; there is nothing to wait for
		j.mu.Unlock()
	} else {
		err = j.await(b)
	}
	if err := errors.Join(err, j.removeFiles(doomed)); err != nil {
		return fmt.Errorf("cache: forgetting entries: %w", err)
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
// hold mu, and remove what takeDoomed then returns.
func (j *Journal) retire(s *segment) {
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
	j.doomIfUnread(s)
}

// doomIfUnread gives a retired segment's file to takeDoomed, when no reader has it
// open. Callers hold mu.
func (j *Journal) doomIfUnread(s *segment) {
	if s.retired && s.readers == 0 {
		j.doomed = append(j.doomed, s.path)
	}
}

// removal is what takeDoomed hands out.
type removal struct {
	paths   []string
	counted bool
}

// takeDoomed returns the files that the caller must give to removeFiles, once it
// gave mu back: nobody waits for mu while the disk is busy. Callers hold mu.
func (j *Journal) takeDoomed() removal {
	doomed := removal{paths: j.doomed, counted: len(j.doomed) > 0 && !j.closed}
	j.doomed = nil
	if doomed.counted {
		j.removals.Add(1)
	}
	return doomed
}

func (j *Journal) removeFiles(doomed removal) error {
	if doomed.counted {
		defer j.removals.Done()
	}
	var errs []error
	for _, path := range doomed.paths {
		errs = append(errs, removeFile(j.disk, path))
	}
	return errors.Join(errs...)
}

func removeFile(disk Disk, path string) error {
	if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }
