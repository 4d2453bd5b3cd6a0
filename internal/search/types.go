package search

import (
	"errors"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Bounds of what is asked and answered.
const (
	// DefaultLimit is how many hits are returned where a query names no number, MaxLimit the most there are at once.
	DefaultLimit, MaxLimit = 20, 200
	// MaxQuery is the longest text of a query, in bytes, and MaxTerms the most words in it.
	MaxQuery, MaxTerms = 1024, 32
	// MaxGaps is how many gaps a result lists; its sums count all.
	MaxGaps = 50
)

// Sentinels, matched with errors.Is.
var (
	// ErrQuery is a query that can't be understood; the text says why.
	ErrQuery = errors.New("the search can't be understood")
	// ErrDisabled is an account whose search is switched off.
	ErrDisabled = errors.New("search is switched off; set enabled = true under [search] in the configuration")
	// ErrClosed is an index that was closed.
	ErrClosed = errors.New("the search index is closed")
	// ErrFar is a piece of the history that is not on this device.
	ErrFar = errors.New("not on this device")
)

// Query says what is looked for. All words of Text must be in a message; the last one, and any with a * at its end, as the
// beginning of a word; words in double quotes must follow each other; a word or quotation with a minus before it must not
// be there. Case, accents and width of letters don't count.
type Query struct {
	Text    string `json:"text"`
	Contact string `json:"contact,omitempty"` // normalised name; empty: all conversations
	From    int64  `json:"from,omitempty"`    // Unix milliseconds
	To      int64  `json:"to,omitempty"`      // not included; 0: no end
	Limit   int    `json:"limit,omitempty"`   // hits; 0 is DefaultLimit, at most MaxLimit
	After   string `json:"after,omitempty"`   // Result.More of the page before
}

// Part is a piece of a text, and whether it is what was looked for. Hostile text, cut to a few words around the matches.
type Part struct {
	Text  string `json:"text"`
	Match bool   `json:"match,omitempty"`
}

// Hit is one line of a conversation that has what was looked for, as it reads now.
type Hit struct {
	Contact   string                `json:"contact"`
	Hash      container.MessageHash `json:"hash"`      // of the message that was said first, which edits change
	Timestamp int64                 `json:"timestamp"` // of that, Unix milliseconds
	From      string                `json:"from,omitempty"`
	Snippet   []Part                `json:"snippet,omitempty"`
	// Edited says that the text was changed since it was first said; Former that only an earlier text has what was looked
	// for: the snippet shows the present one, without a match.
	Edited bool `json:"edited,omitempty"`
	Former bool `json:"former,omitempty"`
	// Unread is why the message can't be read at the moment, as a sentence; then there is neither author nor snippet.
	Unread string `json:"unread,omitempty"`
}

// Why a stretch of messages is not searched.
const (
	// ReasonFar: they are not on this device, and never were while they could have been indexed. Fetching them helps.
	ReasonFar = "far"
	// ReasonRoom: the index has no room for messages of that age; more disk in the configuration helps.
	ReasonRoom = "room"
	// ReasonUnreadable: they are on this device and can't be read; status says more.
	ReasonUnreadable = "unreadable"
)

// Gap is a stretch of a conversation that is not searched: how many messages, about, and how many objects fetching them
// takes.
type Gap struct {
	Contact  string `json:"contact"`
	From     int64  `json:"from"` // Unix milliseconds
	To       int64  `json:"to"`   // not included
	Messages int    `json:"messages"`
	Fetch    int    `json:"fetch"`
	Reason   string `json:"reason"`
}

// Result is a page of hits, newest first, and what was not searched for them.
type Result struct {
	Hits []Hit  `json:"hits"`
	More string `json:"more,omitempty"` // for Query.After; empty at the end
	// Missing are gaps within the query's contact and time, newest first, at most MaxGaps; the sums are over all of them:
	// of messages, of those that fetching MissingFetch objects brings, and of those for which there is no room, all before
	// RoomBefore (Unix milliseconds).
	Missing         []Gap `json:"missing,omitempty"`
	MissingMessages int   `json:"missing_messages,omitempty"`
	MissingFar      int   `json:"missing_far,omitempty"`
	MissingFetch    int   `json:"missing_fetch,omitempty"`
	MissingRoom     int   `json:"missing_room,omitempty"`
	RoomBefore      int64 `json:"room_before,omitempty"`
	// Indexed is how many messages of the account are searched, Waiting how many are on this device and not indexed yet.
	Indexed int `json:"indexed"`
	Waiting int `json:"waiting,omitempty"`
	// Cut counts messages that are so long that only their beginning is searched.
	Cut int `json:"cut,omitempty"`
	// Rebuilt says that a part of the index was damaged and is built anew; Problem is why the index does not go on, as a
	// sentence.
	Rebuilt bool   `json:"rebuilt,omitempty"`
	Problem string `json:"problem,omitempty"`
}
