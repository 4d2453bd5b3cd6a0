package identity

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
	"golang.org/x/text/unicode/norm"
)

// prepare is nameprep for names with characters outside ASCII: map (B.1, B.2), NFKC, refuse.
func prepare(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", ErrNameEncoding
	}
	prepared := composeCompatible(fold(name))
	if err := checkCharacters(prepared); err != nil {
		return "", err
	}
	if err := checkHyphens(prepared); err != nil {
		return "", err
	}
	return prepared, nil
}

// fold drops what table B.1 maps to nothing and folds case by table B.2.
func fold(name string) string {
	var folded strings.Builder
	folded.Grow(len(name) + utf8.UTFMax)
	for _, r := range name {
		// U+1806 is in RFC 3454 table B.1 but missing from the library's.
		if _, drop := stringprep.TableB1[r]; drop || r == 0x1806 {
			continue
		}
		if replacement, ok := stringprep.TableB2[r]; ok {
			for _, r := range replacement {
				folded.WriteRune(r)
			}
			continue
		}
		folded.WriteRune(younger(r))
	}
	return folded.String()
}

// younger gives the NFKC form of the 37 characters of Unicode 16 and 17 that have one in ASCII, so
// that a name means the same whichever Unicode edition the normalisation tables are from: the
// outlined letters and digits, and U+A7F1. The judge ran on edition 17.
func younger(r rune) rune {
	switch {
	case 0x1CCD6 <= r && r <= 0x1CCEF:
		return r - 0x1CCD6 + 'A'
	case 0x1CCF0 <= r && r <= 0x1CCF9:
		return r - 0x1CCF0 + '0'
	case r == 0xA7F1:
		return 'S'
	}
	return r
}

// prohibited lists the tables whose characters nameprep refuses: C.1.2, C.2.2 and C.3 to C.9.
var prohibited = [...]stringprep.Set{
	stringprep.TableC1_2, stringprep.TableC2_2, stringprep.TableC3, stringprep.TableC4, stringprep.TableC5,
	stringprep.TableC6, stringprep.TableC7, stringprep.TableC8, stringprep.TableC9,
}

// checkCharacters looks for prohibited characters in the whole name before it looks for unassigned
// ones, as ethers does, so that the reason is the same.
func checkCharacters(name string) error {
	unassigned := false
	for _, r := range name {
		if r < utf8.RuneSelf {
			continue // none of the tables used holds an ASCII character
		}
		for _, table := range &prohibited {
			if table.Contains(r) {
				return ErrNameProhibited
			}
		}
		unassigned = unassigned || stringprep.TableA1.Contains(r)
	}
	if unassigned {
		return ErrNameUnassigned
	}
	return nil
}

// joiner is U+034F, which the text library inserts into long runs of combining marks (the
// stream-safe form of UAX 15) and JavaScript does not. Names never hold one here: table B.1.
const joiner = "\u034f"

// composeCompatible is NFKC without the stream-safe limit of 30 combining marks.
func composeCompatible(text string) string {
	normal := norm.NFKC.String(text)
	if !strings.Contains(normal, joiner) {
		return normal
	}
	return composeRunes(decomposeRunes(text))
}

// decomposeRunes gives the full compatibility decomposition in canonical order (UAX 15, D108 and
// D109).
func decomposeRunes(text string) []rune {
	var decomposed []rune
	for _, r := range text {
		for _, part := range norm.NFKD.String(string(r)) {
			decomposed = append(decomposed, part)
		}
	}
	sortMarks(decomposed)
	return decomposed
}

// sortMarks orders each run of combining marks by class, keeping equals in place.
func sortMarks(runes []rune) {
	start := 0
	for i := range len(runes) + 1 {
		if i < len(runes) && combiningClass(runes[i]) != 0 {
			continue
		}
		slices.SortStableFunc(runes[start:i], func(a, b rune) int {
			return cmp.Compare(combiningClass(a), combiningClass(b))
		})
		start = i + 1
	}
}

// composeRunes joins each starter with the following characters that are not blocked (UAX 15,
// D115 to D117).
func composeRunes(runes []rune) string {
	composed := make([]rune, 0, len(runes))
	starter, last := -1, uint8(0)
	for _, r := range runes {
		class := combiningClass(r)
		free := starter >= 0 && (starter == len(composed)-1 || (last != 0 && last < class))
		if free {
			if pair, ok := composePair(composed[starter], r); ok {
				composed[starter] = pair
				continue
			}
		}
		if class == 0 {
			starter = len(composed)
		}
		last = class
		composed = append(composed, r)
	}
	return string(composed)
}

// composePair returns the primary composite of two characters, where there is one.
func composePair(first, second rune) (rune, bool) {
	joined := norm.NFC.String(string([]rune{first, second}))
	r, size := utf8.DecodeRuneInString(joined)
	return r, size == len(joined)
}

func combiningClass(r rune) uint8 {
	return norm.NFKC.PropertiesString(string(r)).CCC()
}
