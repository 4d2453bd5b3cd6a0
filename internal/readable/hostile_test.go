package readable_test

import (
	"encoding/base64"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/readable"

	"golang.org/x/net/html"
)

// hostileTexts are what somebody could send to whoever exports it.
func hostileTexts() []string {
	return []string{
		`<script>document.title="hacked"</script>`, `</div></article><script>document.title="hacked"</script>`, `"><img src=x onerror=document.title='hacked'>`,
		`<style>*{display:none}</style>`, `<meta http-equiv="refresh" content="0;url=https://evil.example">`, `<base href="https://evil.example/">`,
		`--><svg/onload=document.title="hacked">`, `{{.Account}}{{template "page" .}}`, `]]><!--`, "`${document.title='hacked'}`",
		`javascript:document.title="hacked"`, `https://evil.example/"onmouseover="document.title='hacked'`, `https://user:pass@evil.example/`, `mailto:a@b.c?subject=<script>`,
		"\u202egnp.exe\u202c \u2066\u2067 \u061c", "zero\x00 bell\x07 escape\x1b[31m delete\x7f c1\u009b", "a\u2028b\u2029c\u0085d\ve",
		"# heading\n## 2026-01-01\n**alice.eth** hi\n- list\n1. one\n    code\n```\nfence\n> quote\n\n---\n===\n| a | b |\n|---|---|\n![x](https://evil.example/x.png)[x]: https://evil.example",
		"[click](javascript:alert(1)) <https://evil.example/\u202e> &lt;b&gt; &#60;script&#62; \\<b> ~~x~~ :smile: @alice #1", strings.Repeat("Z\u0358\u0321\u0337", 300),
		"\ufeff\u200b\u00ad\ue000\ufffe", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "שלום https://example.org/שלום world", strings.Repeat("long", 5000),
	}
}

// hostile is a conversation with somebody who sends all of it, in texts, names, types, reactions and attachments.
func hostile(t *testing.T) *history {
	h := newHistory(t)
	evil := base64.StdEncoding.EncodeToString([]byte(`<html><script>document.title="hacked"</script></html>`))
	svg := base64.StdEncoding.EncodeToString([]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='hacked'"><script>document.title="hacked"</script></svg>`))
	bomb := pngHeader(60000, 60000)
	var target container.MessageHash
	for i, text := range hostileTexts() {
		at := int64(i) * 10
		target = h.say("mallory.eth", said{from: "mallory.eth" + text, kind: "NEW", text: text, at: at})
		h.say("mallory.eth", said{from: "m", kind: "REPLY", text: text, at: at + 1, about: target})
		h.say("mallory.eth", said{from: "m" + text, kind: "REACTION", text: text, at: at + 2, about: target})
		h.say("mallory.eth", said{from: "mallory.eth", kind: text, text: "of a type", at: at + 3})
		h.say("mallory.eth", said{from: "mallory.eth", kind: "NEW", text: "files", at: at + 4, attachments: []map[string]string{
			{"name": text, "data": "data:text/html;base64," + evil}, {"name": text + ".html", "data": "data:image/png;base64," + evil},
			{"name": "x.svg", "data": "data:image/svg+xml;base64," + svg}, {"name": text, "data": text}, {"name": text, "data": "javascript:document.title='hacked'"},
			{"name": text, "data": "https://evil.example/" + text}, {"name": "../../" + text, "data": "data:,x"}, {"name": "CON", "data": "data:;base64,!!!"},
			{"name": "bomb.png", "data": "data:image/png;base64," + base64.StdEncoding.EncodeToString(bomb)}, {"data": "data:"},
		}})
	}
	h.say("mallory.eth", said{from: "mallory.eth", kind: "NEW", text: "large", at: 1e6, attachments: []map[string]string{
		{"name": "program.exe", "data": "data:application/x-msdownload;base64," + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("MZ", 1<<20+1)))},
		{"name": "page.html", "data": "data:text/html," + strings.Repeat("<script>", 1<<18+1)},
	}})
	return h
}

