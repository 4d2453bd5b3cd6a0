package webui

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/history"
)

// place is where a record stands in a conversation.
type place struct {
	timestamp int64
	hash      container.MessageHash
}

func placeOfRecord(e *container.Envelope) place { return place{e.Timestamp, e.Hash} }

// text writes a place for an address.
func (p place) text() string { return strconv.FormatInt(p.timestamp, 10) + "." + hexOf(p.hash) }

// parsePlace reads text.
func parsePlace(text string) (p place, err error) {
	number, hash, found := strings.Cut(text, ".")
	timestamp, err := strconv.ParseInt(number, 10, 64)
	p.timestamp = timestamp
	given, ok := hashOf(hash)
	p.hash = given
	if !found || err != nil || !ok || timestamp < 0 {
		return p, fmt.Errorf("%w: a place is a timestamp and a hash", api.ErrRequest)
	}
	return p, nil
}

// sliceQuery says which piece of a conversation is wanted: the records before one, after one, from one to another (both
// included; in an address, "until" excludes the other), from one on, those around a time, or the newest.
type sliceQuery struct {
	before, after, from, to *place
	around                  int64
	limit                   int
	local                   bool
	begin                   int64                  // the first entry at this time or later is what is looked for
	mark                    *container.MessageHash // the entry at which this record shows is
}

// parseSliceQuery reads what the script asks for.
func parseSliceQuery(query url.Values) (q sliceQuery, err error) {
	q.limit = longSlice
	for name, to := range map[string]**place{"before": &q.before, "after": &q.after, "from": &q.from, "to": &q.to} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		p, err := parsePlace(text)
		if err != nil {
			return q, err
		}
		*to = &p
	}
	if text := query.Get("until"); text != "" {
		until, err := parsePlace(text)
		if err != nil {
			return q, err
		}
		until = until.less()
		q.to = &until
	}
	if q.around, err = strconv.ParseInt(query.Get("around"), 10, 64); err != nil && query.Get("around") != "" {
		return q, fmt.Errorf("%w: around is a timestamp", api.ErrRequest)
	}
	if text := query.Get("mark"); text != "" {
		hash, ok := hashOf(text)
		if !ok {
			return q, fmt.Errorf("%w: mark is a hash", api.ErrRequest)
		}
		q.mark = &hash
	}
	q.begin, _ = strconv.ParseInt(query.Get("begin"), 10, 64) // a hint: without it, nothing is marked
	switch {
	case q.from != nil && q.to != nil:
		q.limit = history.MaxLimit // messages may have come within their time
	case q.from != nil:
		q.limit = longestSlice
	case q.around != 0:
		q.limit = firstSlice
	}
	return q, nil
}

// options is the query as the history takes it. Places that are included lie beyond the ends that a cursor excludes.
func (q *sliceQuery) options() history.ReadOptions {
	o := history.ReadOptions{Limit: q.limit, Around: q.around, Local: q.local}
	switch {
	case q.before != nil:
		o.Before = cursorAt(*q.before)
	case q.after != nil:
		o.After = cursorAt(*q.after)
	case q.from != nil:
		o.After = cursorAt(q.from.less())
	}
	return o
}

// cursorAt is the cursor of a place, whether a record stands there or not.
func cursorAt(p place) history.Cursor {
	return history.CursorOf(&container.Envelope{Timestamp: max(p.timestamp, 0), Hash: p.hash})
}

// less is the place right before p.
func (p place) less() place {
	for i := len(p.hash) - 1; i >= 0; i-- {
		p.hash[i]--
		if p.hash[i] != 0xff {
			return p
		}
	}
	p.timestamp--
	return p
}

// isBefore tells whether a record stands after p.
func (p place) isBefore(e *container.Envelope) bool {
	return cmp.Or(cmp.Compare(p.timestamp, e.Timestamp), bytes.Compare(p.hash[:], e.Hash[:])) < 0
}

