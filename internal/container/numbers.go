package container

import (
	"math"
	"strconv"
)

// numeral reads a number. Integers that JavaScript holds exactly and writes
// without an exponent stay as they are; all others go through float64, as
// JSON.parse does.
func (s *scanner) numeral() error {
	digits, end, integer := spanNumber(s.src[s.pos:])
	if end == 0 {
		return s.syntax("wrong number")
	}
	text := s.src[s.pos : s.pos+end]
	if integer && digits <= 15 && string(text) != "-0" {
		s.pos += end
		return nil
	}
	value, _ := strconv.ParseFloat(string(text), 64) // overflow gives an infinity
	s.number = appendNumber(s.number[:0], value)
	if string(s.number) == string(text) {
		s.pos += end
		return nil
	}
	s.flush()
	s.out = append(s.out, s.number...)
	s.pos += end
	s.mark = s.pos
	return nil
}

// spanNumber measures the number at the start of text: how many digits its
// integer part has, where it ends (0 if it is none), and whether it has
// neither fraction nor exponent.
func spanNumber(text []byte) (digits, end int, integer bool) {
	i := 0
	if text[i] == '-' {
		i++
	}
	digits = spanDigits(text[i:])
	if digits == 0 || digits > 1 && text[i] == '0' {
		return 0, 0, false
	}
	i += digits
	integer = true
	if i < len(text) && text[i] == '.' {
		n := spanDigits(text[i+1:])
		if n == 0 {
			return 0, 0, false
		}
		i, integer = i+1+n, false
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		n := spanDigits(text[i:])
		if n == 0 {
			return 0, 0, false
		}
		i, integer = i+n, false
	}
	return digits, i, integer
}

func spanDigits(text []byte) int {
	for i, c := range text {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(text)
}

// appendNumber appends value as JSON.stringify writes it: the shortest digits
// that give the same float64, plain from 1e-6 up to 1e21 and with an exponent
// beyond, no negative zero, null for what is not finite.
func appendNumber(dst []byte, value float64) []byte {
	abs := math.Abs(value)
	switch {
	case math.IsInf(value, 0) || math.IsNaN(value):
		return append(dst, "null"...)
	case abs == 0:
		return append(dst, '0')
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(dst, value, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, value, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // e-07 is written e-7
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// parseInteger reads a canonical number as an integer of 0 to MaxInteger.
func parseInteger(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > len("9007199254740991") {
		return 0, false
	}
	var value int64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		value = value*10 + int64(c-'0')
	}
	return value, value <= MaxInteger
}
