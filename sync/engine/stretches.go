package engine

import (
	"context"
	"math"
	"sort"
	"strconv"

	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Stretch is a part of a conversation as one chunk covers it: all that lies From
// up to, not including, To (Unix milliseconds; To 0 is no end). Messages, First
// and Last (both included; 0 without messages) come from what heads and the journal say.
// A message that stands in two states counts once where a list compared them, else twice
// (see [Conversation]), and a state that reaches into several stretches counts in one of
// them.
type Stretch struct {
	Chunk    string `json:"chunk,omitempty"` // identifier and timestamp; empty while nothing was uploaded
	From     int64  `json:"from"`
	To       int64  `json:"to,omitempty"`
	First    int64  `json:"first"`
	Last     int64  `json:"last"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`  // of plaintext
	Cached   bool   `json:"cached"` // reading it fetches nothing
	Fetch    int    `json:"fetch"`  // objects that reading it would fetch
}

// Stretches draws the time line of a conversation, oldest first and without
// holes, from what is known here: nothing is fetched. Of a contact of whom
// nothing is known it fails with ErrNoConversation.
func (e *Engine) Stretches(ctx context.Context, contact string) ([]Stretch, error) {
	conversation, waiting := e.drawn(contact)
	if conversation == nil && len(waiting) == 0 {
		return nil, ErrNoConversation
	}
	line := timeLine{engine: e, contact: contact}
	if conversation != nil {
		line.cover(conversation.Chunks)
		line.shared = e.sharedByState(contact, conversation.Overlaps())
		for i := range conversation.Chunks {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			line.addChunk(&conversation.Chunks[i])
		}
	}
	if len(line.stretches) == 0 {
		line.stretches = []Stretch{{}}
		line.objects = make([]map[string]bool, 1)
	}
	for _, at := range waiting {
		line.addWaiting(at)
	}
	return line.finish(), nil
}

// drawn copies what the catalogue and the journal say of a conversation.
func (e *Engine) drawn(contact string) (*reconcile.Conversation, []entry) {
	conversation := e.snapshot(contact)
	e.mu.Lock()
	defer e.mu.Unlock()
	var waiting []entry
	for _, entries := range [][]entry{e.pending[contact], e.taken[contact]} {
		for _, at := range entries {
			if at.kind != journalHidden {
				waiting = append(waiting, at)
			}
		}
	}
	return conversation, waiting
}

// timeLine gathers the stretches of one conversation.
type timeLine struct {
	engine    *Engine
	contact   string
	stretches []Stretch
	objects   []map[string]bool // of each stretch: those that are not here; nil where there are none
	shared    map[string]int64  // messages of a state, by its name, that count elsewhere or are deleted
}

// cover makes a stretch of each chunk that covers any time. Of chunks of one
// timestamp the last one covers it.
func (l *timeLine) cover(chunks []reconcile.Chunk) {
	for i := range chunks {
		from, to := reconcile.Covers(chunks, i)
		from = max(from, 0)
		if to <= from {
			continue
		}
		if to == math.MaxInt64 {
			to = 0
		}
		identifier := chunks[i].Identifier
		name := strconv.FormatInt(identifier.ID, 10) + "." + strconv.FormatInt(identifier.Timestamp, 10)
		l.stretches = append(l.stretches, Stretch{Chunk: name, From: from, To: to})
	}
	l.objects = make([]map[string]bool, len(l.stretches))
}

// at is the stretch that covers a time.
func (l *timeLine) at(timestamp int64) int {
	after := sort.Search(len(l.stretches), func(i int) bool { return l.stretches[i].From > timestamp })
	return max(after-1, 0)
}

// addChunk counts the states of a chunk, each where most of it can be: in the
// stretch of its chunk when it reaches into that, else where it begins. All
// stretches that it reaches into are read with it.
func (l *timeLine) addChunk(chunk *reconcile.Chunk) {
	own := l.at(chunk.Identifier.Timestamp)
	for i := range chunk.States {
		state := &chunk.States[i]
		if state.Items == 0 {
			continue
		}
		first, last := l.at(state.First), l.at(state.Last)
		home := first
		if first <= own && own <= last {
			home = own
		}
		l.addState(home, state)
		if l.engine.isHere(l.contact, chunk.Identifier, state) {
			continue
		}
		object := l.engine.objectOf(l.contact, chunk.Identifier, state)
		for at := first; at <= last; at++ {
			if l.objects[at] == nil {
				l.objects[at] = make(map[string]bool)
			}
			l.objects[at][object] = true
		}
	}
}

func (l *timeLine) addState(at int, state *reconcile.State) {
	stretch := &l.stretches[at]
	stretch.Bytes += state.Size
	stretch.Messages += state.Messages() - l.shared[state.Name]
	if state.Messages() == 0 {
		return
	}
	first, last := max(state.First, stretch.From), state.Last
	if stretch.To > 0 {
		last = min(last, stretch.To-1)
	}
	l.see(stretch, first, last)
}

// see widens the span of a stretch. First holds one more than the timestamp
// until the end, so that 0 is none.
func (l *timeLine) see(stretch *Stretch, first, last int64) {
	if stretch.First == 0 || first+1 < stretch.First {
		stretch.First = first + 1
	}
	stretch.Last = max(stretch.Last, last)
}

func (l *timeLine) addWaiting(at entry) {
	stretch := &l.stretches[l.at(at.timestamp)]
	if at.kind == journalTombstone {
		stretch.Messages--
		return
	}
	stretch.Messages++
	stretch.Bytes += int64(at.size)
	l.see(stretch, at.timestamp, at.timestamp)
}

// finish counts what would have to be fetched.
func (l *timeLine) finish() []Stretch {
	for i := range l.stretches {
		stretch := &l.stretches[i]
		stretch.Fetch = len(l.objects[i])
		stretch.Cached = stretch.Fetch == 0
		stretch.First = max(stretch.First-1, 0)
		if stretch.Messages <= 0 {
			stretch.Messages, stretch.First, stretch.Last = 0, 0, 0
		}
	}
	return l.stretches
}
