package readable

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/dm3sync/dm3sync/internal/display"
)

// writer keeps the first error of what is written for Flush.
type writer struct{ *bufio.Writer }

func newWriter(out io.Writer) *writer { return &writer{bufio.NewWriter(out)} }

func (w *writer) printf(format string, arguments ...any) { _, _ = fmt.Fprintf(w, format, arguments...) }

// escaped makes text of others stand for itself on one line: every sign that could mean something where it stands is escaped
// (CommonMark takes a backslash before any ASCII punctuation), and marks that turn the direction of writing go.
func escaped(text string) string {
	text = display.Line(text)
	var b strings.Builder
	for i, r := range text {
		if r < 0x80 && meaning(text, i) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// meaning tells whether the sign at i could be Markdown.
func meaning(text string, i int) bool {
	before, after := byte(' '), byte(' ')
	if i > 0 {
		before = text[i-1]
	}
	if i+1 < len(text) {
		after = text[i+1]
	}
	switch c := text[i]; {
	case strings.IndexByte("\\`*_[]<>&~|!#$^{}@", c) >= 0:
		return true
	case c == '-' || c == '+' || c == '=': // lists and underlines begin a line
		return strings.TrimLeft(text[:i], " \u00a0") == "" || before == c || after == c
	case c == '.' || c == ')': // numbered lists, and www.
		return before >= '0' && before <= '9' || before == 'w' || before == 'W'
	case c == ':': // addresses, and names of emoji
		return after != ' '
	}
	return false
}

// markdownText writes a text as a quotation: every line of it begins with ">", so that no line can be anything else, and
// links stand in angle brackets.
func markdownText(w *writer, text []display.Segment) {
	var lines []string
	var current strings.Builder
	for _, piece := range text {
		if piece.URL != "" {
			current.WriteString("<" + autolink(piece.URL) + ">")
			continue
		}
		for i, words := range strings.Split(piece.Text, "\n") {
			if i > 0 {
				lines = append(lines, current.String())
				current.Reset()
			}
			if current.Len() == 0 {
				trimmed := strings.TrimLeft(words, " \t")
				current.WriteString(strings.Repeat("\u00a0", len(words)-len(trimmed))) // else it could be a block of code
				words = trimmed
			}
			current.WriteString(escaped(words))
		}
	}
	lines = append(lines, current.String())
	if len(text) == 0 {
		return
	}
	for i, content := range lines {
		w.printf("%s", strings.TrimRight("> "+content, " "))
		if content != "" && i+1 < len(lines) && lines[i+1] != "" {
			w.printf("\\") // the next line is one of its own
		}
		w.printf("\n")
	}
}

// autolink percent-encodes what would end an address in angle brackets, or could be shown as something else.
func autolink(address string) string {
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("<>\\`", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// markdownEntry writes one entry.
func markdownEntry(w *writer, v *entryView) {
	if v.Day != "" {
		w.printf("## %s\n\n", v.Day)
	}
	w.printf("<a id=\"%s\"></a>**%s** %s", v.Anchor, escaped(v.From), v.Stamp)
	if v.Label != "" {
		w.printf(" · %s", escaped(v.Label))
	}
	for _, part := range []struct{ what, at string }{{"edited", v.Edited}, {"arrived", v.Received}, {"seen", v.Opened}} {
		if part.at != "" {
			w.printf(" · %s %s", part.what, part.at)
		}
	}
	w.printf("%s", "\n\n")
	if v.Quote != nil {
		w.printf("In answer to [%s](%s): %s\n\n", escaped(v.Quote.From), v.Quote.Link, escaped(v.Quote.Text))
	}
	if v.Deleted != "" {
		w.printf("*deleted %s*\n", v.Deleted)
	}
	markdownText(w, v.Text)
	for i := range v.Files {
		markdownFile(w, &v.Files[i])
	}
	if len(v.Reactions) > 0 {
		var list []string
		for _, reaction := range v.Reactions {
			list = append(list, escaped(reaction.Text)+" "+escaped(reaction.By))
		}
		if v.More > 0 {
			list = append(list, fmt.Sprintf("and %d more", v.More))
		}
		w.printf("\nReactions: %s\n", strings.Join(list, " · "))
	}
	w.printf("\n")
}

func markdownFile(w *writer, f *fileView) {
	switch {
	case f.Beside != "" && f.Picture:
		w.printf("\n![%s](%s)\n", escaped(f.Name), f.Beside)
	case f.Beside != "":
		w.printf("\nAttachment: [%s](%s), %s\n", escaped(f.Name), f.Beside, f.Size)
	case f.Link != "":
		w.printf("\nAttachment: %s, %s: <%s>\n", escaped(f.Name), f.Note, autolink(f.Link))
	default:
		w.printf("\nAttachment: %s, %s\n", escaped(f.Name), f.Note)
	}
}

// markdownHead writes what all pages begin with.
func markdownHead(w *writer, f *frame) {
	w.printf("# %s\n\n", escaped(f.Title))
	about := []string{"Account " + escaped(f.Account), "exported " + f.Exported}
	if f.Range != "" {
		about = append(about, f.Range)
	}
	w.printf("%s\n\n", strings.Join(about, " · "))
	if len(f.Reasons) == 0 {
		return
	}
	w.printf("%s", "**Something may be missing:**\n\n")
	for _, reason := range f.Reasons {
		w.printf("- %s\n", escaped(reason))
	}
	w.printf("\n")
}

func markdownPage(out io.Writer, p *pageData) error {
	w := newWriter(out)
	markdownHead(w, &p.frame)
	var links []string
	for _, link := range []struct{ file, text string }{{p.Up, "all"}, {p.First, "first"}, {p.Older, "older"}, {p.Newer, "newer"}} {
		if link.file != "" {
			links = append(links, fmt.Sprintf("[%s](%s)", link.text, link.file))
		}
	}
	w.printf("Page %d of %d · %s\n\n", p.Number, p.Pages, strings.Join(links, " · "))
	for i := range p.Entries {
		markdownEntry(w, &p.Entries[i])
	}
	return w.Flush()
}

func markdownList(out io.Writer, l *listData) error {
	w := newWriter(out)
	markdownHead(w, &l.frame)
	w.printf("[all](%s)\n\n", l.Up)
	for _, p := range l.Pages {
		w.printf("- [%s to %s](%s), %d\n", p.First, p.Last, p.File, p.Entries)
	}
	return w.Flush()
}

func markdownIndex(out io.Writer, x *indexData) error {
	w := newWriter(out)
	markdownHead(w, &x.frame)
	for _, c := range x.Conversations {
		name := escaped(c.Contact)
		if c.Path != "" {
			name = fmt.Sprintf("[%s](%s)", name, c.Path)
		}
		w.printf("- %s, %s", name, display.Plural(c.Entries, "message"))
		if c.First != "" {
			w.printf(", %s to %s", c.First, c.Last)
		}
		if c.Provisional {
			w.printf("%s", ", **something may be missing**")
		}
		w.printf("\n")
	}
	return w.Flush()
}
