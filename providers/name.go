package providers

import (
	"fmt"
	"strings"
)

// MaxName is the longest name in bytes. With a folder or key prefix before it, it stays below the limits of every
// place (255 bytes a path component, 1,024 an S3 key).
const MaxName = 200

// ValidateName accepts names that every place can keep unchanged: one or more parts joined by "/", each of ASCII
// letters, digits, ".", "_" and "-", at most [MaxName] bytes together. A part neither begins nor ends with "." (which
// excludes "." and ".."): names with a leading dot belong to operating systems and sync programs, and Windows drops
// trailing dots. Errors match [ErrInvalidName].
func ValidateName(name string) error {
	if len(name) == 0 || len(name) > MaxName {
		return fmt.Errorf("%w: %d bytes", ErrInvalidName, len(name))
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			if !nameByte(name[i]) {
				return fmt.Errorf("%w: byte %#02x at %d", ErrInvalidName, name[i], i)
			}
			continue
		}
		if i == start || name[start] == '.' || name[i-1] == '.' {
			return fmt.Errorf("%w: empty part or dot at its edge in %q", ErrInvalidName, name)
		}
		start = i + 1
	}
	return nil
}

// ValidatePrefix accepts "" and every text that some valid name begins with. Errors match [ErrInvalidName].
func ValidatePrefix(prefix string) error {
	whole := prefix
	if whole == "" || strings.HasSuffix(whole, "/") || strings.HasSuffix(whole, ".") {
		whole += "x" // a valid name may go on here
	}
	return ValidateName(whole)
}

// ValidateRange checks the arguments of GetRange. Errors match [ErrInvalidRange].
func ValidateRange(offset, length int64) error {
	if offset < 0 || length < 1 {
		return fmt.Errorf("%w: offset %d, length %d", ErrInvalidRange, offset, length)
	}
	return nil
}

func nameByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '_' || c == '-'
}
