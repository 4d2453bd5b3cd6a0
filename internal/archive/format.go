// Package archive keeps sealed objects in one file: what `dm3sync export` writes, `dm3sync import` reads, and a place of
// kind "file" is ([Store]). A file is a header and then sections, one behind the other, that only ever are added: objects,
// removals, and now and then an index of all objects, with an end mark that says where it is. So it can be written to a
// pipe, added to, found from its end, and read from its front when that end is torn. The format stands, to the byte, in
// internal/docs/archive.md.
//
// The package sees sealed bytes and names, never keys or messages. In the import order it stands beside the places, above
// providers and internal/files.
package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/dm3sync/dm3sync/providers"
)

const (
	fileMagic    = "\x89dm3a\r\n\x1a" // shows when a transfer changed line ends or cut the eighth bit
	sectionMagic = "\x89dm3s\r\n\x1a"
	version      = 1
	fileHeader   = 16 // bytes: magic, version, seven zeros
	header       = 28 // bytes of a section before its name
	endSection   = header + 8

	// maxObjects bounds what a hostile file makes a reader remember.
	maxObjects = 1 << 22
	// maxRemoval bounds the body of one removal.
	maxRemoval = 1 << 20
	// maxDamage bounds the list of parts that can't be read.
	maxDamage = 1000
)

// The kinds of sections. Others are passed over.
const (
	kindObject  = 1 // the body is the object of that name
	kindRemoval = 2 // the body lists names that no longer are
	kindIndex   = 3 // the body lists all objects and where they are
	kindEnd     = 4 // the body says where the index before it begins
)

var (
	// ErrFormat is a file that is none of these: another program's, or changed beyond use.
	ErrFormat = errors.New("archive: this is no file of dm3sync export")
	// ErrNewerVersion is a file that a newer program wrote.
	ErrNewerVersion = errors.New("archive: a newer dm3sync wrote this file; update this one")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of the parts, one behind the other.
func checksum(parts ...[]byte) uint32 {
	sum := uint32(0)
	for _, part := range parts {
		sum = crc32.Update(sum, castagnoli, part)
	}
	return sum
}

// section is what stands before a section's body.
type section struct {
	kind   byte
	name   string
	length int64 // of the body
	sum    uint32
}

// size is how many bytes the section takes with all its parts.
func (s *section) size() int64 { return header + int64(len(s.name)) + s.length }

// append adds header and name to a buffer; the body comes behind them.
func (s *section) append(to []byte) []byte {
	begin := len(to)
	to = append(to, sectionMagic...)
	to = append(to, s.kind, 0)
	to = binary.BigEndian.AppendUint16(to, uint16(len(s.name)))
	to = binary.BigEndian.AppendUint32(to, s.sum)
	to = binary.BigEndian.AppendUint64(to, uint64(s.length))
	to = binary.BigEndian.AppendUint32(to, checksum(to[begin:], []byte(s.name)))
	return append(to, s.name...)
}

// parseSection reads what append wrote. Text may go on behind it. False says that no section begins there, or that its
// header is not whole.
func parseSection(text []byte) (section, bool) {
	if len(text) < header || string(text[:8]) != sectionMagic {
		return section{}, false
	}
	length := int(binary.BigEndian.Uint16(text[10:]))
	if length > providers.MaxName || len(text) < header+length {
		return section{}, false
	}
	name := text[header : header+length]
	if checksum(text[:header-4], name) != binary.BigEndian.Uint32(text[header-4:]) {
		return section{}, false
	}
	body := binary.BigEndian.Uint64(text[16:])
	if body > 1<<62 {
		return section{}, false
	}
	return section{kind: text[8], name: string(name), length: int64(body), sum: binary.BigEndian.Uint32(text[12:])}, true
}

// newFileHeader is how a file begins.
func newFileHeader() []byte {
	return append([]byte(fileMagic), version, 0, 0, 0, 0, 0, 0, 0)
}

// checkFileHeader tells whether this package can read a file that begins so.
func checkFileHeader(text []byte) error {
	if len(text) < fileHeader || string(text[:8]) != fileMagic {
		return ErrFormat
	}
	if text[8] != version {
		return fmt.Errorf("%w (version %d)", ErrNewerVersion, text[8])
	}
	return nil
}

// appendName adds a name with its length, as removals and the index list them.
func appendName(to []byte, name string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(name))), name...)
}

// removedNames reads the body of a removal; false says that it is malformed.
func removedNames(body []byte) (names []string, ok bool) {
	for len(body) > 0 {
		if len(body) < 2 {
			return nil, false
		}
		length := int(binary.BigEndian.Uint16(body))
		if len(body) < 2+length {
			return nil, false
		}
		names, body = append(names, string(body[2:2+length])), body[2+length:]
	}
	return names, true
}
