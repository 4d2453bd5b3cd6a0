package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"golang.org/x/crypto/chacha20poly1305"
)

// Version is that of the compact seal, the newest that this program knows; see [ErrNewerVersion].
const Version = compactVersion

const (
	compactVersion        = 0x01
	compactKeyInfo        = "dm3sync compact v1 key"
	compactIdentifierInfo = "dm3sync compact v1 key identifier"

	identifierSize = 8
	nonceStart     = 1 + identifierSize
	headerSize     = nonceStart + chacha20poly1305.NonceSizeX
	overhead       = headerSize + chacha20poly1305.Overhead
)

// The first byte of what is encrypted.
const (
	encodingPlain = 0
	encodingZstd  = 1
)

// maxSealed bounds what is taken in at all: the largest plaintext with all that is added to it.
const maxSealed = overhead + MaxPlaintext + MaxPlaintext/8

func (s *Sealer) sealCompact(dst []byte, kind container.Kind, key container.Key, plaintext []byte) ([]byte, error) {
	encoding, body, release := s.encode(kind, plaintext)
	defer release()
	padded := paddedSize(1 + len(body) + 1)

	start := len(dst)
	dst = slices.Grow(dst, overhead+padded)
	dst = append(dst, compactVersion)
	dst = append(dst, s.identifier[:]...)
	dst = dst[:start+headerSize]
	nonce := dst[start+nonceStart:]
	if _, err := io.ReadFull(s.options.Random, nonce); err != nil {
		return nil, fmt.Errorf("seal: drawing a nonce: %w", err)
	}
	dst = append(dst, encoding)
	dst = append(dst, body...)
	dst = appendPadding(dst, start+headerSize+padded)

	content := dst[start+headerSize:]
	sealed := s.compact.Seal(content[:0], nonce, content, associatedData(compactVersion, []byte{byte(kind)}, []byte(key)))
	return dst[:start+headerSize+len(sealed)], nil
}

// Identifier is what tells the account's key from others: 8 bytes that every compact
// object begins with after its version, and no secret.
func (s *Sealer) Identifier() []byte { return bytes.Clone(s.identifier[:]) }

// IsOurs tells whether sealed begins as the compact objects of this account do,
// damaged or not. A dm3 object names no key, so the answer is false.
func (s *Sealer) IsOurs(sealed []byte) bool {
	return len(sealed) >= nonceStart && sealed[0] == compactVersion && [identifierSize]byte(sealed[1:nonceStart]) == s.identifier
}

// encode returns what a plaintext is stored as, and a function that gives the buffer back.
func (s *Sealer) encode(kind container.Kind, plaintext []byte) (encoding byte, body []byte, release func()) {
	if kind != container.KindChunk || s.options.NoCompression {
		return encodingPlain, plaintext, func() {}
	}
	buffer := s.takeScratch()
	*buffer = s.Compress((*buffer)[:0], plaintext)
	release = func() { s.giveScratch(buffer) }
	if len(*buffer) >= len(plaintext) {
		return encodingPlain, plaintext, release
	}
	return encodingZstd, *buffer, release
}

func (s *Sealer) openCompact(dst []byte, kind container.Kind, key container.Key, sealed []byte) ([]byte, error) {
	switch {
	case len(sealed) > maxSealed:
		return nil, ErrTooLarge
	case len(sealed) < nonceStart:
		return nil, ErrDamaged
	case [identifierSize]byte(sealed[1:nonceStart]) != s.identifier:
		return nil, ErrOtherKey
	case len(sealed) < overhead:
		return nil, ErrDamaged
	}
	buffer := s.takeScratch()
	defer s.giveScratch(buffer)
	content, err := s.compact.Open((*buffer)[:0], sealed[nonceStart:headerSize], sealed[headerSize:],
		associatedData(compactVersion, []byte{byte(kind)}, []byte(key)))
	if err != nil {
		return nil, ErrDamaged
	}
	*buffer = content
	content, ok := trimPadding(content)
	if !ok || len(content) == 0 {
		return nil, ErrDamaged
	}
	return s.decode(dst, content[0], content[1:])
}

// decode undoes encode. An unknown encoding under a valid tag was written by a newer program.
func (s *Sealer) decode(dst []byte, encoding byte, body []byte) ([]byte, error) {
	switch encoding {
	case encodingPlain:
		if len(body) > MaxPlaintext {
			return nil, ErrTooLarge
		}
		return append(dst, body...), nil
	case encodingZstd:
		return s.Decompress(dst, body)
	}
	return nil, ErrNewerVersion
}

// associatedData frames each part by its length, so that no two lists of parts read the same.
func associatedData(version byte, parts ...[]byte) []byte {
	data := binary.BigEndian.AppendUint32(make([]byte, 0, 128), 1)
	data = append(data, version)
	for _, part := range parts {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}

// Large buffers are left to the collector, so that one big chunk does not stay in memory for good.
const maxScratch = 2 << 20

func (s *Sealer) takeScratch() *[]byte {
	if buffer, ok := s.scratch.Get().(*[]byte); ok {
		return buffer
	}
	return new([]byte)
}

func (s *Sealer) giveScratch(buffer *[]byte) {
	if cap(*buffer) <= maxScratch {
		s.scratch.Put(buffer)
	}
}
