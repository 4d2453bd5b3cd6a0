package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// feedContacts is how many conversations are told of one by one when several
// change at once; of more there is one event, without a contact.
const feedContacts = 8

// feed tells the activity log what happens in one account. It is safe for
// concurrent use.
type feed struct {
	log     *activity.Log
	account string
	engine  *engine.Engine

	mu       sync.Mutex
	mark     uint64            // of the engine's changes, as told last
	known    map[string]extent // conversations, as told last
	own      map[string]int    // messages that were added here since, or, negative, removed
	problems map[string]bool
	failure  string // of the last pass, empty after a good one
}

// extent is what tells whether a conversation got or lost something.
type extent struct {
	messages    int
	first, last int64
	hidden      bool
}

func extentOf(c engine.Conversation) extent { return extent{c.Messages, c.First, c.Last, c.Hidden} }

// newFeed begins with what there is: that is no news.
func newFeed(log *activity.Log, account string, e *engine.Engine) *feed {
	f := &feed{log: log, account: account, engine: e, known: make(map[string]extent), own: make(map[string]int), problems: make(map[string]bool)}
	var contacts []string
	contacts, f.mark = e.ChangedSince(0)
	for _, contact := range contacts {
		if c, ok := e.Conversation(contact); ok {
			f.known[contact] = extentOf(c)
		}
	}
	for _, p := range e.Status().Problems {
		f.problems[problemKey(p)] = true
	}
	return f
}

func problemKey(p engine.Problem) string { return p.Kind + " " + p.Object }

func (f *feed) note(e activity.Event) {
	e.Account = f.account
	f.log.Note(e)
}

// change is what happened to one conversation.
type change struct {
	contact string
	text    string
	count   int
	refs    []activity.Ref
}

// tell notes what happened to conversations, one by one if they are few.
func (f *feed) tell(changes []change) {
	if len(changes) <= feedContacts {
		for _, c := range changes {
			f.note(activity.Event{Kind: activity.KindMessages, Contact: c.contact, Text: c.text, Count: c.count, Messages: c.refs})
		}
		return
	}
	total := 0
	for _, c := range changes {
		total += c.count
	}
	f.note(activity.Event{Kind: activity.KindMessages, Text: fmt.Sprintf("%d conversations changed.", len(changes)), Count: total})
}

// appended tells of messages that were appended on this device.
func (f *feed) appended(items []engine.Item) {
	var changes []change
	at := make(map[string]int)
	for i := range items {
		n, known := at[items[i].Contact]
		if !known {
			n = len(changes)
			at[items[i].Contact] = n
			changes = append(changes, change{contact: items[i].Contact})
		}
		changes[n].count++
		changes[n].refs = append(changes[n].refs, activity.Ref{Hash: items[i].Envelope.Hash, Timestamp: items[i].Envelope.Timestamp})
	}
	for i := range changes {
		changes[i].text = counted(changes[i].count, "message was added.", "messages were added.")
		f.ours(changes[i].contact, changes[i].count)
	}
	f.tell(changes)
}

// removed tells of messages that were deleted on this device.
func (f *feed) removed(contact string, tombstones []container.Tombstone) {
	c := change{contact: contact, count: len(tombstones), text: counted(len(tombstones), "message was deleted.", "messages were deleted.")}
	for _, tombstone := range tombstones {
		c.refs = append(c.refs, activity.Ref{Hash: tombstone.Hash, Timestamp: tombstone.Timestamp})
	}
	f.ours(contact, -len(tombstones))
	f.tell([]change{c})
}

func (f *feed) ours(contact string, count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own[contact] += count
}

// hid tells that a conversation was hidden, or shown again.
func (f *feed) hid(contact string, hidden bool) {
	f.mu.Lock()
	before := f.known[contact]
	now := before
	now.hidden = hidden
	f.known[contact] = now
	f.mu.Unlock()
	if before.hidden != hidden {
		f.noteHidden(contact, hidden)
	}
}

func (f *feed) noteHidden(contact string, hidden bool) {
	text := "The conversation is shown again."
	if hidden {
		text = "The conversation was hidden."
	}
	f.note(activity.Event{Kind: activity.KindConversation, Contact: contact, Text: text})
}

