package webtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/internal/thread"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Told is one record of a test's conversation. About is the number of an earlier one, below 0 for none.
type Told struct {
	From, Kind, Text string
	About            int
	At               int64 // Unix milliseconds; 0 is a minute for each record
	Attachments      []map[string]string
}

// Envelopes makes the records of a conversation, in the order given.
func Envelopes(t testing.TB, list ...Told) []container.Envelope {
	t.Helper()
	made := make([]container.Envelope, 0, len(list))
	for i, s := range list {
		metadata := map[string]any{"from": s.From, "to": "somebody.eth", "type": s.Kind, "timestamp": int64(i+1) * 60_000}
		if s.At != 0 {
			metadata["timestamp"] = s.At
		}
		if s.About >= 0 && s.Kind != "NEW" {
			metadata["referenceMessageHash"] = made[s.About].Hash.String()
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", i, s.Text))
		message := map[string]any{"message": s.Text, "metadata": metadata, "signature": base64.StdEncoding.EncodeToString(append(sum[:], sum[:]...))}
		if s.Attachments != nil {
			message["attachments"] = s.Attachments
		}
		text, err := json.Marshal(map[string]any{"message": message})
		if err != nil {
			t.Fatal(err)
		}
		envelope, _, err := container.ParseEnvelope(text)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, envelope)
	}
	return made
}

// Say adds records to a conversation, which appears with the first, and tells the feed's listeners.
func (a *Account) Say(contact string, records ...container.Envelope) {
	a.backend.Change(func() {
		a.hold(contact, records...)
	})
	a.backend.Feed.Note(activity.Event{Account: a.State.Name, Kind: activity.KindMessages, Contact: contact, Count: len(records)})
}

// Hold is Say before anybody looks.
func (a *Account) Hold(contact string, records ...container.Envelope) { a.hold(contact, records...) }

func (a *Account) hold(contact string, records ...container.Envelope) {
	if a.Messaged == nil {
		a.Messaged = make(map[string][]container.Envelope)
	}
	list := append(slices.Clone(a.Messaged[contact]), records...)
	slices.SortFunc(list, container.Envelope.Compare)
	a.Messaged[contact] = list
	at := slices.IndexFunc(a.Talks, func(c engine.Conversation) bool { return c.Contact == contact })
	if at < 0 {
		at = len(a.Talks)
		a.Talks = append(a.Talks, engine.Conversation{Contact: contact, Chunks: 1})
	}
	talk := &a.Talks[at]
	talk.Messages = len(list)
	if len(list) > 0 {
		talk.First, talk.Last = list[0].Timestamp, list[len(list)-1].Timestamp
	}
}

// snapshot is a conversation's records, and the time before which they are at the place alone.
func (a *Account) snapshot(contact string) (records []container.Envelope, away int64) {
	a.backend.mu.Lock()
	defer a.backend.mu.Unlock()
	return a.Messaged[contact], a.Away[contact]
}

// window is the fake's side of [history.Engine]: a conversation in memory, of which what is Away has to be fetched.
type window struct {
	history.Engine
	account *Account
}

// Read answers with one window of a conversation.
func (w window) Read(ctx context.Context, contact string, r engine.Window) (page engine.Page, err error) {
	records, away := w.account.snapshot(contact)
	if r.To == 0 {
		r.To = math.MaxInt64
	}
	after := func(p *engine.Position, m *container.Envelope) int {
		return cmp.Or(cmp.Compare(m.Timestamp, p.Timestamp), bytes.Compare(m.Hash[:], p.Hash[:]))
	}
	page.Messages = slices.DeleteFunc(slices.Clone(records), func(m container.Envelope) bool {
		return m.Timestamp < r.From || m.Timestamp >= r.To || r.After != nil && after(r.After, &m) <= 0 || r.Before != nil && after(r.Before, &m) >= 0
	})
	cut := func(list []container.Envelope) []container.Envelope {
		switch {
		case r.First > 0 && len(list) > r.First:
			return list[:r.First]
		case r.First == 0 && r.Last > 0 && len(list) > r.Last:
			return list[len(list)-r.Last:]
		}
		return list
	}
	wanted := cut(page.Messages)
	far := slices.ContainsFunc(wanted, func(m container.Envelope) bool { return m.Timestamp < away })
	switch {
	case far && r.Local:
		gap := engine.Gap{First: math.MaxInt64, Fetch: 1}
		for _, m := range records {
			if m.Timestamp < away {
				gap.First, gap.Last, gap.Messages = min(gap.First, m.Timestamp), max(gap.Last, m.Timestamp), gap.Messages+1
			}
		}
		page.Gaps = []engine.Gap{gap}
		page.Messages = cut(slices.DeleteFunc(page.Messages, func(m container.Envelope) bool { return m.Timestamp < away }))
		return page, nil
	case far:
		if err := w.account.fetch(ctx, contact); err != nil {
			return engine.Page{}, err
		}
		page.Fetched = 1
	}
	page.Messages = wanted
	return page, nil
}

