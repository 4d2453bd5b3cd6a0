package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// print writes the document as JSON where that was asked for, else calls text.
func (p *program) print(document any, text func(w *strings.Builder)) error {
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

// tell writes a line to the error stream. When that fails, nobody can be told.
func (p *program) tell(format string, arguments ...any) {
	_, _ = fmt.Fprintf(p.err, format+"\n", arguments...)
}

// warn is note for a whole sentence.
func (p *program) warn(sentence string) { p.note("warning: %s", sentence) }

// table writes rows in aligned columns; the first row is the heading.
func table(w *strings.Builder, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // writing to memory does not fail
}

// plain makes text of other people harmless for a terminal: control characters
// (escape sequences) and those that turn the direction of writing become "·".
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return '·'
		}
		return r
	}, text)
}

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
	return now.Sub(moment).Round(time.Second).String() + " ago"
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
	return p.getenv("TERM") != "dumb" && isDevice(w)
}

// isDevice tells whether a stream is a terminal, or a device like it.
func isDevice(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
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
