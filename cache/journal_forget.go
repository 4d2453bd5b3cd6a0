package cache

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
)

// Forget drops entries, and removes a segment once all its entries are dropped.
// Unknown and forgotten numbers are fine. It is written without a sync: after a
// crash entries may be replayed again, never the other way round; so they may
// after an error, but until then the journal knows them no more.
func (j *Journal) Forget(ids ...EntryID) error {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return fmt.Errorf("cache: forgetting entries: %w", ErrClosed)
	}
	touched := j.markForgotten(sorted)
	for _, f := range touched {
		if !j.unwanted(f.segment) {
			j.addForgets(f.segment, f.ranges)
		}
	}
	for _, f := range touched {
		if j.retireIfUnwanted(f.segment); slices.Contains(j.retired, f.segment) {
			j.rewriteForgets(j.batch()) // until then its file would bring back what was just forgotten
		}
	}
	var err error
	if b := j.pending; b != nil && !b.led { // else whoever leads it writes it; there is nothing to wait for
		err = j.await(b)
		err = errors.Join(err, b.removal)
		j.mu.Lock()
	}
	doomed := j.takeDoomed()
	j.mu.Unlock()
	if err := errors.Join(err, j.removeFiles(doomed)); err != nil {
		return fmt.Errorf("cache: forgetting entries: %w", err)
	}
	return nil
}

// newForgets is what one call of Forget newly marked in a segment.
type newForgets struct {
	segment *segment
	ranges  []idRange
}

// markForgotten marks sorted entries and returns what it newly marked, by segment.
func (j *Journal) markForgotten(sorted []EntryID) (touched []newForgets) {
	for _, id := range sorted {
		s, at := j.segmentOf(uint64(id))
		if at < 0 || !s.forgetSlot(at) {
			continue
		}
		j.entries--
		if n := len(touched); n == 0 || touched[n-1].segment != s {
			touched = append(touched, newForgets{segment: s})
		}
		last := &touched[len(touched)-1]
		last.ranges = addToRanges(last.ranges, uint64(id))
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

// unwanted reports whether s may go: all its entries are forgotten, nobody reads
// it, and a newer segment is on disk, whose name keeps numbers from being given
// out twice. Callers hold mu.
func (j *Journal) unwanted(s *segment) bool {
	return s.live == 0 && s.readers == 0 && s != j.segments[len(j.segments)-1]
}

// retireIfUnwanted drops s from the journal if it may go. What s says about
// entries of segments that stay on disk must be written anew first, else they
// would come back: until then its file stays. Callers hold mu, and remove what
// takeDoomed then returns.
func (j *Journal) retireIfUnwanted(s *segment) {
	if !j.unwanted(s) {
		return
	}
	j.segments = slices.DeleteFunc(j.segments, func(x *segment) bool { return x == s })
	j.retired = append(j.retired, s)
	slices.SortFunc(j.retired, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	j.doomRetired()
}

// rewriteForgets puts into the pending batch b what retired segments say about
// others. Callers hold mu.
func (j *Journal) rewriteForgets(b *batch) {
	for _, s := range j.retired {
		if s.rewritten == b {
			continue
		}
		s.rewritten = b
		for _, other := range j.segments {
			if _, tells := s.forgets[other]; tells {
				j.addForgets(other, other.forgotten())
			}
		}
	}
}

// doomRetired gives the files of retired segments that say nothing about others on
// disk to takeDoomed, the oldest first, since only newer ones tell of older ones.
// Callers hold mu.
func (j *Journal) doomRetired() {
	var stay []*segment
	for _, s := range j.retired {
		if s.tells() {
			stay = append(stay, s)
			continue
		}
		s.gone, s.slots = true, nil
		j.bytes -= s.end
		j.doomed = append(j.doomed, s.path)
	}
	j.retired = stay
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
