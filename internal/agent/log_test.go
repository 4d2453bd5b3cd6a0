package agent

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/dm3sync/dm3sync/internal/config"
)

// TestLogSteersNoTerminal: a record holds what a server said, and a terminal shows it as text, whatever the format.
func TestLogSteersNoTerminal(t *testing.T) {
	const hostile = "a\x1b]0;title\x07\x1b[2J\u009b31mb\rc\x7fd\xff"
	colours := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, format := range []string{"text", "json"} {
		for _, terminal := range []bool{false, true} {
			var out strings.Builder
			log, err := NewLogger(&out, config.Log{Format: format}, terminal)
			if err != nil {
				t.Fatal(err)
			}
			log.Warn("a pass failed", "error", errors.New(hostile), "text", hostile, "list", []string{"x"}, slog.Group("group", "inner", hostile))
			log.With("with", hostile).WithGroup("in").Warn(hostile, "number", 7, "error", errors.Join(errors.New("one"), errors.New(hostile)))
			text := out.String()
			if terminal && format == "text" {
				text = colours.ReplaceAllString(text, "")
			}
			for _, r := range text {
				if unicode.IsControl(r) && r != '\n' {
					t.Errorf("%s, terminal %v: %q in %q", format, terminal, r, out.String())
				}
			}
			if strings.Count(text, "title") != 6 || !strings.Contains(text, "WARN") && !strings.Contains(text, "WRN") || !strings.Contains(text, "7") {
				t.Errorf("%s, terminal %v: something is lost: %q", format, terminal, out.String())
			}
			if strings.Count(text, "\n") != 2 {
				t.Errorf("%s, terminal %v: a record of more than one line: %q", format, terminal, out.String())
			}
		}
	}
}
