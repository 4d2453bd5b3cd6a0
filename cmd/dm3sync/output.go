package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/dm3sync/dm3sync/internal/display"
)

// print writes the document as JSON where that was asked for, else what text says,
// made harmless.
func (p *program) print(document any, text func(w *strings.Builder)) error {
	return p.printStyled(document, func(w *strings.Builder) {
		buffer := &strings.Builder{}
		text(buffer)
		w.WriteString(harmless(buffer.String()))
	})
}

// printStyled is print for a text that is harmless already, and may steer a terminal.
func (p *program) printStyled(document any, text func(w *strings.Builder)) error {
	if p.json {
		p.printed = true
		encoder := json.NewEncoder(p.out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return nil
	}
	buffer := &strings.Builder{}
	text(buffer)
	if _, err := io.WriteString(p.out, buffer.String()); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// note prints a sentence for people, on the error stream.
func (p *program) note(format string, arguments ...any) {
	if !p.quiet {
		p.tell(format, arguments...)
	}
}

// tell writes a line, made harmless, to the error stream. When that fails, nobody can
// be told. Safe for concurrent use.
func (p *program) tell(format string, arguments ...any) {
	p.telling.Lock()
	defer p.telling.Unlock()
	_, _ = io.WriteString(p.err, harmless(fmt.Sprintf(format, arguments...))+"\n")
}

// warn is note for a whole sentence, which is said once however many look at the same thing.
// Safe for concurrent use.
func (p *program) warn(sentence string) {
	p.telling.Lock()
	said := slices.Contains(p.warned, sentence)
	if !said {
		p.warned = append(p.warned, sentence)
	}
	p.telling.Unlock()
	if !said {
		p.note("warning: %s", display.Clean(display.Reason(sentence)))
	}
}

// table writes rows in aligned columns; the first row is the heading.
func table(w *strings.Builder, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // writing to memory does not fail
}

// plain makes text of other people harmless for a terminal, on one line: control
// characters (escape sequences) and those that turn the direction of writing become
// "·".
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		return steady(r)
	}, text)
}

// harmless is plain for whole outputs, which have lines: whatever a verb forgot to
// clean, such as what a server said in an error, steers no terminal.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return steady(r)
	}, text)
}

func steady(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
		return '·'
	}
	return r
}

// reason makes the text of an error one for people, on one line.
func reason(text string) string { return plain(display.Reason(text)) }

// when formats Unix milliseconds in local time; 0 is "-".
func when(milliseconds int64) string {
	if milliseconds == 0 {
		return "-"
	}
	return time.UnixMilli(milliseconds).Format("2006-01-02 15:04:05")
}

// ago formats a moment relative to now; the zero time is "never".
func ago(moment, now time.Time) string {
	if moment.IsZero() {
		return "never"
	}
	return span(now.Sub(moment)) + " ago"
}

// span is a time as somebody would say it: "38s", "1m15s", "1h30m", "3 days".
func span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 48*time.Hour:
		return plural(int(d/(24*time.Hour)), "day")
	case d >= time.Hour:
		d = d.Round(time.Minute)
	}
	text := strings.TrimSuffix(d.String(), "m0s")
	if text != d.String() {
		text = strings.TrimSuffix(text+"m", "h0m")
		if !strings.HasSuffix(text, "m") {
			text += "h"
		}
	}
	return text
}

// plural is "1 message" or "7 messages".
func plural[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// isTerminal tells whether w is a terminal that can redraw a line.
func (p *program) isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && p.getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// getenv is os.Getenv on the program's environment: the last one counts.
func (p *program) getenv(name string) string {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(p.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}
