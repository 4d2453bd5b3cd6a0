package seal

import (
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	recordVersion = 0x01
	recordKeyInfo = "dm3sync record v1 key"

	recordHeader = 1 + chacha20poly1305.NonceSizeX
	// RecordOverhead is how many bytes longer a sealed record is than its plaintext.
	RecordOverhead = recordHeader + chacha20poly1305.Overhead
)

// SealRecord appends the sealed form of a value of the local cache to dst and returns the result. The
// record opens only under the same name. No padding and no compression: the cache is local. plaintext
// must not overlap dst's spare capacity. Errors: those of the random source.
func (s *Sealer) SealRecord(dst []byte, name string, plaintext []byte) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, RecordOverhead+len(plaintext))
	dst = append(dst, recordVersion)
	dst = dst[:start+recordHeader]
	nonce := dst[start+1:]
	if _, err := io.ReadFull(s.options.Random, nonce); err != nil {
		return nil, fmt.Errorf("seal: drawing a nonce: %w", err)
	}
	return s.record.Seal(dst, nonce, plaintext, associatedData(recordVersion, []byte(name))), nil
}

// OpenRecord appends the plaintext of a sealed record to dst and returns the result. Errors:
// [ErrNewerVersion], else [ErrDamaged], also for another key or another name.
func (s *Sealer) OpenRecord(dst []byte, name string, sealed []byte) ([]byte, error) {
	switch {
	case len(sealed) == 0 || sealed[0] == 0:
		return nil, ErrDamaged
	case sealed[0] != recordVersion:
		return nil, ErrNewerVersion
	case len(sealed) < RecordOverhead:
		return nil, ErrDamaged
	}
	out, err := s.record.Open(dst, sealed[1:recordHeader], sealed[recordHeader:], associatedData(recordVersion, []byte(name)))
	if err != nil {
		return nil, ErrDamaged
	}
	return out, nil
}
