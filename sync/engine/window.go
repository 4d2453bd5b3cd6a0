package engine

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Position is a place in the order of a conversation's messages: by timestamp,
// and among those of one timestamp by hash. A message need not stand there.
type Position struct {
	Timestamp int64 // Unix milliseconds
	Hash      container.MessageHash
}

// PositionOf is where a message stands.
func PositionOf(message *container.Envelope) Position {
	return Position{Timestamp: message.Timestamp, Hash: message.Hash}
}

// compare orders a position and a message.
func (p Position) compare(message *container.Envelope) int {
	return cmp.Or(cmp.Compare(p.Timestamp, message.Timestamp), bytes.Compare(p.Hash[:], message.Hash[:]))
}

// Window picks messages: From up to, not including, To (Unix milliseconds, To 0
// is no end), that stand after After and before Before, where these are given,
// neither of them included. Of those it takes the oldest First or else the newest
// Last; 0 is all.
type Window struct {
	From, To      int64
	After, Before *Position
	First, Last   int
	// Local reads only what is on this device: the page names in Gaps what it
	// would have had to fetch.
	Local bool
}

// Gap is a part of a conversation that was not read since it is not on this
// device: up to Messages messages (an estimate) between First and Last (Unix
// milliseconds, both included). Reading it would fetch Fetch objects.
type Gap struct {
	First    int64 `json:"first"`
	Last     int64 `json:"last"`
	Messages int64 `json:"messages"`
	Fetch    int   `json:"fetch"`
}

// settled is the window with its times narrowed to its positions.
func (w Window) settled() Window {
	if w.To == 0 {
		w.To = math.MaxInt64
	}
	if w.After != nil {
		w.From = max(w.From, w.After.Timestamp)
	}
	if w.Before != nil && w.Before.Timestamp < w.To {
		w.To = w.Before.Timestamp + 1
	}
	return w
}

// holds tells whether a message lies in the window.
func (w *Window) holds(m *container.Envelope) bool {
	return m.Timestamp >= w.From && m.Timestamp < w.To &&
		(w.After == nil || w.After.compare(m) < 0) && (w.Before == nil || w.Before.compare(m) > 0)
}

// cut takes the messages of the window out of a conversation's, which are in order.
func (w *Window) cut(messages []container.Envelope) []container.Envelope {
	messages = slices.DeleteFunc(messages, func(m container.Envelope) bool { return !w.holds(&m) })
	switch {
	case w.First > 0 && len(messages) > w.First:
		return messages[:w.First]
	case w.First == 0 && w.Last > 0 && len(messages) > w.Last:
		return messages[len(messages)-w.Last:]
	}
	return messages
}

// sort orders states as the window reads them: from its old end, or from its
// new one.
func (w *Window) sort(states []wanted) {
	slices.SortFunc(states, func(a, b wanted) int {
		if w.First > 0 {
			return cmp.Or(cmp.Compare(a.state.First, b.state.First), cmp.Compare(a.state.Name, b.state.Name))
		}
		return cmp.Or(cmp.Compare(b.state.Last, a.state.Last), cmp.Compare(a.state.Name, b.state.Name))
	})
}

// enough counts the states, in the order of the window, that hold at least as
// many items as it wants and all others that reach into the time of those.
func (w *Window) enough(states []wanted) int {
	want := int64(cmp.Or(w.First, w.Last))
	if want == 0 {
		return len(states)
	}
	var items int64
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range states {
		state := &states[i].state
		beyond := state.Last < first
		if w.First > 0 {
			beyond = state.First > last
		}
		if items >= want && beyond {
			return i
		}
		items += state.Items
		first, last = min(first, state.First), max(last, state.Last)
	}
	return len(states)
}

// complete tells whether nothing of the states left, in the order of the window,
// can belong to these messages of it.
func (w *Window) complete(messages []container.Envelope, left []wanted) bool {
	switch {
	case len(left) == 0:
		return true
	case w.First > 0:
		return len(messages) >= w.First && messages[len(messages)-1].Timestamp < left[0].state.First
	}
	return w.Last > 0 && len(messages) >= w.Last && messages[0].Timestamp > left[0].state.Last
}

// within drops the gaps that a page that is full ends before.
func (w *Window) within(gaps []Gap, messages []container.Envelope) []Gap {
	return slices.DeleteFunc(gaps, func(g Gap) bool {
		switch {
		case w.First > 0 && len(messages) >= w.First:
			return g.First > messages[len(messages)-1].Timestamp
		case w.First == 0 && w.Last > 0 && len(messages) >= w.Last:
			return g.Last < messages[0].Timestamp
		}
		return false
	})
}
