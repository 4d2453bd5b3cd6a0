package container

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	lowBits  = 0x0101010101010101 // the lowest bit of each byte of a word
	highBits = 0x8080808080808080
)

// plain returns how many bytes at the start of text are neither a quote, a
// backslash nor a control character, and whether they may hold bytes outside
// ASCII. It reads eight bytes at a time: in each of the three tests the lowest
// byte that shows is a true hit, for a borrow can only run upwards from one.
func plain(text []byte) (n int, wide bool) {
	var seen uint64
	for ; n+8 <= len(text); n += 8 {
		w := binary.LittleEndian.Uint64(text[n:])
		quote, slash := w^('"'*lowBits), w^('\\'*lowBits)
		hits := ((w - ' '*lowBits) &^ w) | ((quote - lowBits) &^ quote) | ((slash - lowBits) &^ slash)
		seen |= w
		if hits &= highBits; hits != 0 {
			return n + bits.TrailingZeros64(hits)/8, seen&highBits != 0
		}
	}
	for ; n < len(text); n++ {
		c := text[n]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&highBits != 0
}

// quoted reads a string. Strings that are canonical already stay in src.
func (s *scanner) quoted() error {
	i := s.pos + 1
	wide := false
	for {
		n, w := plain(s.src[i:])
		i, wide = i+n, wide || w
		if i >= len(s.src) || s.src[i] < ' ' {
			s.pos = i
			return s.syntax("string without end or with a control character")
		}
		if s.src[i] == '"' {
			break
		}
		if i+1 < len(s.src) && isShortEscape(s.src[i+1]) {
			i += 2
			continue
		}
		return s.rewrite()
	}
	if wide && !utf8.Valid(s.src[s.pos:i]) {
		return s.syntax("not UTF-8 in the string")
	}
	s.pos = i + 1
	return nil
}

// isShortEscape says whether a backslash and c are an escape in canonical form.
func isShortEscape(c byte) bool {
	switch c {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}

// rewrite reads a string with escapes that may be written otherwise.
func (s *scanner) rewrite() error {
	s.flush()
	s.out = append(s.out, '"')
	s.pos++
	for {
		n, wide := plain(s.src[s.pos:])
		run := s.src[s.pos : s.pos+n]
		if wide && !utf8.Valid(run) {
			return s.syntax("not UTF-8 in the string")
		}
		s.out = append(s.out, run...)
		s.pos += n
		switch s.peek() {
		case '"':
			s.out = append(s.out, '"')
			s.pos++
			s.mark = s.pos
			return nil
		case '\\':
			if err := s.escape(); err != nil {
				return err
			}
		default:
			return s.syntax("string without end or with a control character")
		}
	}
}

// escape reads one escape, or two that are a surrogate pair.
func (s *scanner) escape() error {
	unit, size := unescape(s.src[s.pos:])
	if size == 0 {
		return s.syntax("wrong escape")
	}
	s.pos += size
	r := rune(unit)
	if utf16.IsSurrogate(r) {
		if low, size := unescape(s.src[s.pos:]); size == 6 {
			if pair := utf16.DecodeRune(r, rune(low)); pair != utf8.RuneError {
				s.pos += size
				r = pair
			}
		}
	}
	s.out = appendRune(s.out, r)
	return nil
}

// unescape decodes the escape at the start of text to a UTF-16 code unit. It
// returns how many bytes the escape takes, 0 if there is no valid one.
func unescape(text []byte) (unit uint16, size int) {
	if len(text) < 2 || text[0] != '\\' {
		return 0, 0
	}
	switch c := text[1]; c {
	case '"', '\\', '/':
		return uint16(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return unhex(text[2:])
	}
	return 0, 0
}

// unhex decodes the four digits of a \u escape of six bytes.
func unhex(text []byte) (unit uint16, size int) {
	if len(text) < 4 {
		return 0, 0
	}
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, 0
		}
		unit = unit<<4 | uint16(c)
	}
	return unit, 6
}

// appendRune appends a character, or a lone surrogate, as JSON.stringify
// writes it within a string.
func appendRune(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < ' ' || utf16.IsSurrogate(r) {
		return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// appendString appends text as a JSON string in canonical form. What is not
// UTF-8 becomes U+FFFD.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, r := range text {
		if r >= ' ' && r < utf8.RuneSelf && r != '"' && r != '\\' {
			dst = append(dst, byte(r))
			continue
		}
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// appendUnquoted appends the characters of a canonical JSON string to dst. It
// fails on lone surrogates, which Go text cannot hold and upstream cannot hash.
func appendUnquoted(dst, quoted []byte) (text []byte, ok bool) {
	rest := quoted[1 : len(quoted)-1]
	for {
		n, _ := plain(rest)
		dst = append(dst, rest[:n]...)
		if rest = rest[n:]; len(rest) == 0 {
			return dst, true
		}
		unit, size := unescape(rest)
		if utf16.IsSurrogate(rune(unit)) {
			return dst, false
		}
		dst = utf8.AppendRune(dst, rune(unit))
		rest = rest[size:]
	}
}
