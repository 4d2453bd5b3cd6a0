package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// damagedSuffix ends the name of the copy that is kept of a damaged segment.
const damagedSuffix = ".damaged"

// openJournal reads all segments, one at a time in memory, mends what a crash
// left at the end of the last one, and goes on writing there.
func openJournal(folder string, options Options) (*Journal, error) {
	j := &Journal{
		folder: folder, segmentSize: options.SegmentSize, limit: options.JournalLimit,
		disk: options.Disk, nextID: 1, turn: make(chan struct{}, 1),
	}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("cache: opening journal: %w", err)
	}
	return j, nil
}

func (j *Journal) load() error {
	if err := j.disk.MakeFolder(j.folder); err != nil {
		return err
	}
	if err := j.disk.SyncFolder(filepath.Dir(j.folder)); err != nil {
		return err
	}
	firsts, err := listSegments(j.disk, j.folder)
	if err != nil {
		return err
	}
	forgets := make(map[*segment][]idRange)
	for i, first := range firsts {
		s := newSegment(j.folder, first)
		if err := j.loadSegment(s, forgets, i == len(firsts)-1); err != nil {
			return fmt.Errorf("segment %s: %w", filepath.Base(s.path), err)
		}
	}
	for _, s := range j.segments {
		j.applyForgets(s, forgets[s])
	}
	return j.removeDead()
}

// listSegments returns the first numbers of all segments; names are sorted, and so
// numbers.
func listSegments(disk Disk, folder string) (firsts []uint64, err error) {
	files, err := disk.ReadFolder(folder)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name, ours := strings.CutSuffix(file.Name(), segmentSuffix)
		first, err := strconv.ParseUint(name, 16, 64)
		if ours && err == nil && first > 0 && len(name) == 16 {
			firsts = append(firsts, first)
		}
	}
	return firsts, nil
}

func (j *Journal) loadSegment(s *segment, forgets map[*segment][]idRange, last bool) error {
	data, err := j.disk.ReadFile(s.path)
	if err != nil {
		return err
	}
	found := scanSegment(data, s.first, !last)
	if found.newer {
		return ErrNewerVersion
	}
	if found.damaged > 0 {
		if err := setSegmentAside(j.disk, s.path, data); err != nil {
			return err
		}
	}
	j.damaged += found.damaged
	j.nextID = max(j.nextID, found.last+1)
	if last && found.tail > 0 {
		// If these bytes were acknowledged after all, their numbers stay taken.
		j.nextID += uint64(found.tail/frameHeaderSize) + 1
	}
	if found.end == 0 {
		return nil // nothing but a name, which the next new segment may take
	}
	s.slots, s.live, s.end = found.slots, len(found.slots), int64(found.end)
	j.segments, j.newest = append(j.segments, s), s.first
	j.entries += s.live
	j.bytes += s.end
	forgets[s] = found.forgets
	if !last {
		return nil
	}
	j.target, j.offset, j.durable = s, s.end, s.end
	return s.mend(j.disk, data, found)
}

// setSegmentAside keeps a copy of a damaged segment, once.
func setSegmentAside(disk Disk, path string, data []byte) error {
	_, err := disk.Stat(path + damagedSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return disk.WriteFile(path+damagedSuffix, data)
	}
	return err
}

// mend opens the last segment for writing and clears away what an unfinished
// write left, so that it is never taken for damage later: the tail is cut off,
// and a gap becomes the payload of a filler frame.
func (s *segment) mend(disk Disk, data []byte, found scan) error {
	file, err := disk.OpenSegment(s.path)
	if err != nil {
		return err
	}
	s.file, s.reserved = file, s.end
	unclean := found.tail > 0
	for _, g := range found.torn {
		unclean = true
		if err := writeFiller(file, data, g); err != nil {
			return err
		}
	}
	if parseSegmentHeader(data, s.first) != headerWhole {
		unclean = true
		if _, err := file.WriteAt(segmentHeader(s.first), 0); err != nil {
			return err
		}
	}
	if err := file.Truncate(s.end); err != nil {
		return err
	}
	if unclean {
		return file.Sync()
	}
	return nil
}

func writeFiller(file SegmentFile, data []byte, g gap) error {
	payload := data[g.start+frameHeaderSize : g.end]
	header := make([]byte, frameHeaderSize)
	f := frame{id: g.before + 1, kind: frameFiller, payload: payload}
	putFrameHeader(header, f, checksum(payload))
	_, err := file.WriteAt(header, int64(g.start))
	return err
}

// applyForgets marks what the frames in holder say, in whichever segment it is.
func (j *Journal) applyForgets(holder *segment, ranges []idRange) {
	for _, r := range ranges {
		for _, s := range j.segments {
			marked := false
			for at := s.search(r.start); at < len(s.slots) && s.slots[at].id-r.start < uint64(r.count); at++ {
				marked = true
				if s.forgetSlot(at) {
					j.entries--
				}
			}
			if marked && s != holder {
				holder.forgets[s] = struct{}{}
			}
		}
	}
}

// removeDead removes the segments whose last entry was forgotten before a crash
// could remove them.
func (j *Journal) removeDead() error {
	for _, s := range slices.Clone(j.segments) {
		j.retireIfUnwanted(s)
	}
	return j.removeFiles(j.takeDoomed())
}