// fetch brings a conversation here, when the place answers.
func (a *Account) fetch(ctx context.Context, contact string) error {
	a.backend.mu.Lock()
	hang := a.Slow
	a.backend.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a.backend.mu.Lock()
	fail := a.PlaceFails
	a.backend.mu.Unlock()
	if fail != nil {
		return fail
	}
	a.backend.Change(func() { delete(a.Away, contact) })
	return nil
}

// Locate knows nothing: all is looked through.
func (w window) Locate(context.Context, string, container.MessageHash) (int64, bool, error) {
	return 0, false, nil
}

func (a *Account) history() *history.History {
	return history.New(window{account: a}, []string{a.State.Name})
}

// Read reads a conversation by cursors, as an agent does.
func (a *Account) Read(ctx context.Context, contact string, o history.ReadOptions) (history.Slice, error) {
	if err := a.called("read %q", contact); err != nil {
		return history.Slice{}, err
	}
	return a.history().Read(ctx, contact, o)
}

// Message finds one message.
func (a *Account) Message(ctx context.Context, contact string, hash container.MessageHash) (container.Envelope, error) {
	return a.history().Message(ctx, contact, hash)
}

// Stretches cuts a conversation into parts of a hundred messages.
func (a *Account) Stretches(_ context.Context, contact string) (list []engine.Stretch, err error) {
	records, away := a.snapshot(contact)
	if len(records) == 0 {
		return a.drawn(contact)
	}
	for part := range slices.Chunk(records, 100) {
		s := engine.Stretch{Chunk: fmt.Sprint(len(list)), From: part[0].Timestamp, First: part[0].Timestamp, Last: part[len(part)-1].Timestamp, Messages: int64(len(part))}
		s.Cached = s.First >= away
		if !s.Cached {
			s.Fetch = 1
		}
		list = append(list, s)
	}
	return list, nil
}

// Fetch brings a conversation here.
func (a *Account) Fetch(ctx context.Context, contact string, _, _ int64, progress func(engine.Progress)) error {
	for _, step := range a.Steps {
		progress(step)
	}
	return a.fetch(ctx, contact)
}

// Delete deletes what a selection names, or counts it.
func (a *Account) Delete(_ context.Context, s history.Selection) (d history.Deletion, err error) {
	if err := a.called("delete %+v", s); err != nil {
		return d, err
	}
	records, _ := a.snapshot(s.Contact)
	named := func(m container.Envelope) bool {
		return s.All || slices.Contains(s.Hashes, m.Hash) || len(s.Hashes) == 0 && m.Timestamp >= s.From && (s.To == 0 || m.Timestamp < s.To)
	}
	for _, m := range records {
		if named(m) {
			if d.Messages == 0 {
				d.First = m.Timestamp
			}
			d.Messages, d.Last = d.Messages+1, m.Timestamp
		}
	}
	if s.DryRun {
		return d, nil
	}
	a.backend.Change(func() {
		a.Messaged[s.Contact] = slices.DeleteFunc(slices.Clone(records), named)
		if len(a.Messaged[s.Contact]) == 0 {
			a.Talks = slices.DeleteFunc(a.Talks, func(c engine.Conversation) bool { return c.Contact == s.Contact })
		}
	})
	return d, nil
}

// Search looks for a text as it stands, in what is here.
func (a *Account) Search(_ context.Context, q search.Query) (found search.Result, err error) {
	if err := a.called("search %+v", q); err != nil {
		return found, err
	}
	if strings.Contains(q.Text, `""`) {
		return found, fmt.Errorf("%w: there is nothing between the quotation marks", search.ErrQuery)
	}
	for _, talk := range a.talks() {
		if q.Contact != "" && q.Contact != talk.Contact {
			continue
		}
		records, away := a.snapshot(talk.Contact)
		gap := search.Gap{Contact: talk.Contact, From: q.From, To: away, Reason: search.ReasonFar}
		for _, m := range slices.Backward(records) {
			if m.Timestamp < q.From || q.To != 0 && m.Timestamp >= q.To {
				continue
			}
			if m.Timestamp < away {
				gap.Messages, gap.Fetch = gap.Messages+1, 3
				continue
			}
			found.Indexed++
			record := thread.Read(m)
			before, after, has := strings.Cut(record.Text, q.Text)
			if !has {
				continue
			}
			found.Hits = append(found.Hits, search.Hit{Contact: talk.Contact, Hash: m.Hash, Timestamp: m.Timestamp, From: record.From,
				Snippet: []search.Part{{Text: before}, {Text: q.Text, Match: true}, {Text: after}}})
		}
		if gap.Messages > 0 {
			found.Missing = append(found.Missing, gap)
			found.MissingMessages, found.MissingFetch = found.MissingMessages+gap.Messages, found.MissingFetch+gap.Fetch
		}
	}
	return page(found, q), nil
}

// page cuts the hits of a query; its cursor is the number of the first.
func page(found search.Result, q search.Query) search.Result {
	begin, limit := 0, cmp.Or(q.Limit, search.DefaultLimit)
	_, _ = fmt.Sscan(q.After, &begin) // none is the beginning
	found.Hits = found.Hits[min(begin, len(found.Hits)):]
	if len(found.Hits) > limit {
		found.Hits, found.More = found.Hits[:limit], fmt.Sprint(begin+limit)
	}
	return found
}
