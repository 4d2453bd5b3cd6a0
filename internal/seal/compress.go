package seal

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// compressionLevel was chosen by BenchmarkCompressionLevels on chunks of real chat, which are mostly
	// signatures and hashes: the default level took twice the time there and made them no smaller.
	compressionLevel = zstd.SpeedFastest
	// compressionWindow bounds how far back the encoder looks, and with it its memory.
	compressionWindow = 1 << 20
	// maxWindow bounds the memory that a frame may ask the decoder for.
	maxWindow = 8 << 20
)

// codecs keeps encoders and decoders between uses; the collector takes them when they lie idle.
type codecs struct {
	encoders, decoders sync.Pool
}

// Compress appends body as one zstd frame (RFC 8878) to dst.
func (s *Sealer) Compress(dst, body []byte) []byte {
	encoder, ok := s.codecs.encoders.Get().(*zstd.Encoder)
	if !ok {
		encoder = newEncoder(compressionLevel)
	}
	defer s.codecs.encoders.Put(encoder)
	return encoder.EncodeAll(body, dst)
}

// Decompress appends the content of a zstd frame to dst. Errors: [ErrTooLarge] when the content is
// larger than [MaxPlaintext] or asks for a window of more than 8 MiB, else [ErrDamaged].
func (s *Sealer) Decompress(dst, body []byte) ([]byte, error) {
	decoder, ok := s.codecs.decoders.Get().(*zstd.Decoder)
	if !ok {
		decoder = newDecoder()
	}
	defer s.codecs.decoders.Put(decoder)
	if len(body) == 0 {
		return nil, ErrDamaged // the decoder takes no frame for an empty one
	}
	out, err := decoder.DecodeAll(body, dst)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, ErrTooLarge
	case err != nil:
		return nil, fmt.Errorf("%w: decompressing", ErrDamaged)
	}
	return out, nil
}

// newEncoder leaves the checksum out: the seal around a frame is one.
func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(compressionWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false),
		zstd.WithZeroFrames(true))
	if err != nil {
		panic("seal: zstd options: " + err.Error()) // constants; a test makes one
	}
	return encoder
}

func newDecoder() *zstd.Decoder {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxPlaintext), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic("seal: zstd options: " + err.Error()) // constants; a test makes one
	}
	return decoder
}
