package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// maxTerm is the longest term in bytes; what is longer is cut, in messages and queries alike.
	maxTerm = 64
	// maxRun is how much of one word is looked at: a flood of combining marks is one word.
	maxRun = 256
	// maxText is how much of a message is indexed, in bytes, and maxWords how many words of it.
	maxText, maxWords = 256 << 10, 16384
)

// splitter cuts text into words, by the rules of Unicode (UAX 29), and folds them. Han, Hiragana, Thai and the like come
// one character at a time, since only a dictionary knows their words; whoever looks for several of them wants them in a
// row. It is not safe for concurrent use.
type splitter struct {
	fold  cases.Caser
	known map[string]string // folded forms of words seen lately
}

// maxKnown bounds the folded forms that are kept.
const maxKnown = 4096

func newSplitter() *splitter { return &splitter{fold: cases.Fold(), known: map[string]string{}} }

// each hands out the terms of a text with the bytes they stand at, until visit returns false.
func (s *splitter) each(text string, visit func(term string, start, end int) bool) {
	segments := words.FromString(text)
	for segments.Next() {
		start := segments.Start()
		if !s.segment(segments.Value(), start, visit) {
			return
		}
	}
}

// segment hands out the terms of one word of the text. What joins letters to one word for a cursor, as the stops in a
// domain name, parts them here.
func (s *splitter) segment(word string, at int, visit func(term string, start, end int) bool) bool {
	if plain(word) {
		return s.term(word, at, visit)
	}
	begin, symbol := -1, false
	for i, r := range word {
		switch {
		case unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Cf):
			if begin < 0 {
				begin = i
			}
			continue
		case unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) && r > unicode.MaxLatin1:
			symbol = true
			continue
		case begin >= 0:
			if !s.term(word[begin:i], at+begin, visit) {
				return false
			}
			begin = -1
		}
	}
	switch {
	case symbol: // an emoji, with all that belongs to it
		return s.term(word, at, visit)
	case begin >= 0:
		return s.term(word[begin:], at+begin, visit)
	}
	return true
}

// plain tells a word of letters and digits of ASCII.
func plain(word string) bool {
	for i := range len(word) {
		if c := word[i]; c < '0' || c > 'z' || c > '9' && c < 'A' || c > 'Z' && c < 'a' {
			return false
		}
	}
	return true
}

func (s *splitter) term(word string, at int, visit func(term string, start, end int) bool) bool {
	term := s.folded(cut(word, maxRun))
	if term == "" {
		return true
	}
	return visit(term, at, at+len(word))
}

// folded is a word without case, accents, points and width.
func (s *splitter) folded(word string) string {
	if term, ok := s.known[word]; ok {
		return term
	}
	term := strings.ToLower(word)
	if !plain(word) {
		term = norm.NFKD.String(s.fold.String(norm.NFKD.String(word)))
		term = norm.NFC.String(replaceLetters.Replace(strings.Map(keep, term)))
	}
	term = strings.Clone(cut(term, maxTerm)) // not a piece of a long text
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[strings.Clone(word)] = term
	return term
}

// replaceLetters are letters with a stroke or joined, which Unicode does not take apart.
var replaceLetters = strings.NewReplacer("ø", "o", "đ", "d", "ð", "d", "ł", "l", "ħ", "h", "ı", "i", "æ", "ae", "œ", "oe", "þ", "th")

// keep drops marks that people leave out when they search: accents, the points of Hebrew and Arabic, shades of emoji, and
// what is not seen. Marks that make another letter of a letter stay, as in Japanese, Thai and the scripts of India.
func keep(r rune) rune {
	switch {
	case r >= 0x300 && r <= 0x36F, r >= 0x483 && r <= 0x487, r >= 0x1AB0 && r <= 0x1AFF, r >= 0x1DC0 && r <= 0x1DFF, r >= 0x20D0 && r <= 0x20FF,
		r >= 0x591 && r <= 0x5C7, r >= 0x610 && r <= 0x61A, r >= 0x64B && r <= 0x65F, r == 0x670, r >= 0x6D6 && r <= 0x6ED, r == 0x640,
		r >= 0xFE00 && r <= 0xFE0F, r >= 0xFE20 && r <= 0xFE2F, r >= 0x1F3FB && r <= 0x1F3FF,
		unicode.Is(unicode.Cf, r), unicode.IsSpace(r), unicode.IsControl(r):
		return -1
	}
	return r
}

// cut shortens a text to so many bytes, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