// sliceData is a piece of a conversation on the page.
type sliceData struct {
	Path, Place string
	Messages    []messageView
	From, To    string // places of its oldest and newest record; empty without any
	Older       string // where older ones begin; empty at the oldest end
	Newer       string // where newer ones begin; empty at the newest end
	Ask         string // the query that brings it again from the place; empty where nothing is missing
	Far         int    // messages of it that are not on this device, about
	Reasons     []string
	Later       bool // what was done to these messages later may not all be here
	Mark        string
}

// dayView is what was said on one day.
type dayView struct {
	Day, Long string
	Messages  []messageView
}

// Days are the messages by their days.
func (d *sliceData) Days() []dayView {
	var days []dayView
	for i := range d.Messages {
		m := &d.Messages[i]
		if len(days) == 0 || days[len(days)-1].Day != m.Day {
			days = append(days, dayView{Day: m.Day, Long: m.Long})
		}
		last := &days[len(days)-1]
		last.Messages = append(last.Messages, *m)
	}
	return days
}

// Bounds of the first view of a conversation, so that the page stays light whatever people wrote: the script asks for the
// rest when it is needed.
const (
	firstBytes   = 32 << 10
	leastRecords = 8
	markup       = 250     // bytes that a message takes on the page beside its record's
	mostOfOne    = 6 << 10 // longer texts are cut, and files are not in the page
)

// firstView is slice with fewer records where they would weigh too much.
func (c *reader) firstView(ctx context.Context, want sliceQuery) (*sliceData, error) {
	o := want.options()
	o.Local = true
	found, err := c.account.Read(ctx, c.contact, o)
	if err != nil {
		return nil, err
	}
	weight := 0
	for i := range found.Messages {
		weight += min(len(found.Messages[i].JSON), mostOfOne) + markup
	}
	if weight > firstBytes {
		want.limit = max(len(found.Messages)*firstBytes/weight, leastRecords)
	}
	return c.slice(ctx, want)
}

// slice reads a piece and folds it.
func (c *reader) slice(ctx context.Context, want sliceQuery) (*sliceData, error) {
	data := &sliceData{Path: c.path(""), Place: c.site.placeOf(c.name)}
	found, far, err := c.read(ctx, &want)
	if err != nil {
		return nil, err
	}
	if far > 0 {
		data.Ask, data.Far = want.again(), min(far, want.limit)
		return data, nil
	}
	for _, reason := range found.Reasons {
		data.Reasons = append(data.Reasons, display.Excerpt(reason, textLetters))
	}
	if found.Provisional && len(data.Reasons) == 0 {
		data.Reasons = []string{"Something may be missing here."}
	}
	w := &foldWindow{slice: found.Messages}
	if n := len(found.Messages); n > 0 {
		first, last := placeOfRecord(&found.Messages[0]), placeOfRecord(&found.Messages[n-1])
		data.From, data.To = first.text(), last.text()
		if found.Older != "" {
			data.Older = data.From
		}
		if found.Newer != "" {
			data.Newer = data.To
		}
		if err := c.lookAround(ctx, w, data, first, last); err != nil {
			return nil, err
		}
	}
	entries := w.fold(c.own)
	data.Mark = marked(entries, &want)
	if len(data.Reasons) > 0 {
		data.Ask = want.again()
	}
	data.Messages = c.viewer(ctx).views(entries)
	for i := range data.Messages {
		data.Messages[i].Marked = data.Messages[i].ID == data.Mark && want.mark != nil
	}
	return data, nil
}

// read reads what is on this device where that is a piece without holes, and else, unless the query is local, asks the place.
// Far is how many messages, about, a local query would have had to ask for.
func (c *reader) read(ctx context.Context, want *sliceQuery) (found history.Slice, far int, err error) {
	o := want.options()
	o.Local = true
	if found, err = c.account.Read(ctx, c.contact, o); err != nil || len(found.Gaps) == 0 {
		want.end(&found)
		return found, 0, err
	}
	if whole := beforeGap(&found, want); len(whole) > 0 {
		found.Messages = whole
		if want.after == nil {
			found.Older = cursorAt(placeOfRecord(&whole[0]))
		} else {
			found.Newer = cursorAt(placeOfRecord(&whole[len(whole)-1]))
		}
		return found, 0, nil
	}
	if want.local {
		for _, gap := range found.Gaps {
			far += int(gap.Messages)
		}
		return found, max(far, 1), nil
	}
	o.Local = false
	found, err = c.account.Read(ctx, c.contact, o)
	want.end(&found)
	return found, 0, err
}

