package cache

import (
	"encoding/binary"
	"hash/crc32"
)

// The journal is a folder of segments, each named after the first entry number
// that it may hold ("%016x.journal"). All numbers are little-endian.
//
// A segment begins with a header of 24 bytes:
//
//	0  7  "dm3jrnl"
//	7  1  version, 1
//	8  8  the first entry number, as in the name
//	16 4  CRC-32C of bytes 0..15
//	20 4  zero
//
// and goes on with frames, up to the end of the file or to zeros (space that was
// reserved). A frame is a header of 24 bytes and a payload:
//
//	0  4  length of the payload
//	4  4  CRC-32C of the payload, then of bytes 0..3 and 8..23
//	8  8  entry number; in other frames, the number of the next entry
//	16 4  offset in this segment up to which all was synced when this was written
//	20 1  type
//	21 3  d3 'j' 'f'
//
// What lies below such an offset was acknowledged, so a gap there is damage; a
// gap above every such offset is what a crash leaves of an unfinished write.
const (
	segmentMagic      = "dm3jrnl"
	segmentVersion    = 1
	segmentHeaderSize = 24
	frameMagic        = "\xd3jf"
	frameMagicAt      = 21
	frameHeaderSize   = 24

	// maxSegmentSize bounds Options.SegmentSize; with one full batch on top,
	// offsets still fit in 32 bits.
	maxSegmentSize = 1 << 30

	// MaxAppend bounds the sum of the sizes, in bytes, that one Append may take.
	MaxAppend = 64 << 20
)

type frameType uint8

const (
	frameEntry  frameType = 1 // payload: the sealed entry
	frameForget frameType = 2 // payload: ranges of entry numbers, 12 bytes each
	frameClosed frameType = 3 // no payload: the journal was closed in order
	frameFiller frameType = 4 // payload: what a crash left, put out of the way
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frame struct {
	id      uint64
	durable uint32
	kind    frameType
	payload []byte
}

func (f frame) size() int { return frameHeaderSize + len(f.payload) }

// appendFrame appends a frame whose payload has the given checksum: callers
// compute it before they take the lock.
func appendFrame(dst []byte, f frame, payloadSum uint32) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, frameHeaderSize)...)
	putFrameHeader(dst[at:], f, payloadSum)
	return append(dst, f.payload...)
}

func putFrameHeader(header []byte, f frame, payloadSum uint32) {
	binary.LittleEndian.PutUint32(header, uint32(len(f.payload)))
	binary.LittleEndian.PutUint64(header[8:], f.id)
	binary.LittleEndian.PutUint32(header[16:], f.durable)
	header[20] = byte(f.kind)
	copy(header[frameMagicAt:], frameMagic)
	binary.LittleEndian.PutUint32(header[4:], headerSum(payloadSum, header))
}

func headerSum(payloadSum uint32, header []byte) uint32 {
	sum := crc32.Update(payloadSum, castagnoli, header[:4])
	return crc32.Update(sum, castagnoli, header[8:frameHeaderSize])
}

// parseFrame reads the frame at the beginning of data; its payload aliases data.
func parseFrame(data []byte) (f frame, ok bool) {
	if len(data) < frameHeaderSize || string(data[frameMagicAt:frameHeaderSize]) != frameMagic {
		return f, false
	}
	length := binary.LittleEndian.Uint32(data)
	if uint64(length) > uint64(len(data)-frameHeaderSize) {
		return f, false
	}
	f = frame{
		id:      binary.LittleEndian.Uint64(data[8:]),
		durable: binary.LittleEndian.Uint32(data[16:]),
		kind:    frameType(data[20]),
		payload: data[frameHeaderSize : frameHeaderSize+int(length)],
	}
	sum := headerSum(crc32.Checksum(f.payload, castagnoli), data)
	return f, sum == binary.LittleEndian.Uint32(data[4:])
}

func segmentHeader(first uint64) []byte {
	header := make([]byte, 0, segmentHeaderSize)
	header = append(header, segmentMagic...)
	header = append(header, segmentVersion)
	header = binary.LittleEndian.AppendUint64(header, first)
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
	return append(header, 0, 0, 0, 0)
}

type headerState int

const (
	headerWhole headerState = iota
	headerBlank
	headerDamaged
	headerNewer
)

func parseSegmentHeader(data []byte, first uint64) headerState {
	if len(data) < segmentHeaderSize {
		if isZero(data) {
			return headerBlank
		}
		return headerDamaged
	}
	header := data[:segmentHeaderSize]
	switch {
	case string(header) == string(segmentHeader(first)):
		return headerWhole
	case isZero(header):
		return headerBlank
	case string(header[:7]) == segmentMagic && header[7] > segmentVersion &&
		binary.LittleEndian.Uint32(header[16:]) == crc32.Checksum(header[:16], castagnoli):
		return headerNewer
	}
	return headerDamaged
}

func isZero(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// idRange is a run of entry numbers.
type idRange struct {
	start uint64
	count uint32
}

const idRangeSize = 12

func appendRanges(dst []byte, ranges []idRange) []byte {
	for _, r := range ranges {
		dst = binary.LittleEndian.AppendUint64(dst, r.start)
		dst = binary.LittleEndian.AppendUint32(dst, r.count)
	}
	return dst
}

// parseRanges ignores an unfinished range at the end: the checksum says that
// there is none.
func parseRanges(ranges []idRange, payload []byte) []idRange {
	for ; len(payload) >= idRangeSize; payload = payload[idRangeSize:] {
		ranges = append(ranges, idRange{
			start: binary.LittleEndian.Uint64(payload),
			count: binary.LittleEndian.Uint32(payload[8:]),
		})
	}
	return ranges
}
