package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/history"
)

// storedRecord is a record of the node, however it was listed.
type storedRecord struct {
	id        string // stored identifier
	container string
	halted    bool
}

// taken is one envelope that is to come into the tree.
type takenRecord struct {
	id       string
	contact  string
	envelope container.Envelope
	mark     mark
	notes    Notes
}

// taker brings records into the tree, a bounded batch at a time. Only what is durable
// there is remembered as taken.
type taker struct {
	bridge *Bridge
	work   Work
	report *Report

	items []takenRecord
	bytes int
	marks map[string]mark // of what needs no append
	fresh int             // records that were not known at all
	there []string
}

func (b *Bridge) taker(w Work, report *Report) *taker {
	return &taker{bridge: b, work: w, report: report, marks: make(map[string]mark)}
}

// take judges one record, and appends it sooner or later. Where at names no contact,
// it is the other side of the message. fresh says that it was not known in this form.
func (t *taker) take(ctx context.Context, at contactAtNode, r storedRecord) (fresh bool, err error) {
	b := t.bridge
	t.report.Read++
	before, known, err := b.state.taken(r.id)
	if err != nil {
		return false, err
	}
	item, err := b.judge(ctx, at, r)
	if err != nil && ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		t.report.Refused++
		if !known {
			b.tell(r.id, "a record at the node is left alone", "error", err)
			t.marks[r.id] = mark{}
		}
		return !known, errors.Join(t.note(r.id), t.flushIfMuch(ctx))
	}
	stored := dm3api.StoredID(b.codec.Account(), item.envelope.Hash.String())
	if !known {
		t.fresh++
	}
	same := known && before.content == item.mark.content
	if err := t.note(r.id, stored); err != nil {
		return false, err
	}
	if same && (before.notes == item.mark.notes || item.notes.Verdict() == Unknown) {
		return false, t.flushIfMuch(ctx)
	}
	if !b.options.Pull {
		t.marks[r.id] = mark{} // only that the node has it is to be known: it may be taken later
		return true, t.flushIfMuch(ctx)
	}
	t.items = append(t.items, item)
	t.bytes += len(item.envelope.JSON)
	return true, t.flushIfMuch(ctx)
}

// note remembers sooner or later that the node has records.
func (t *taker) note(storedIDs ...string) error {
	for _, storedID := range storedIDs {
		known, err := t.bridge.there(storedID)
		if err != nil {
			return err
		}
		if !known {
			t.there = append(t.there, storedID)
		}
	}
	return nil
}

// judge decrypts a record and notes what is found out about it.
func (b *Bridge) judge(ctx context.Context, at contactAtNode, r storedRecord) (takenRecord, error) {
	envelope, parties, err := b.codec.Open(r.container)
	if err != nil {
		return takenRecord{}, err
	}
	other, ours, err := b.other(parties)
	contact := at.contact
	if contact == "" {
		if err != nil {
			return takenRecord{}, err
		}
		contact = other
	}
	notes := b.inspect(ctx, envelope, parties)
	from, err := usableContact(parties.From)
	own := err == nil && b.own[from]
	if own && notes.Verdict() == Genuine && len(notes.Doubts) == 0 && !r.halted && !noted(envelope) {
		return takenRecord{
			id: r.id, contact: contact, envelope: envelope, notes: notes, mark: mark{content: b.state.digest(envelope.JSON)},
		}, nil // as dm3sync handed it over: to note anything would write it anew
	}
	if !ours && !at.has(parties.From) && !at.has(parties.To) {
		notes.Doubts = append(notes.Doubts, DoubtReceiver)
	}
	if own {
		notes.Halted = &r.halted
	}
	annotated, err := Annotate(envelope, notes)
	if err != nil {
		return takenRecord{}, err
	}
	return takenRecord{
		id: r.id, contact: contact, envelope: annotated, notes: notes,
		mark: mark{content: b.state.digest(envelope.JSON), notes: b.state.digest(annotated.JSON)},
	}, nil
}

// inspect checks what the envelope itself can tell.
func (b *Bridge) inspect(ctx context.Context, envelope container.Envelope, parties container.Parties) (notes Notes) {
	var parts struct {
		Message  json.RawMessage `json:"message"`
		Metadata *struct {
			Hash any `json:"messageHash"`
		} `json:"metadata"`
	}
	if json.Unmarshal(envelope.JSON, &parts) != nil {
		return notes // what package container parsed has these members
	}
	notes.Signatures = b.senders.check(ctx, parties.From, parts.Message)
	if parts.Metadata != nil && parts.Metadata.Hash != nil && parts.Metadata.Hash != envelope.Hash.String() {
		notes.Doubts = append(notes.Doubts, DoubtHash)
	}
	return notes
}

func (t *taker) flushIfMuch(ctx context.Context) error {
	if len(t.items) < takeItems && t.bytes < takeBytes && len(t.marks) < takeItems && len(t.there) < 4*takeItems {
		return nil
	}
	return t.flush(ctx)
}

// flush appends what waits, and then remembers it.
func (t *taker) flush(ctx context.Context) error {
	refused, err := t.bridge.append(ctx, t.work, t.items)
	if err != nil {
		return err
	}
	if !t.work.DryRun {
		if err := t.bridge.noteHalted(ctx, t.items, refused); err != nil {
			return err // they are taken anew
		}
	}
	for i, item := range t.items {
		if refused[i] != nil {
			t.report.Refused++
			t.bridge.tell(item.id, "a record at the node does not fit into the history", "error", refused[i])
			t.marks[item.id] = mark{}
			continue
		}
		t.report.Taken++
		t.report.judge(item.notes)
		t.marks[item.id] = item.mark
	}
	marks, there := t.marks, t.there
	t.items, t.bytes, t.marks, t.there = nil, 0, make(map[string]mark), nil
	if t.work.DryRun {
		for _, storedID := range there {
			t.bridge.supposed[storedID] = true
		}
		return nil
	}
	if len(marks)+len(there) == 0 {
		return nil
	}
	return t.bridge.state.keep(marks, there)
}

// append makes envelopes durable in the tree, and returns why one is not, by index.
func (b *Bridge) append(ctx context.Context, w Work, items []takenRecord) (refused map[int]error, err error) {
	refused = make(map[int]error)
	if w.DryRun {
		return refused, nil
	}
	byContact := make(map[string][]int)
	for i := range items {
		byContact[items[i].contact] = append(byContact[items[i].contact], i)
	}
	for contact, indexes := range byContact {
		var lines bytes.Buffer
		for _, i := range indexes {
			lines.Write(items[i].envelope.JSON)
			lines.WriteByte('\n')
		}
		rejected := 0
		summary, err := b.options.Tree.Append(ctx, &lines, history.AppendOptions{Contact: contact, Rejected: func(line int, _ []byte, reason error) error {
			refused[indexes[line-1]] = reason
			rejected++
			return nil
		}})
		if err != nil {
			return refused, fmt.Errorf("bridge: appending: %w", err)
		}
		// Whatever is told must account for every message: more may be acknowledged for it.
		if summary.Accepted+rejected != len(indexes) {
			return refused, errAppend
		}
	}
	return refused, nil
}

var errAppend = errors.New("bridge: the history did not account for every message")