// passed tells what a pass did, and what came with it.
func (f *feed) passed(ctx context.Context, report engine.Report, err error) {
	f.notePass(ctx, report, err)
	f.tell(f.arrivals(report.Pulled > 0))
	f.noteProblems()
}

// notePass tells of a pass that did something, or failed for another reason than
// the one before: an ordinary night offline is one event.
func (f *feed) notePass(ctx context.Context, report engine.Report, err error) {
	if err != nil && (ctx.Err() != nil || errors.Is(err, engine.ErrClosed)) {
		return
	}
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	f.mu.Lock()
	again := failure == f.failure
	f.failure = failure
	f.mu.Unlock()
	text := summary(report)
	switch {
	case failure != "" && !again:
		f.note(activity.Event{Kind: activity.KindPass, Text: "A pass failed; what waits will be tried again. " + text, Error: failure})
	case failure == "" && (text != "" || !again):
		if text == "" {
			text = "Passes succeed again."
		}
		f.note(activity.Event{Kind: activity.KindPass, Text: text, Count: report.Pushed})
	}
}

// summary says what a pass did; nothing when it did nothing.
func summary(r engine.Report) string {
	var parts []string
	add := func(count int, one, many string) {
		if count > 0 {
			parts = append(parts, counted(count, one, many))
		}
	}
	add(r.Pushed, "change was uploaded", "changes were uploaded")
	add(r.Confirmed, "upload was confirmed", "uploads were confirmed")
	add(r.Pulled, "note of other devices was read", "notes of other devices were read")
	add(r.Compacted, "object was written in place of others", "objects were written in place of others")
	add(r.Removed, "object was removed", "objects were removed")
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

func counted(count int, one, many string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprint(count, " ", many)
}

// arrivals compares the conversations that changed with what was told of them.
// Only after a look at the place can what this device did not do itself be another
// one's work; else it is one more estimate of the same.
func (f *feed) arrivals(looked bool) (changes []change) {
	f.mu.Lock()
	var contacts []string
	contacts, f.mark = f.engine.ChangedSince(f.mark)
	hidden := make(map[string]bool)
	for _, contact := range contacts {
		before, own := f.known[contact], f.own[contact]
		c, _ := f.engine.Conversation(contact)
		now := extentOf(c)
		f.known[contact] = now
		delete(f.own, contact)
		if now.hidden != before.hidden {
			hidden[contact] = now.hidden
		}
		more := now.messages - before.messages - own
		switch {
		case !looked:
		case more > 0:
			changes = append(changes, change{contact: contact, count: more, text: counted(more, "message came from another device.", "messages came from other devices.")})
		case more < 0, own == 0 && (now.first != before.first || now.last != before.last):
			changes = append(changes, change{contact: contact, text: "The conversation was changed on another device."})
		}
	}
	f.mu.Unlock()
	for contact, is := range hidden {
		f.noteHidden(contact, is)
	}
	return changes
}

// noteProblems compares the problems with those that were told.
func (f *feed) noteProblems() {
	status := f.engine.Status()
	f.mu.Lock()
	defer f.mu.Unlock()
	present := make(map[string]bool)
	var events []activity.Event
	for _, p := range status.Problems {
		key := problemKey(p)
		if present[key] = true; !f.problems[key] {
			events = append(events, activity.Event{Kind: activity.KindProblem, Contact: p.Contact, Text: p.Detail})
		}
	}
	raised := len(events)
	for _, h := range status.Healed { // newest first
		key := problemKey(h.Problem)
		if f.problems[key] && !present[key] {
			delete(f.problems, key)
			events = append(events, activity.Event{Kind: activity.KindHealed, Contact: h.Contact, Text: h.Detail + ": " + h.How})
		}
	}
	f.problems = present
	if len(events) <= 2*feedContacts {
		for _, e := range events {
			f.note(e)
		}
		return
	}
	if raised > 0 {
		f.note(activity.Event{Kind: activity.KindProblem, Text: counted(raised, "problem was noticed; the status tells.", "problems were noticed; the status tells which.")})
	}
	if healed := len(events) - raised; healed > 0 {
		f.note(activity.Event{Kind: activity.KindHealed, Text: counted(healed, "problem is over.", "problems are over.")})
	}
}
