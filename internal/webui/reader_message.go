package webui

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// How much of other people's words a conversation shows at once. The rest is a click away.
const (
	textBytes       = 2000
	textLines       = 30
	quoteLetters    = 140
	previewLetters  = 110
	reactionLetters = 16
	shownReactions  = 12
	shownNames      = 20 // of those who reacted
	shownFiles      = 12
)

// togetherWithin is how soon after each other messages of one author stand as one group.
const togetherWithin = 5 * time.Minute

// messageView is an entry as the page shows it. Its texts are other people's; the template escapes them.
type messageView struct {
	ID   string // of its element: "m-" and the hash
	Hash string
	// Current is the hash of the record whose text and attachments show.
	Current string
	At      int64
	Stamp   string // for programs
	Clock   string // "14:05"
	Full    string // with day and seconds
	Day     string // "2026-03-05"
	Long    string // the day in words

	From     string
	Own      bool
	Together bool // of the same author as the one before, soon after it
	Small    bool // a line, not a message: something that was done to a message elsewhere

	Label   string // what it is, unless it is a message
	Find    string // the hash of a message that this is about and that is not near
	Text    []display.Segment
	Cut     string // how long the whole text is, where it is cut
	Empty   bool   // it has neither text nor attachments
	Deleted string // when
	Edited  string // when, last
	Edits   int
	Seen    string // "arrived" or "seen", of an own message
	SeenAt  string

	Quote     *quoteView
	Reactions []reactionView
	MoreReact int
	Files     []fileView
	MoreFiles int
	Marked    bool // it was looked for
}

type quoteView struct {
	Hash, From, Text string
	Own              bool
}

type reactionView struct {
	Text, By string
	Count    int
	Own      bool
}

// viewer makes views of entries for one reader.
type viewer struct {
	in    *time.Location
	links *regexp.Regexp
	files func(entry *foldedEntry) (shown []fileView, more int)
}

// views are the entries of a slice, grouped.
func (v *viewer) views(entries []foldedEntry) []messageView {
	list := make([]messageView, len(entries))
	for i := range entries {
		list[i] = v.view(&entries[i])
		if i > 0 {
			before := &list[i-1]
			list[i].Together = !list[i].Small && !before.Small && list[i].From == before.From && list[i].Day == before.Day &&
				list[i].At-before.At < togetherWithin.Milliseconds()
		}
	}
	return list
}

func (v *viewer) view(e *foldedEntry) messageView {
	m := messageView{
		ID: "m-" + hexOf(e.Hash), Hash: hexOf(e.Hash), Current: hexOf(e.Current.Hash), At: e.Timestamp, Stamp: v.stamp(e.Timestamp, time.RFC3339), Clock: v.stamp(e.Timestamp, "15:04"),
		Full: v.full(e.Timestamp), Day: day(e.Timestamp, v.in), Long: longDay(e.Timestamp, v.in),
		From: display.Excerpt(e.From, nameLetters), Own: e.Own, Edits: len(e.Edits), MoreReact: e.MoreReactions,
	}
	m.Small = acts(e.Kind) && e.Why != thread.Counts
	m.Label = entryLabel(e)
	if e.Reference != nil && e.Quoted == nil && e.Why == thread.NoTarget {
		m.Find = hexOf(*e.Reference)
	}
	if n := len(e.Edits); n > 0 {
		m.Edited = v.full(e.Edits[n-1].Timestamp)
	}
	switch {
	case e.Opened != nil:
		m.Seen, m.SeenAt = "seen", v.full(e.Opened.Timestamp)
	case e.Received != nil:
		m.Seen, m.SeenAt = "arrived", v.full(e.Received.Timestamp)
	}
	if e.Quoted != nil {
		m.Quote = &quoteView{Hash: hexOf(e.Reply.Hash), From: display.Excerpt(e.Reply.From, nameLetters), Own: e.Reply.Own, Text: excerptOf(e.Quoted, quoteLetters)}
	} else if e.Reply != nil {
		m.Quote = &quoteView{Hash: hexOf(e.Reply.Hash), From: display.Excerpt(e.Reply.From, nameLetters), Own: e.Reply.Own, Text: "deleted"}
	}
	v.reactions(&m, e)
	if e.Deleted != nil {
		m.Deleted = v.full(e.Deleted.Timestamp)
		return m
	}
	m.Text, m.Cut = v.text(e.Shown.Text, true)
	if v.files != nil {
		m.Files, m.MoreFiles = v.files(e)
	}
	m.Empty = len(m.Text) == 0 && len(e.Shown.Attachments) == 0 && !m.Small
	return m
}

