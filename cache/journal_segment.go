package cache

import (
	"fmt"
	"maps"
	"path/filepath"
	"sort"
)

// reserveStep is how much space a segment takes from the disk at a time. A write
// inside reserved space changes no file size, which makes syncing it cheaper.
const reserveStep = 1 << 20

const segmentSuffix = ".journal"

func segmentPath(folder string, first uint64) string {
	return filepath.Join(folder, fmt.Sprintf("%016x%s", first, segmentSuffix))
}

// slot is where an entry stands in its segment: 16 bytes.
type slot struct {
	id     uint64
	offset uint32
	size   uint32 // of the payload; the highest bit marks it as forgotten
}

const forgottenBit = 1 << 31

func (s slot) forgotten() bool { return s.size&forgottenBit != 0 }
func (s slot) length() int     { return int(s.size &^ forgottenBit) }

// segment is one file. Journal.mu guards it, but for file and reserved, which
// belong to whoever commits.
type segment struct {
	first uint64
	path  string
	slots []slot // by number
	live  int    // slots that are not forgotten
	end   int64  // after the last frame that was written
	dirty bool   // written and not synced: forgets only

	forgets   map[*segment]struct{} // other segments that it holds forgets for
	rewritten *batch                // that says anew what a retired segment says about others
	readers   int
	gone      bool // its file is removed, or about to be

	file     SegmentFile // open in the last segment only
	reserved int64
}

func newSegment(folder string, first uint64) *segment {
	return &segment{first: first, path: segmentPath(folder, first), forgets: make(map[*segment]struct{})}
}

// find returns the index of an entry in slots, or -1.
func (s *segment) find(id uint64) int {
	at := s.search(id)
	if at < len(s.slots) && s.slots[at].id == id {
		return at
	}
	return -1
}

// search returns the index of the first slot whose number is id or more.
// Numbers mostly follow one another, so it tries that first.
func (s *segment) search(id uint64) int {
	if len(s.slots) == 0 || id <= s.slots[0].id {
		return 0
	}
	if guess := id - s.slots[0].id; guess < uint64(len(s.slots)) && s.slots[guess].id == id {
		return int(guess)
	}
	return sort.Search(len(s.slots), func(i int) bool { return s.slots[i].id >= id })
}

// forgetSlot marks one entry, and reports whether it was not marked before.
func (s *segment) forgetSlot(at int) bool {
	if s.slots[at].forgotten() {
		return false
	}
	s.slots[at].size |= forgottenBit
	s.live--
	return true
}

// forgotten lists all forgotten entries as ranges.
func (s *segment) forgotten() (ranges []idRange) {
	for _, entry := range s.slots {
		if entry.forgotten() {
			ranges = addToRanges(ranges, entry.id)
		}
	}
	return ranges
}

// tells reports whether s holds forgets for other segments on disk.
func (s *segment) tells() bool {
	maps.DeleteFunc(s.forgets, func(other *segment, _ struct{}) bool { return other.gone })
	return len(s.forgets) > 0
}

// addToRanges lengthens the last range where the number follows it.
func addToRanges(ranges []idRange, id uint64) []idRange {
	if last := len(ranges) - 1; last >= 0 && ranges[last].start+uint64(ranges[last].count) == id {
		ranges[last].count++
		return ranges
	}
	return append(ranges, idRange{start: id, count: 1})
}
