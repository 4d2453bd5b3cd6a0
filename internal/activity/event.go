package activity

import (
	"time"
	"unicode/utf8"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Kinds of events.
const (
	KindMessages     = "messages"     // a conversation got or lost messages
	KindConversation = "conversation" // a conversation was hidden or is shown again
	KindPass         = "pass"         // a pass began or ended
	KindProblem      = "problem"      // something is wrong at the place
	KindHealed       = "healed"       // a problem is over
	KindStatus       = "status"       // stuck, going again, a login needed, paused, opened, ...
	KindJob          = "job"          // long work began or ended
)

// What one event may hold. What is longer is cut, so that the feed stays
// bounded whatever messages, names and servers say.
const (
	maxRefs = 100
	maxText = 1000 // bytes
)

// Ref names one message.
type Ref struct {
	Hash      container.MessageHash `json:"hash"`
	Timestamp int64                 `json:"timestamp"` // milliseconds since 1970, as the sender says
}

// Event is one thing that happened. Contact and Text are for the user's eyes
// only; both can hold what others wrote, and are to be escaped where they are
// shown.
type Event struct {
	Number   uint64    `json:"number"` // rises by one from event to event of one run; given by [Log.Note]
	Time     time.Time `json:"time"`   // given by [Log.Note] where zero
	Account  string    `json:"account,omitempty"`
	Kind     string    `json:"kind"`
	Contact  string    `json:"contact,omitempty"`
	Text     string    `json:"text,omitempty"`     // a sentence; at most 1,000 bytes
	Count    int       `json:"count,omitempty"`    // how many messages it is about, where known
	Messages []Ref     `json:"messages,omitempty"` // some of them, or none: where it was cheap to know, at most 100
	Job      uint64    `json:"job,omitempty"`      // the work that it is about, see [JobStatus]
	Error    string    `json:"error,omitempty"`    // why it failed; at most 1,000 bytes
}

// bounded cuts what is longer than an event may hold, and takes a copy.
func (e Event) bounded() Event {
	if e.Count == 0 {
		e.Count = len(e.Messages)
	}
	e.Messages = append([]Ref(nil), e.Messages[:min(len(e.Messages), maxRefs)]...)
	e.Account, e.Contact = short(e.Account), short(e.Contact)
	e.Text, e.Error = short(e.Text), short(e.Error)
	return e
}

// short cuts text to what an event may hold, between two characters.
func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