// end cuts off what stands after the last place that is wanted.
func (q *sliceQuery) end(found *history.Slice) {
	if q.to == nil {
		return
	}
	n := len(found.Messages)
	for n > 0 && q.to.isBefore(&found.Messages[n-1]) {
		n--
	}
	if n < len(found.Messages) {
		found.Messages, found.Newer = found.Messages[:n], cursorAt(*q.to)
	}
}

// beforeGap is what of a piece lies before its first hole, on the way that it is read; nothing where it has both ends given.
func beforeGap(found *history.Slice, want *sliceQuery) []container.Envelope {
	if want.from != nil || want.around != 0 {
		return nil
	}
	messages := found.Messages
	for _, gap := range found.Gaps {
		messages = slices.DeleteFunc(slices.Clone(messages), func(m container.Envelope) bool {
			if want.after != nil {
				return m.Timestamp >= gap.First
			}
			return m.Timestamp <= gap.Last
		})
	}
	return messages
}

// lookAround reads the neighbours of a slice, as far as they are on this device.
func (c *reader) lookAround(ctx context.Context, w *foldWindow, data *sliceData, first, last place) error {
	if data.Older != "" {
		behind, err := c.account.Read(ctx, c.contact, history.ReadOptions{Before: cursorAt(first), Limit: lookBehind, Local: true})
		if err != nil {
			return err
		}
		w.behind = behind.Messages
	}
	if data.Newer != "" {
		ahead, err := c.account.Read(ctx, c.contact, history.ReadOptions{After: cursorAt(last), Limit: lookAhead, Local: true})
		if err != nil {
			return err
		}
		w.ahead, data.Later = ahead.Messages, len(ahead.Gaps) > 0
	}
	return nil
}

// viewer makes the page's views, with attachments from this device.
func (c *reader) viewer(ctx context.Context) *viewer {
	archive, _ := c.account.(Archive)
	files := attachments{ctx: ctx, archive: archive}
	return &viewer{in: c.in, links: display.Addresses(), files: files.views}
}

// marked is the element that a query looks for: the entry at which a record shows, or the first at a time or later.
func marked(entries []foldedEntry, want *sliceQuery) string {
	for i := range entries {
		e := &entries[i]
		if want.mark == nil && want.begin != 0 && e.Timestamp >= want.begin {
			return "m-" + hexOf(e.Hash)
		}
		if want.mark != nil && (e.Hash == *want.mark || slices.ContainsFunc(e.Records(), func(hash container.MessageHash) bool { return hash == *want.mark })) {
			return "m-" + hexOf(e.Hash)
		}
	}
	return ""
}

// Records are the records that show at an entry beside its own.
func (e *foldedEntry) Records() []container.MessageHash {
	var list []container.MessageHash
	for _, edit := range e.Edits {
		list = append(list, edit.Hash)
	}
	for _, reaction := range e.Reactions {
		for _, by := range reaction.By {
			list = append(list, by.Hash)
		}
	}
	if e.Deleted != nil {
		list = append(list, e.Deleted.Hash)
	}
	if e.Received != nil {
		list = append(list, e.Received.Hash)
	}
	if e.Opened != nil {
		list = append(list, e.Opened.Hash)
	}
	return list
}

// again is the query that asks for the same once more, wherever it lies.
func (q *sliceQuery) again() string {
	values := url.Values{"again": {"1"}}
	for name, p := range map[string]*place{"before": q.before, "after": q.after, "from": q.from, "to": q.to} {
		if p != nil {
			values.Set(name, p.text())
		}
	}
	if q.around != 0 {
		values.Set("around", strconv.FormatInt(q.around, 10))
	}
	if q.begin != 0 {
		values.Set("begin", strconv.FormatInt(q.begin, 10))
	}
	if q.mark != nil {
		values.Set("mark", hexOf(*q.mark))
	}
	return values.Encode()
}
