package readable

import (
	"context"
	"html/template"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// How much of another message, or of a reaction, stands beside one.
const (
	quoteLetters    = 120
	reactionLetters = 16
)

// entryView is one entry as both kinds of pages show it. All texts are clean; escaping is the page's work.
type entryView struct {
	Day                 string // where it is the first of its day
	Anchor, Time, Stamp string
	From                string
	Own                 bool
	Label               string // what it is, unless it is a message
	Edited, Deleted     string // when, or nothing
	Text                []display.Segment
	Quote               *quoteView
	Reactions           []reactionView
	More                int // reactions
	Received, Opened    string
	Files               []fileView
}

type quoteView struct {
	From, Text, Link string
}

type reactionView struct {
	Text, By string
}

// fileView is one attachment: exactly one of Image, Save, Beside, Link and Note says how it is shown.
type fileView struct {
	Name, Size string
	Image      template.URL // a data URI of an image that was looked at
	Save       template.URL // a data URI of bytes without a type, to be saved
	SaveAs     string
	Beside     string // a file beside the page
	Picture    bool   // that file is an image that was looked at
	Link       string // an address that was not fetched
	Note       string
}

// views makes the entries of a page.
func (c *conversation) views(ctx context.Context, p page) ([]entryView, error) {
	entries := make([]thread.Entry, 0, p.end-p.first)
	var texts, quotes []int
	for number := p.first; number < p.end; number++ {
		e := c.index.Entry(number)
		entries = append(entries, e)
		if position, found := c.index.Find(e.Current.Hash); found && e.Deleted == nil {
			texts = append(texts, position)
		}
		if e.Reply == nil {
			continue
		}
		if target := c.index.Entry(e.ReplyNumber); target.Deleted == nil {
			position, _ := c.index.Find(target.Current.Hash)
			quotes = append(quotes, position)
		}
	}
	excerpts := map[container.MessageHash]string{}
	err := c.visit(ctx, quotes, func(r thread.Record) error {
		excerpts[r.Hash] = quoted(&r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]entryView, len(entries))
	byText := make(map[container.MessageHash]int, len(entries))
	day := ""
	for i := range entries {
		list[i] = c.view(&entries[i], excerpts)
		byText[entries[i].Current.Hash] = i
		if today := list[i].Stamp[:strings.IndexByte(list[i].Stamp, ' ')]; today != day {
			list[i].Day, day = today, today
		}
	}
	room := &pageRoom{left: pageInline}
	err = c.visit(ctx, texts, func(r thread.Record) error {
		v := &list[byText[r.Hash]]
		v.Text = display.Segments(display.Clean(r.Text), c.links)
		if r.Kind == thread.KindOther {
			v.Label = "record of the type " + display.Excerpt(r.Type, reactionLetters*2)
		}
		return c.files(ctx, v, &r, room)
	})
	return list, err
}

// quoted is what stands for a message in its answers.
func quoted(r *thread.Record) string {
	if text := display.Excerpt(r.Text, quoteLetters); text != "" {
		return text
	}
	if n := len(r.Attachments); n > 0 {
		return display.Plural(n, "attachment")
	}
	return "…"
}

// view is an entry without its own text.
func (c *conversation) view(e *thread.Entry, excerpts map[container.MessageHash]string) entryView {
	v := entryView{
		Anchor: anchor(e.Hash), Time: c.machine(e.Timestamp), Stamp: c.when(e.Timestamp), From: display.Line(e.From), Own: e.Own,
		Label: display.Label(e.Kind, e.Why), More: e.MoreReactions,
	}
	if n := len(e.Edits); n > 0 {
		v.Edited = c.when(e.Edits[n-1].Timestamp)
	}
	for target, ref := range map[*string]*thread.Ref{&v.Deleted: e.Deleted, &v.Received: e.Received, &v.Opened: e.Opened} {
		if ref != nil {
			*target = c.when(ref.Timestamp)
		}
	}
	for _, reaction := range e.Reactions {
		var by []string
		for _, ref := range reaction.By {
			by = append(by, display.Line(ref.From))
		}
		v.Reactions = append(v.Reactions, reactionView{Text: display.Excerpt(reaction.Text, reactionLetters), By: strings.Join(by, ", ")})
	}
	if e.Reply != nil {
		v.Quote = c.quote(e, excerpts)
	}
	return v
}

// quote shows what an entry answers, with a link to it.
func (c *conversation) quote(e *thread.Entry, excerpts map[container.MessageHash]string) *quoteView {
	q := &quoteView{From: display.Line(e.Reply.From), Link: "#" + anchor(e.Reply.Hash)}
	if there, here := c.pageOf(e.ReplyNumber), c.pageOf(e.Number); there != here {
		q.Link = c.pageName(there) + q.Link
	}
	if target := c.index.Entry(e.ReplyNumber); target.Deleted == nil {
		q.Text = excerpts[target.Current.Hash]
	} else {
		q.Text = "deleted"
	}
	return q
}

// when formats Unix milliseconds for people, machine for programs.
func (e *export) when(milliseconds int64) string {
	return time.UnixMilli(milliseconds).In(e.Location).Format("2006-01-02 15:04:05")
}

func (e *export) machine(milliseconds int64) string {
	return time.UnixMilli(milliseconds).In(e.Location).Format(time.RFC3339)
}
