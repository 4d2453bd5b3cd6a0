package seal

import (
	"bytes"
	"math/bits"
)

const (
	paddingStep  = 2048
	paddingFixed = 64 << 10 // the largest size that is padded to the fixed step
)

// paddedSize rounds a size (at least 1, the mark included) up to its class; see the package comment.
func paddedSize(size int) int {
	step := paddingStep
	if size > paddingFixed {
		// The largest power of two that is not more than size/32 (decision 0005).
		step = 1 << (bits.Len(uint(size/32)) - 1)
	}
	return (size + step - 1) / step * step
}

// appendPadding appends 0x80 and then zeros up to the given length (ISO 7816-4), which is more than
// len(dst).
func appendPadding(dst []byte, length int) []byte {
	dst = append(dst, 0x80)
	zeros := length - len(dst)
	dst = append(dst, make([]byte, zeros)...)
	return dst
}

// trimPadding removes the padding; false means that there is none.
func trimPadding(padded []byte) ([]byte, bool) {
	trimmed := bytes.TrimRight(padded, "\x00")
	if len(trimmed) == 0 || trimmed[len(trimmed)-1] != 0x80 {
		return nil, false
	}
	return trimmed[:len(trimmed)-1], true
}
