package cache

import (
	"bytes"
	"encoding/binary"
)

// scan is what one segment's bytes hold. Reading is pure: the same bytes, and
// the same answer to whether a later segment exists, give the same scan.
type scan struct {
	slots   []slot
	forgets []idRange
	last    uint64 // greatest entry number that was given out, as far as it shows
	end     int    // after the last whole frame
	newer   bool   // of a newer version: nothing was read

	damaged int   // acknowledged frames that can't be read, at least
	torn    []gap // what an unfinished write left between whole frames
	tail    int   // bytes after end that are not whole frames, up to the last one that isn't zero
}

// gap is a stretch of bytes that holds no whole frame.
type gap struct {
	start, end int
	before     uint64 // greatest entry number before it
	after      uint64 // number of the frame after it
}

// scanSegment reads a segment whose name says first. complete says that a later
// segment exists, so that nothing of this one can be unfinished.
func scanSegment(data []byte, first uint64, complete bool) scan {
	s := scan{last: first - 1, end: segmentHeaderSize}
	header := parseSegmentHeader(data, first)
	switch {
	case header == headerNewer:
		return scan{last: first - 1, newer: true}
	case header == headerBlank && isZero(data):
		s.end = 0
		if complete {
			s.damaged = 1
		}
		return s
	}
	gaps, durable := s.readFrames(data)
	for _, g := range gaps {
		if complete || g.start < durable || g.end-g.start < frameHeaderSize {
			s.damaged += g.lost()
		} else {
			s.torn = append(s.torn, g)
		}
	}
	if s.end < len(data) {
		s.tail = len(bytes.TrimRight(data[s.end:], "\x00"))
	}
	if complete && s.tail > 0 {
		s.damaged++
	}
	if header != headerWhole && durable > segmentHeaderSize { // the first frames are synced together with it
		s.damaged++ // no acknowledged entry is gone, but it did not come from us
	}
	return s
}

// readFrames takes in every whole frame, and returns the gaps between them and
// the greatest offset that a frame calls synced.
func (s *scan) readFrames(data []byte) (gaps []gap, durable int) {
	at := segmentHeaderSize
	for at < len(data) {
		f, ok := parseFrame(data[at:])
		if !ok {
			next := findFrame(data, at, s.last)
			if next < 0 {
				return gaps, durable
			}
			f, _ = parseFrame(data[next:])
			gaps = append(gaps, gap{start: at, end: next, before: s.last, after: f.id})
			at = next
		}
		durable = max(durable, int(f.durable))
		s.take(f, at)
		at += f.size()
		s.end = at
	}
	return gaps, durable
}

func (s *scan) take(f frame, at int) {
	switch f.kind {
	case frameEntry:
		if f.id > s.last { // else a number that was seen: not from us, keep the first
			s.slots = append(s.slots, slot{id: f.id, offset: uint32(at), size: uint32(len(f.payload))})
			s.last = f.id
		}
	case frameForget:
		s.forgets = parseRanges(s.forgets, f.payload)
		fallthrough
	default:
		if f.id > s.last+1 { // frames that are not entries tell the number of the next
			s.last = f.id - 1
		}
	}
}

// maxSkip bounds how far entry numbers may jump within a segment. It only keeps
// chance finds out.
const maxSkip = 1 << 32

// findFrame looks for the next whole frame after a place that holds none: first
// where the damaged frame says it ends, then byte by byte.
func findFrame(data []byte, at int, last uint64) int {
	if rest := data[at:]; len(rest) >= frameHeaderSize {
		rest = rest[frameHeaderSize:]
		length := binary.LittleEndian.Uint32(data[at:])
		if uint64(length) < uint64(len(rest)) && isLaterFrame(rest[length:], last) {
			return at + frameHeaderSize + int(length)
		}
	}
	for at++; at+frameHeaderSize <= len(data); at++ {
		found := bytes.Index(data[at+frameMagicAt:], []byte(frameMagic))
		if found < 0 {
			return -1
		}
		at += found
		if isLaterFrame(data[at:], last) {
			return at
		}
	}
	return -1
}

func isLaterFrame(data []byte, last uint64) bool {
	if len(data) < frameHeaderSize {
		return false
	}
	if id := binary.LittleEndian.Uint64(data[8:]); id <= last || id-last > maxSkip {
		return false
	}
	_, ok := parseFrame(data)
	return ok
}

// lost is how many frames a gap held at least: the entry numbers that are
// missing, as far as they fit into it.
func (g gap) lost() int {
	lost := 0
	if g.after > g.before {
		lost = int(min(g.after-g.before-1, uint64((g.end-g.start)/frameHeaderSize)))
	}
	return max(lost, 1)
}
