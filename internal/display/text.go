package display

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Segment is a piece of a text: a link where URL is not empty.
type Segment struct {
	Text, URL string
}

// Clean makes text harmless to show: line ends become \n, and control characters "·". The marks that turn the direction of
// writing stay, for languages need them; the page keeps them inside their text.
func Clean(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n", "\v", "\n", "\f", "\n").Replace(text)
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '·'
		}
		return r
	}, text)
}

// Line makes text harmless for one line: names, excerpts, and what stands beside text of ours. Here the marks that turn
// the direction of writing go, too.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return '·'
		}
		return r
	}, Clean(text))
}

// Excerpt is the beginning of a text, on one line: at most so many letters, and "…" where more follows.
func Excerpt(text string, letters int) string {
	if len(text) > 8*letters {
		text = strings.ToValidUTF8(text[:8*letters], "")
	}
	runes := []rune(Line(text))
	if len(runes) <= letters {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:letters])) + "…"
}

// Addresses matches what may be a link; [LinkTarget] decides.
func Addresses() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:https://|mailto:)[^\s<>"'` + "`" + `\\\p{Cc}\p{Cf}]+`)
}

// Segments cuts a clean text into pieces, links apart; the expression is that of [Addresses].
func Segments(text string, links *regexp.Regexp) []Segment {
	var pieces []Segment
	done := 0
	for _, at := range links.FindAllStringIndex(text, -1) {
		found := strings.TrimRight(text[at[0]:at[1]], ".,;:!?)]}*_~|")
		target := LinkTarget(found)
		if target == "" {
			continue
		}
		if at[0] > done {
			pieces = append(pieces, Segment{Text: text[done:at[0]]})
		}
		pieces = append(pieces, Segment{Text: found, URL: target})
		done = at[0] + len(found)
	}
	if done < len(text) {
		pieces = append(pieces, Segment{Text: text[done:]})
	}
	return pieces
}

// LinkTarget returns the address that a link may lead to, escaped, or nothing: only https and mailto, without a login in it.
func LinkTarget(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.User != nil:
		return ""
	case strings.EqualFold(u.Scheme, "https") && u.Hostname() != "":
		return u.String()
	case strings.EqualFold(u.Scheme, "mailto") && strings.Contains(u.Opaque, "@"):
		return u.String()
	}
	return ""
}
