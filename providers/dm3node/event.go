package dm3node

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// event is a record of an index.
type event struct {
	// Kind is one of the constants below. Others are ignored: a later version's.
	Kind string `json:"kind"`
	// ID is the event's own, the same in every generation that it is written to. For a put it is what deletes name.
	ID string `json:"id,omitempty"`
	// Name, Size, Lane and Place are a put's: the object's name, its bytes, and where they lie.
	Name  string `json:"name,omitempty"`
	Size  int64  `json:"size,omitempty"`
	Lane  string `json:"lane,omitempty"`
	Place int    `json:"place,omitempty"`
	// Puts are the puts that a delete takes back.
	Puts []string `json:"puts,omitempty"`
	// To is the generation from which on a reader may begin.
	To int `json:"to,omitempty"`
}

// The kinds of events.
const (
	kindPut    = "put"
	kindDelete = "delete"
	kindNext   = "next" // the generation is closed: what comes goes into the next one, and whoever wrote here after it writes there too
	kindSkip   = "skip" // stands in generation 0 and is overwritten: nothing before To is needed
)

func (e *event) text() (string, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("writing an entry: %w", err)
	}
	return string(text), nil
}

// parseEvent reads a record of an index; false for what is none that this version knows and may act on.
func parseEvent(text string) (e event, ok bool) {
	if json.Unmarshal([]byte(text), &e) != nil {
		return event{}, false
	}
	switch e.Kind {
	case kindPut: // what a node may have made up must not lead to other conversations
		return e, e.ID != "" && providers.ValidateName(e.Name) == nil && e.Size >= 0 && e.Place >= 0 && strings.HasPrefix(e.Lane, laneNames)
	case kindDelete, kindNext, kindSkip:
		return e, true
	}
	return event{}, false
}

// recordID is the client's identifier of an event's record in a generation.
func (s *Store) recordID(bucket, generation int, id string) string {
	return s.indexName(bucket, generation) + "/" + id
}
