package dm3api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrName is matched by errors about account names that a node must not be given.
var ErrName = errors.New("dm3api: not a normalised dm3 name")

// longestName is the longest account name in bytes that is sent or taken: names in URLs are percent-encoded, three bytes
// each, and servers take request lines of 8 KiB.
const longestName = 1024

// CheckName refuses names that are not in their normalised form, as a stock node ends when it can't normalise the name in
// a path. Normalise is how names are normalised (identity.Normalize); without it only names of lower-case ASCII letters,
// digits, dots, hyphens and underscores pass. Errors match [ErrName] and don't contain the name.
func CheckName(name string, normalise func(string) (string, error)) error {
	if name == "" || len(name) > longestName {
		return fmt.Errorf("%w: %d bytes", ErrName, len(name))
	}
	if strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") || len(name) > 3 && name[2:4] == "--" {
		return fmt.Errorf("%w: a hyphen at its edge or two at the third place", ErrName)
	}
	if name == "." || name == ".." {
		return fmt.Errorf("%w: a path's dots", ErrName)
	}
	if normalise == nil {
		for i := range len(name) {
			if !plainByte(name[i]) {
				return fmt.Errorf("%w: byte %#02x", ErrName, name[i])
			}
		}
		return nil
	}
	normal, err := normalise(name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	if normal != name {
		return fmt.Errorf("%w: it has another normalised form", ErrName)
	}
	return nil
}

func plainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}

// StoredID is the identifier under which a server keeps an account's record: the SHA-256 of the normalised account name
// and the client's identifier, as "0x" and lower-case hex.
func StoredID(account, messageID string) string {
	sum := sha256.Sum256([]byte(account + messageID))
	return "0x" + hex.EncodeToString(sum[:])
}
