package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrName is wrapped by every error of [Normalize].
var ErrName = errors.New("identity: name can't be normalised")

// Reasons for which a name is refused; each wraps [ErrName].
var (
	// ErrNameHyphen: a hyphen first, last, or at the third and fourth place.
	ErrNameHyphen = fmt.Errorf("%w: hyphen first, last or at places three and four", ErrName)
	// ErrNameProhibited: a character of RFC 3454 tables C.1.2, C.2.2 or C.3 to C.9.
	ErrNameProhibited = fmt.Errorf("%w: prohibited character", ErrName)
	// ErrNameUnassigned: a character that Unicode 3.2 does not know (RFC 3454 table A.1).
	ErrNameUnassigned = fmt.Errorf("%w: character unassigned in unicode 3.2", ErrName)
	// ErrNameEncoding: not UTF-8.
	ErrNameEncoding = fmt.Errorf("%w: not utf-8", ErrName)
)

// accountDomain is upstream's subdomain for accounts without a name of their own.
const accountDomain = ".addr.dm3.eth"

// shortName is the longest text of letters, digits and hyphens that nameprep only lower-cases.
const shortName = 59

// AccountName returns the dm3 name that belongs to an address: "0x<40 lower case hex>.addr.dm3.eth".
// The address is not checked, only lower-cased; see [ChecksumAddress].
func AccountName(address string) string {
	return strings.ToLower(address) + accountDomain
}

// Normalize returns the form of a dm3 name that is hashed and listed: nameprep as ethers v5 does it,
// which upstream uses (RFC 3491 without the bidi and label checks, the hyphen rule on the whole
// name, table C.2.1 allowed, variation selectors dropped). Spaces, underscores, NUL and empty
// labels pass; most emoji do not.
//
// It is idempotent but for characters younger than Unicode 3.2 whose NFKC form is upper case
// (U+1F130 gives "A"): those settle the second time.
//
// Lower-case ASCII names are returned as they are, without an allocation. Errors wrap [ErrName] and
// do not contain the name.
func Normalize(name string) (string, error) {
	found := scan(name)
	if found&hasOther != 0 {
		return prepare(name)
	}
	if found&hasUpper != 0 {
		name = strings.ToLower(name)
	}
	if found&hasSymbol == 0 && len(name) <= shortName {
		return name, nil
	}
	if err := checkHyphens(name); err != nil {
		return "", err
	}
	return name, nil
}

// What a name's bytes can be beside lower-case letters, digits and hyphens.
const (
	hasUpper  = 1 << iota // A-Z
	hasSymbol             // other ASCII
	hasOther              // from 0x80 up
)

// scan returns the kinds of bytes in a name. One look-up a byte: every listing and hash passes here.
func scan(name string) (found uint8) {
	for i := range len(name) {
		found |= byteKinds[name[i]]
	}
	return found
}

var byteKinds = func() (kinds [256]uint8) {
	for i := range kinds {
		switch c := byte(i); {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
		case 'A' <= c && c <= 'Z':
			kinds[i] = hasUpper
		case c < utf8.RuneSelf:
			kinds[i] = hasSymbol
		default:
			kinds[i] = hasOther
		}
	}
	return kinds
}()

// checkHyphens applies ethers' form of RFC 3490 rule 4.1.3b to the whole name. Places are counted in
// UTF-16 code units, as JavaScript's substring does.
func checkHyphens(name string) error {
	if strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") {
		return ErrNameHyphen
	}
	place := 0
	for i, r := range name {
		if place == 2 {
			if strings.HasPrefix(name[i:], "--") {
				return ErrNameHyphen
			}
			break
		}
		if place > 2 {
			// A surrogate pair straddles the place: its second half is no hyphen.
			break
		}
		place += utf16Units(r)
	}
	return nil
}

func utf16Units(r rune) int {
	if r >= 0x10000 {
		return 2
	}
	return 1
}