// pngHeader is an image that says it is large, in few bytes.
func pngHeader(width, height uint32) []byte {
	word := func(n uint32) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }
	head := "IHDR" + word(width) + word(height) + "\x08\x00\x00\x00\x00"
	table := crcOf([]byte(head))
	return []byte("\x89PNG\r\n\x1a\n" + word(13) + head + word(table) + word(0) + "IDAT")
}

// TestHostileHTML: whatever somebody sends, the pages have the elements, attributes and addresses that they are meant to have.
func TestHostileHTML(t *testing.T) {
	_, got := export(t, hostile(t).options(readable.HTML, t.TempDir()))
	allowed := map[string][]string{
		"html": {"lang"}, "head": nil, "meta": {"charset", "http-equiv", "content", "name"}, "title": nil, "style": nil, "body": nil, "h1": nil, "h2": nil, "bdi": nil, "p": {"class"}, "nav": nil,
		"a": {"href", "rel", "target", "dir", "download"}, "span": {"class"}, "main": nil, "article": {"id", "class"}, "header": nil, "b": nil, "i": nil, "time": {"datetime"},
		"blockquote": nil, "div": {"class", "dir", "role"}, "figure": nil, "figcaption": nil, "img": {"src", "alt", "decoding"}, "footer": nil, "table": nil, "thead": nil, "tbody": nil,
		"tr": nil, "th": {"class"}, "td": {"class"}, "ul": nil, "li": nil,
	}
	address := regexp.MustCompile(`^(https://|mailto:|#m-[0-9a-f]{16}$|page-\d{4}\.html|(\.\./)?index\.html$|[a-z0-9._-]+/(page-\d{4}|index)\.html$|files/[0-9a-f]{12}-[A-Za-z0-9._-]+$|data:application/octet-stream;base64,[A-Za-z0-9+/=]*$)`)
	pages, articles := 0, 0
	for name, text := range got {
		if filepath.Ext(name) != ".html" {
			continue
		}
		pages++
		document, err := html.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for node := range document.Descendants() {
			if node.Type == html.CommentNode {
				t.Errorf("%s has a comment %q", name, node.Data)
			}
			if node.Type != html.ElementNode {
				continue
			}
			attributes, known := allowed[node.Data]
			if !known {
				t.Errorf("%s has an element %s", name, node.Data)
			}
			if node.Data == "article" {
				articles++
			}
			for _, a := range node.Attr {
				switch {
				case !slices.Contains(attributes, a.Key):
					t.Errorf("%s: %s has an attribute %s=%.80s", name, node.Data, a.Key, a.Val)
				case a.Key == "href" && !address.MatchString(a.Val):
					t.Errorf("%s leads to %.80s", name, a.Val)
				case a.Key == "href" && strings.HasPrefix(a.Val, "http") && !strings.Contains(attribute(node, "rel"), "noopener"):
					t.Errorf("%s has a link without rel: %s", name, a.Val)
				case a.Key == "src":
					t.Errorf("%s shows an image that nobody looked at: %.80s", name, a.Val)
				case a.Key == "download" && !regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*\.(bin|png|txt)$`).MatchString(a.Val):
					t.Errorf("%s saves as %q", name, a.Val)
				}
			}
		}
		for _, bad := range []string{"\x00", "\x07", "\x1b", "\x7f", "\u009b", "\u2028", `href="https://user`} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
	}
	if want := len(hostileTexts())*4 + 1; pages != 4 || articles != want {
		t.Errorf("%d pages with %d entries, want %d", pages, articles, want)
	}
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestHostileNames: names of files are made here, stay in the folder, and end in nothing that runs.
func TestHostileNames(t *testing.T) {
	for _, format := range []readable.Format{readable.HTML, readable.JSON} {
		h := hostile(t)
		h.messages["../..\\\u202e<x>\x00.eth"] = h.messages["mallory.eth"][:3]
		_, got := export(t, h.options(format, t.TempDir()))
		if len(got) < 3 {
			t.Errorf("%d files", len(got))
		}
		form := regexp.MustCompile(`^(index\.(html|md)|export\.json|[A-Za-z0-9_-][A-Za-z0-9._-]*-[0-9a-f]{8}(\.jsonl|/(page-\d{4}|index)\.(html|md)|/files/[0-9a-f]{12}-[A-Za-z0-9._-]+\.(bin|png|txt)))$`)
		for name := range got {
			if !form.MatchString(name) {
				t.Errorf("a file is called %q", name)
			}
		}
	}
}

// TestHostileMarkdown: no text of others begins a line, and none of its signs stands unescaped.
func TestHostileMarkdown(t *testing.T) {
	_, got := export(t, hostile(t).options(readable.Markdown, t.TempDir()))
	ours := regexp.MustCompile(`^(# |## \d{4}-\d\d-\d\d$|Account alice|Page \d|<a id="m-[0-9a-f]{16}"></a>\*\*|In answer to \[|Reactions: |Attachment: |!\[|> |>$|- \[mallory\.eth|- \[1970-|\[all\]\(|$)`)
	sign := regexp.MustCompile("(^|[^\\\\])(\\\\\\\\)*[<`*_\\[\\]|~&]")
	links := regexp.MustCompile(`<(https://|mailto:)[!-;=?-\[\]-_a-~]+>`)
	lines := 0
	for name, text := range got {
		if filepath.Ext(name) != ".md" {
			continue
		}
		for _, line := range strings.Split(text, "\n") {
			lines++
			if !ours.MatchString(line) || strings.ContainsAny(line, "\x00\x07\x1b\x7f\r\v\u0085\u2028\u2029\u202e\u2066") {
				t.Errorf("%s has a line %q", name, line)
			}
			if body, quoted := strings.CutPrefix(line, "> "); quoted {
				if found := sign.FindString(links.ReplaceAllString(body, "")); found != "" {
					t.Errorf("%s: %q stands in %.200q", name, found, line)
				}
				if regexp.MustCompile(`^[ \t]|^(#|>|[-+=]|\d+[.)])`).MatchString(body) {
					t.Errorf("%s: structure in %.200q", name, line)
				}
			}
		}
	}
	if lines < 500 {
		t.Errorf("only %d lines", lines)
	}
}

// TestReferences: what messages that show refer to, and nothing that is embedded, deleted, or was replaced.
func TestReferences(t *testing.T) {
	h := newHistory(t)
	attached := func(uri string) []map[string]string { return []map[string]string{{"data": uri}, {"data": "data:,x"}} }
	first := h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "1", at: 1, attachments: attached("https://old")})
	h.say("bob.eth", said{from: "bob.eth", kind: "EDIT", text: "2", at: 2, about: first, attachments: attached("https://new")})
	gone := h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "3", at: 3, attachments: attached("https://deleted")})
	h.say("bob.eth", said{from: "bob.eth", kind: "DELETE_REQUEST", at: 4, about: gone})
	h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "5", at: 5, attachments: attached("ipfs://x")})
	h.reasons["bob.eth"] = []string{"a reason"}
	r := readable.References{Options: h.options("", "")}
	var all []string
	for uri, err := range r.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, uri)
	}
	if !slices.Equal(all, []string{"https://new", "ipfs://x"}) || !r.Provisional {
		t.Errorf("%q, %v", all, r.Provisional)
	}
	for range r.All(t.Context()) {
		break // nobody takes the rest
	}
	h.err["bob.eth"] = errBroken
	for uri, err := range r.All(t.Context()) {
		if uri != "" || err == nil {
			t.Errorf("%q %v", uri, err)
		}
	}
}
