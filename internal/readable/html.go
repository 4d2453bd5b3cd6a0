package readable

import (
	"context"
	"crypto/sha256"
	_ "embed" // the style and the templates
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path"

	"github.com/dm3sync/dm3sync/internal/display"
)

//go:embed pages/style.css
var style string

//go:embed pages/pages.html
var pagesHTML string

// templates are the HTML pages.
type templates struct {
	page, list, index *template.Template
}

func newTemplates() (*templates, error) {
	all, err := template.New("pages").Parse(pagesHTML)
	if err != nil {
		return nil, fmt.Errorf("readable: reading the templates: %w", err)
	}
	return &templates{page: all.Lookup("page"), list: all.Lookup("list"), index: all.Lookup("index")}, nil
}

// frame is what all pages have.
type frame struct {
	Title    string
	Style    template.CSS
	Policy   string
	Account  string
	Exported string
	Range    string
	Reasons  []string
	Up       string // the page above
}

// policy forbids all but the page's own style and images that it holds itself.
func policy() string {
	digest := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'"
}

func (e *export) frame(title, up string, reasons []string) frame {
	f := frame{Title: title, Style: template.CSS(style), Policy: policy(), Account: display.Line(e.Account), Exported: e.when(e.Now.UnixMilli()), Reasons: reasons, Up: up}
	switch {
	case e.From > 0 && e.To > 0:
		f.Range = fmt.Sprintf("messages from %s to %s", e.when(e.From), e.when(e.To))
	case e.From > 0:
		f.Range = "messages from " + e.when(e.From)
	case e.To > 0:
		f.Range = "messages before " + e.when(e.To)
	}
	return f
}

// pageData is one page of a conversation.
type pageData struct {
	frame
	Contact             string
	Number, Pages       int
	Newer, Older, First string // files; empty where there is none
	Entries             []entryView
}

// listData is the list of a conversation's pages.
type listData struct {
	frame
	Contact string
	Pages   []pageLine
}

type pageLine struct {
	File, First, Last string
	Entries           int
}

// indexData is the list of conversations.
type indexData struct {
	frame
	Conversations []indexLine
}

type indexLine struct {
	Contact, Path, First, Last string
	Entries                    int
	Provisional                bool
}

// writePages writes a conversation as pages, and a list of them where they are several.
func (c *conversation) writePages(ctx context.Context) error {
	files := make([]string, 0, len(c.plan)+1)
	for i := range c.plan {
		files = append(files, path.Join(c.slug, c.pageName(i)))
	}
	if err := c.folder.announce(files...); err != nil {
		return err
	}
	for i, p := range c.plan {
		entries, err := c.views(ctx, p)
		if err != nil {
			return err
		}
		if err := c.writePage(files[i], i, entries); err != nil {
			return err
		}
		c.progress(p.end, c.index.Entries())
	}
	if len(c.plan) < 2 {
		return nil
	}
	return c.writeList()
}

func (c *conversation) writePage(file string, i int, entries []entryView) error {
	up := c.name("index") // the conversation's own, which is written for several pages
	if len(c.plan) == 1 {
		up = "../" + up
	}
	data := pageData{frame: c.frame(display.Line(c.contact), up, c.reasons), Contact: display.Line(c.contact), Number: i + 1, Pages: len(c.plan), Entries: entries}
	if i > 0 {
		data.Older, data.First = c.pageName(i-1), c.pageName(0)
	}
	if i+1 < len(c.plan) {
		data.Newer = c.pageName(i + 1)
	}
	return c.folder.write(file, func(w io.Writer) error {
		if c.Format == Markdown {
			return markdownPage(w, &data)
		}
		return c.html.page.Execute(w, data)
	})
}

// writeList writes the list of a conversation's pages.
func (c *conversation) writeList() error {
	data := listData{frame: c.frame(display.Line(c.contact), "../"+c.name("index"), c.reasons), Contact: display.Line(c.contact)}
	for i, p := range c.plan {
		first, last := c.index.Entry(p.first), c.index.Entry(p.end-1)
		data.Pages = append(data.Pages, pageLine{c.pageName(i), c.when(first.Timestamp), c.when(last.Timestamp), p.end - p.first})
	}
	return c.folder.write(path.Join(c.slug, c.name("index")), func(w io.Writer) error {
		if c.Format == Markdown {
			return markdownList(w, &data)
		}
		return c.html.list.Execute(w, data)
	})
}

// index writes the list of conversations.
func (e *export) index() error {
	if e.Format == JSON {
		return e.writeSummary()
	}
	data := indexData{frame: e.frame("Conversations of "+display.Line(e.Account), "", nil)}
	for _, doubt := range e.Doubts {
		data.Reasons = append(data.Reasons, display.Line(doubt))
	}
	for _, written := range e.result.Conversations {
		row := indexLine{Contact: display.Line(written.Contact), Path: written.Path, Entries: written.Entries, Provisional: written.Provisional}
		if written.Records > 0 {
			row.First, row.Last = e.when(written.First), e.when(written.Last)
		}
		data.Conversations = append(data.Conversations, row)
		for _, reason := range written.Reasons {
			data.Reasons = append(data.Reasons, display.Line(written.Contact)+": "+reason)
		}
	}
	return e.folder.write(e.name("index"), func(w io.Writer) error {
		if e.Format == Markdown {
			return markdownIndex(w, &data)
		}
		return e.html.index.Execute(w, data)
	})
}