func (v *viewer) reactions(m *messageView, e *foldedEntry) {
	for _, reaction := range e.Reactions {
		if len(m.Reactions) == shownReactions {
			m.MoreReact += len(reaction.By)
			continue
		}
		r := reactionView{Text: display.Excerpt(reaction.Text, reactionLetters), Count: len(reaction.By)}
		if strings.TrimSpace(r.Text) == "" {
			r.Text = "(nothing)"
		}
		var by []string
		for _, ref := range reaction.By {
			r.Own = r.Own || ref.Own
			if len(by) < shownNames {
				by = append(by, display.Excerpt(ref.From, nameLetters))
			}
		}
		if r.By = strings.Join(by, ", "); len(reaction.By) > len(by) {
			r.By += fmt.Sprintf(" and %d more", len(reaction.By)-len(by))
		}
		m.Reactions = append(m.Reactions, r)
	}
}

// text cuts a text into pieces, and the text itself where it is long; then cut says how long it is.
func (v *viewer) text(text string, short bool) (pieces []display.Segment, cut string) {
	text = strings.TrimRight(display.Clean(text), " \n\t")
	if end := cutAt(text); short && end < len(text) {
		cut = bytesText(int64(len(text)))
		text = strings.TrimRight(text[:end], " \n\t") + "…"
	}
	pieces = display.Segments(text, v.links)
	for i := range pieces {
		if !strings.HasPrefix(pieces[i].URL, "https:") {
			pieces[i].URL = "" // a click should not start a program
		}
	}
	return pieces, cut
}

// cutAt is where a long text is cut.
func cutAt(text string) int {
	end, lines := len(text), 0
	for i := range text {
		if text[i] == '\n' {
			lines++
		}
		if lines == textLines || i >= textBytes {
			end = i
			break
		}
	}
	if len(text)-end < 200 && lines < textLines { // showing all of it takes less room than asking
		return len(text)
	}
	return end
}

func (v *viewer) stamp(milliseconds int64, layout string) string {
	return time.UnixMilli(milliseconds).In(v.in).Format(layout)
}

func (v *viewer) full(milliseconds int64) string {
	return v.stamp(milliseconds, "Monday, 2 January 2006, 15:04:05")
}

// entryLabel says what an entry is that is no ordinary message, in this page's words.
func entryLabel(e *foldedEntry) string {
	switch {
	case e.Kind == thread.KindOther && strings.TrimSpace(e.Shown.Type) == "":
		return "record without a type"
	case e.Kind == thread.KindOther:
		return "record of the type " + display.Excerpt(e.Shown.Type, 2*reactionLetters)
	case e.Why != thread.NoTarget:
		return display.Label(e.Kind, e.Why)
	}
	switch e.Kind {
	case thread.KindEdit:
		return "changed a message that is not near to"
	case thread.KindDelete:
		return "deleted a message that is not near"
	case thread.KindReaction:
		return "reacted to a message that is not near"
	case thread.KindReceived:
		return "got a message that is not near"
	case thread.KindOpened:
		return "saw a message that is not near"
	case thread.KindReply:
		return "answer to a message that is not near"
	}
	return display.Label(e.Kind, e.Why)
}

// excerptOf is what stands for a record in one line.
func excerptOf(r *thread.Record, letters int) string {
	if text := strings.TrimSpace(display.Excerpt(strings.TrimSpace(r.Text), letters)); text != "" {
		return text
	}
	if n := len(r.Attachments); n > 0 {
		return display.Plural(n, "attachment")
	}
	return "…"
}

// hexOf is a hash as addresses of this site have it: 64 hex digits.
func hexOf(hash container.MessageHash) string { return strings.TrimPrefix(hash.String(), "0x") }

// hashOf reads hexOf.
func hashOf(text string) (hash container.MessageHash, ok bool) {
	if len(text) != 64 || !utf8.ValidString(text) {
		return hash, false
	}
	hash, err := container.ParseMessageHash("0x" + text)
	return hash, err == nil
}

// previewOf is the newest entry of a conversation in one line.
func previewOf(e *foldedEntry) previewView {
	p := previewView{Own: e.Own, From: display.Excerpt(e.From, nameLetters)}
	if e.Deleted != nil {
		p.Text, p.Soft = "deleted", true
		return p
	}
	p.Text = excerptOf(e.Shown, previewLetters)
	return p
}

// previewView is the newest message of a conversation in the list.
type previewView struct {
	Text, From string
	Own        bool
	Soft       bool // the text is ours
}
