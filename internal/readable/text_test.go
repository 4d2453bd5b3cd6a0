package readable

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/display"
)

func TestFolderNames(t *testing.T) {
	if a, b := folderName("a.eth"), folderName("A.eth"); a == b || !strings.HasPrefix(a, "a.eth-") {
		t.Error(a, b)
	}
}

// FuzzMarkdownText: every line is quoted, nothing in it means anything, and the text is still there.
func FuzzMarkdownText(f *testing.F) {
	for _, text := range []string{"", "a", "a\n\n  b\n", "*a* _b_ `c` <d> [e](f) #g", "1. x\n- y\n+ z\n=== \n---", "https://a.example/<b>", "\\", "a\\\nb", "\t\ttab", "\r\n\u2028"} {
		f.Add(text)
	}
	links := display.Addresses()
	unescape := regexp.MustCompile(`\\([!-/:-@\[-` + "`" + `{-~])`)
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		w := newWriter(&out)
		cleaned := display.Clean(strings.ToValidUTF8(text, ""))
		markdownText(w, display.Segments(cleaned, links))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if cleaned == "" {
			return
		}
		var back []string
		for _, text := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
			body, quoted := strings.CutPrefix(text, ">")
			if !quoted || body != "" && body[0] != ' ' {
				t.Fatalf("a line %q in %q", text, out.String())
			}
			back = append(back, strings.TrimPrefix(body, " "))
		}
		if want := strings.Count(cleaned, "\n") + 1; len(back) != want {
			t.Fatalf("%d lines of %d", len(back), want)
		}
		if strings.Contains(strings.ToLower(cleaned), "https:") || strings.Contains(strings.ToLower(cleaned), "mailto:") {
			return // links are written otherwise
		}
		for i, original := range strings.Split(cleaned, "\n") {
			got := unescape.ReplaceAllString(strings.TrimSuffix(back[i], "\\"), "$1")
			if strings.HasSuffix(back[i], `\\`) && !strings.HasSuffix(back[i], `\\\`) {
				got = unescape.ReplaceAllString(back[i], "$1")
			}
			if space := strings.NewReplacer(" ", "", "\t", "", "\u00a0", ""); space.Replace(got) != space.Replace(display.Line(original)) {
				t.Fatalf("%q became %q", original, back[i])
			}
		}
	})
}
