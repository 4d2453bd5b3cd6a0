package container

import "fmt"

// Canonical appends to dst what dm3's stringify(JSON.parse(src)) yields, and
// returns the extended slice; on errors it returns dst as it was.
//
// The canonical form (internal/docs/format.md part 3) has no white space; members
// sorted by the UTF-16 code units of their names, the last of doubles; numbers
// as JavaScript writes the nearest float64 (0 for -0, null for what overflows);
// strings with the escapes of JSON.stringify only, lone surrogates as \udxxx in
// lowercase. It is a fixed point: the canonical form of canonical text is the
// text itself.
//
// src must be one JSON value by RFC 8259, in valid UTF-8, with at most 512
// objects and arrays within one another; otherwise the error is [ErrSyntax].
// dst and src must not overlap. Canonical is safe for concurrent use.
func Canonical(dst, src []byte) ([]byte, error) {
	s := newScanner(src, maxDepth)
	defer s.release()
	if err := s.value(shapeAny); err != nil {
		return dst, fmt.Errorf("container: making canonical: %w", err)
	}
	text, _ := s.text()
	if err := s.end(); err != nil {
		return dst, fmt.Errorf("container: making canonical: %w", err)
	}
	return append(dst, text...), nil
}
