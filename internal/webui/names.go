package webui

import (
	"html/template"
	"strings"
	"unicode"

	"github.com/dm3sync/dm3sync/internal/display"
)

// How much of other people's words is shown where there is room for little.
const (
	nameLetters = 64
	textLetters = 600
)

// line makes other people's text harmless for one line: control characters and those that turn the direction of writing
// become "·", and beyond so many letters it is cut.
func line(text string, letters int) string {
	if len(text) > 16*letters { // letters with many accents are long, too
		text = strings.ToValidUTF8(text[:16*letters], "")
	}
	var b strings.Builder
	count := 0
	for _, r := range strings.ToValidUTF8(text, "\ufffd") {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			r = ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			r = '·'
		}
		if count++; count > letters {
			return strings.TrimSpace(b.String()) + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}

// name shows a name of an account, contact, mirror or place: cut, and apart from the text around it. The whole of it, as far
// as it can be shown, is in its title.
func name(text string) template.HTML {
	shown := line(text, nameLetters)
	if !visible(shown) {
		return `<bdi class="name">(without a name)</bdi>`
	}
	title := ""
	if whole := line(text, textLetters); whole != shown {
		title = ` title="` + template.HTMLEscapeString(whole) + `"`
	}
	return template.HTML(`<bdi class="name"` + title + `>` + template.HTMLEscapeString(shown) + `</bdi>`) //nolint:gosec // escaped
}

// visible says whether a person sees anything of a text.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) })
}

// words shows a sentence, or the text of an error, that may hold words of others; what stands between backticks is a command.
func words(text string) template.HTML {
	var b strings.Builder
	b.WriteString("<bdi>")
	parts := strings.Split(line(display.Reason(text), textLetters), "`")
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case i == len(parts)-1: // one that is never closed
			b.WriteString("`" + part)
		default:
			b.WriteString("<code>" + part + "</code>")
		}
	}
	b.WriteString("</bdi>")
	return template.HTML(b.String()) //nolint:gosec // escaped
}
