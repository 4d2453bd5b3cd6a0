package storage

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
)

// What an app keeps with a message stands in the envelope's member "dm3sync": bridge's
// "container", "edits" and "halted", and beside it ours. None of it is covered by the
// message's hash, and all of it is joined when devices meet, by the rule of
// [container.Join]. The name is quoted as [container.Member] has it.
//
// memberRecord is {createdAt, messageId}: of two values the greater stays.
const memberRecord = `"record"`

// record is what an app said of a message beside its container.
type record struct {
	CreatedAt int64  `json:"createdAt"`           // Unix milliseconds
	MessageID string `json:"messageId,omitempty"` // where it is not the message's hash
}

// stored is an envelope of the tree as an app sees it.
type stored struct {
	container.Envelope
	record record
	added  bool   // by an app: record was there
	text   []byte // the app's container, canonical
	edits  int    // the number of the last edit, 0 without
}

// readStored reads an envelope of the tree.
func readStored(e container.Envelope) (stored, error) {
	s := stored{Envelope: e, record: record{CreatedAt: e.Timestamp}}
	if value, ok := bridge.Extra(e, memberRecord); ok {
		s.added = json.Unmarshal(value, &s.record) == nil
	}
	if s.record.MessageID == "" {
		s.record.MessageID = e.Hash.String()
	}
	text, err := bridge.ToStorage(e)
	if err != nil {
		return stored{}, err
	}
	s.text = text
	_, s.edits, _ = bridge.LastEdit(e)
	return s, nil
}

// newStored turns an app's container into an envelope of the tree that keeps r.
func newStored(text []byte, r record) (container.Envelope, error) {
	envelope, _, err := bridge.FromStorage(text)
	if err != nil {
		return container.Envelope{}, err
	}
	if r.MessageID == envelope.Hash.String() {
		r.MessageID = ""
	}
	value, err := json.Marshal(r)
	if err != nil {
		return container.Envelope{}, fmt.Errorf("storage: writing a record: %w", err)
	}
	return bridge.WithExtra(envelope, container.Member{Key: memberRecord, JSON: value})
}

// edited returns the envelope to append so that s reads as text from then on, and
// whether there is anything to append. An app replaces a container; the tree only
// joins. So where the join would show something else, the container is kept as a
// numbered edit, without the message.
func (s stored) edited(text []byte) (change container.Envelope, needed bool, err error) {
	envelope, _, err := bridge.FromStorage(text)
	if err != nil {
		return container.Envelope{}, false, err
	}
	if envelope.Hash != s.Hash {
		return container.Envelope{}, false, fmt.Errorf("storage: %w: an edit holds another message", bridge.ErrRecord)
	}
	wanted, err := bridge.ToStorage(envelope)
	if err != nil {
		return container.Envelope{}, false, err
	}
	if bytes.Equal(wanted, s.text) {
		return container.Envelope{}, false, nil
	}
	joined, err := readStored(container.Join(s.Envelope, envelope))
	if err != nil {
		return container.Envelope{}, false, err
	}
	if s.edits == 0 && bytes.Equal(joined.text, wanted) {
		return envelope, true, nil
	}
	change, err = bridge.AddEdit(s.Envelope, wanted, s.edits+1)
	return change, true, err
}
