package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// appendString appends a JSON string with exactly the escapes that dm3's stringify writes (internal/docs/format.md
// part 3). It is not encoding/json because that one escapes U+2028 and U+2029 as well. Invalid UTF-8 becomes U+FFFD.
func appendString(text []byte, value string) []byte {
	text = append(text, '"')
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			text = append(text, '\\', byte(r))
		case r >= 0x20:
			text = append(text, string(r)...)
		default:
			text = appendControl(text, r)
		}
	}
	return append(text, '"')
}

// appendControl appends a control character below U+0020.
func appendControl(text []byte, r rune) []byte {
	switch r {
	case '\b':
		return append(text, `\b`...)
	case '\t':
		return append(text, `\t`...)
	case '\n':
		return append(text, `\n`...)
	case '\f':
		return append(text, `\f`...)
	case '\r':
		return append(text, `\r`...)
	default:
		return fmt.Appendf(text, `\u%04x`, r)
	}
}

// withSignature adds the member "signature" to a canonical object, in front of the tail of its text: the members that sort
// after it, and the closing brace. It changes the object's memory.
func withSignature(object []byte, tail, signature string) []byte {
	object = append(object[:len(object)-len(tail)], `,"signature":"`...)
	object = append(object, signature...)
	object = append(object, '"')
	return append(object, tail...)
}

// hashText is sha(s) of internal/docs/format.md: SHA-256 as lowercase hex with 0x.
func hashText(text []byte) string {
	sum := sha256.Sum256(text)
	return "0x" + hex.EncodeToString(sum[:])
}
