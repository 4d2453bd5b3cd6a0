package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// note is the text of one message in the conversation [bridge.NotesContact], where an
// account keeps what an app says of its conversations and the tree has no place for: those
// without a message, further names, where halted messages lie. It is hidden, and shown to
// no app. It syncs, and is merged, like every other. A note is a change of what is known
// about a contact; absent members change nothing. The bridge writes some
// ([bridge.HaltedNote]).
type note struct {
	Contact  string         `json:"contact"`            // normalised
	Spelling string         `json:"spelling,omitempty"` // as the app wrote it, where that is another
	Location *string        `json:"location,omitempty"` // further names, as the app wrote them
	Hidden   *bool          `json:"hidden,omitempty"`   // of a conversation that the tree does not know yet
	Halted   *bridge.Halted `json:"halted,omitempty"`
	Cleared  string         `json:"cleared,omitempty"` // hash of a message that is halted no more
	Renamed  string         `json:"renamed,omitempty"` // the contact that took over the conversation
}

// halted is a message that may be halted: whether it is, the message itself says.
type halted struct {
	contact   string
	hash      container.MessageHash
	timestamp int64
}

// known is what the notes say of a contact.
type known struct {
	spelling string
	location string
	hidden   bool
	updated  int64 // Unix milliseconds of its first note
}

// notes is the fold of all notes, the earlier first.
type notes struct {
	contacts map[string]known
	halted   map[halted]bool
	last     int64 // the latest timestamp
}

// apply folds one more note in.
func (n *notes) apply(at int64, change note) {
	n.last = max(n.last, at)
	if h := change.Halted; h != nil {
		n.halted[halted{change.Contact, h.Hash, h.Timestamp}] = true
		return
	}
	state, there := n.contacts[change.Contact]
	if !there {
		state = known{spelling: change.Contact, updated: at}
	}
	state.spelling = cmp.Or(change.Spelling, state.spelling)
	if change.Location != nil {
		state.location = *change.Location
	}
	if change.Hidden != nil {
		state.hidden = *change.Hidden
	}
	if change.Cleared != "" {
		maps.DeleteFunc(n.halted, func(h halted, _ bool) bool { return h.hash.String() == change.Cleared })
	}
	n.contacts[change.Contact] = state
	if change.Renamed != "" {
		n.rename(change.Contact, change.Renamed)
	}
}

func (n *notes) rename(from, to string) {
	old := n.contacts[from]
	delete(n.contacts, from)
	if state, there := n.contacts[to]; !there || state.location == "" {
		if !there {
			state = known{spelling: to, hidden: old.hidden, updated: old.updated}
		}
		state.location = old.location
		n.contacts[to] = state
	}
	for h := range maps.Clone(n.halted) {
		if h.contact == from {
			delete(n.halted, h)
			h.contact = to
			n.halted[h] = true
		}
	}
}

func (n *notes) clone() *notes {
	return &notes{contacts: maps.Clone(n.contacts), halted: maps.Clone(n.halted), last: n.last}
}

// readNotes reads all notes of an account.
func (a *treeAccount) readNotes(ctx context.Context) (*notes, error) {
	page, err := a.account.Messages(ctx, bridge.NotesContact, engine.Range{})
	if err != nil {
		return nil, fmt.Errorf("storage: reading what is known of conversations: %w", err)
	}
	n := &notes{contacts: make(map[string]known), halted: make(map[halted]bool)}
	for _, e := range page.Messages { // in the order of time, then of hash: the same on every device
		var text struct {
			Message struct {
				Message  string
				Metadata struct{ Type string }
			}
		}
		var change note
		if json.Unmarshal(e.JSON, &text) != nil || text.Message.Metadata.Type != bridge.NotesType || json.Unmarshal([]byte(text.Message.Message), &change) != nil {
			continue // somebody else's, or of a later version
		}
		n.apply(e.Timestamp, change)
	}
	return n, nil
}

// write keeps notes, durably.
func (a *treeAccount) write(ctx context.Context, changes ...note) error {
	if len(changes) == 0 {
		return nil
	}
	a.writing.Lock() // timestamps grow, so that of two notes from here the later counts
	defer a.writing.Unlock()
	current, err := a.notes(ctx)
	if err != nil {
		return err
	}
	next := current.clone()
	var lines [][]byte
	for _, change := range changes {
		at := max(a.now().UnixMilli(), next.last+1)
		line, err := a.noteLine(at, change)
		if err != nil {
			return err
		}
		lines = append(lines, line)
		next.apply(at, change)
	}
	if err := a.append(ctx, bridge.NotesContact, lines); err != nil {
		return err
	}
	if len(current.contacts) == 0 {
		if err := a.account.Hide(ctx, bridge.NotesContact, true); err != nil {
			return fmt.Errorf("storage: hiding the notes: %w", err)
		}
	}
	return nil
}

func (a *treeAccount) noteLine(at int64, change note) ([]byte, error) {
	text, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("storage: writing a note: %w", err)
	}
	return bridge.NoteLine(a.profile, a.name, at, text)
}

// append makes lines durable in a conversation; anything less than all is an error.
func (a *treeAccount) append(ctx context.Context, contact string, lines [][]byte) error {
	defer a.forget()
	summary, err := a.account.Append(ctx, joinLines(lines), history.AppendOptions{Contact: contact})
	if err != nil {
		return fmt.Errorf("storage: appending: %w", err)
	}
	if summary.Rejected > 0 {
		return fmt.Errorf("storage: appending: %w: %s", errRejected, slices.Concat(summary.Rejections, []history.Rejection{{}})[0].Reason)
	}
	return nil
}
