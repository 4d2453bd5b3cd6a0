package engine

import (
	"context"
	"math"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Conversations lists the conversations with a message that is not deleted, as
// far as is known locally, by contact. It asks no provider: where only reading
// there would tell whether all is deleted, the conversation is listed.
func (e *Engine) Conversations(ctx context.Context) ([]Conversation, error) {
	e.mu.Lock()
	e.collect()
	contacts := e.news.contacts()
	list := make([]Conversation, 0, len(contacts))
	doubtful := make(map[string]*portrait)
	for _, contact := range contacts {
		known := e.portrait(contact)
		if !known.living && known.doubtful == nil {
			continue
		}
		list = append(list, known.Conversation)
		if !known.living {
			doubtful[contact] = known
		}
	}
	e.mu.Unlock()
	list = slices.DeleteFunc(list, func(c Conversation) bool {
		doubt, doubted := doubtful[c.Contact]
		return doubted && !e.settleDoubt(ctx, c.Contact, doubt)
	})
	e.compareListed(ctx, list)
	return list, ctx.Err()
}

// Count is how many conversations Conversations lists: those that are shown, and
// those that are hidden. leaveOut, a contact, is counted as neither.
func (e *Engine) Count(ctx context.Context, leaveOut string) (shown, hidden int) {
	e.mu.Lock()
	count := e.countLocked()
	_, doubted := count.doubtful[leaveOut]
	if _, known := e.news.of[leaveOut]; known && !doubted {
		if p := e.portrait(leaveOut); p.listed() {
			count.take(p)
		}
	}
	e.mu.Unlock()
	for contact, doubt := range count.doubtful {
		if contact == leaveOut || !e.settleDoubt(ctx, contact, doubt) {
			count.take(doubt)
		}
	}
	return count.shown, count.hidden
}

// tally counts what is listed, with the doubtful ones, which it names.
type tally struct {
	revision      uint64 // of all that changed, when it was counted
	shown, hidden int
	doubtful      map[string]*portrait
}

func (t *tally) add(p *portrait, n int) {
	if p.Hidden {
		t.hidden += n
	} else {
		t.shown += n
	}
}

func (t *tally) take(p *portrait) { t.add(p, -1) }

// countLocked counts what is listed, anew only when something changed. The caller
// holds e.mu.
func (e *Engine) countLocked() tally {
	e.collect()
	if e.news.tally.revision == e.news.revision && len(e.news.tally.doubtful) == 0 {
		return e.news.tally
	}
	count := tally{revision: e.news.revision}
	for contact := range e.news.of {
		known := e.portrait(contact)
		if !known.listed() {
			continue
		}
		if count.add(known, 1); !known.living {
			if count.doubtful == nil {
				count.doubtful = make(map[string]*portrait)
			}
			count.doubtful[contact] = known
		}
	}
	e.news.tally = count
	return count
}

// settleDoubt tells whether a conversation in doubt shows a message. That it shows
// none is kept in mind, for counting, until it changes.
func (e *Engine) settleDoubt(ctx context.Context, contact string, doubt *portrait) bool {
	if e.showsAny(ctx, contact, doubt.doubtful) {
		return true
	}
	e.mu.Lock()
	doubt.empty = true // who changes the conversation makes another portrait
	e.mu.Unlock()
	return false
}

// livesLocked tells whether a conversation surely has a message; if not, doubtful
// are the chunks that must be read with the journal to find out, nil when it has
// none. The caller holds e.mu.
func (e *Engine) livesLocked(contact string) (living bool, doubtful []int) {
	var messages, tombstones int64
	for _, waiting := range [][]entry{e.pending[contact], e.taken[contact]} {
		for _, at := range waiting {
			switch at.kind {
			case journalMessage:
				messages++
			case journalTombstone:
				tombstones++
			}
		}
	}
	living, doubtful = e.catalogue.Conversations[contact].Living(tombstones)
	if messages > tombstones {
		return true, nil
	}
	if messages > 0 && doubtful == nil {
		doubtful = []int{}
	}
	return living, doubtful
}

// isEmptied tells whether a contact surely has no message at the provider.
func (e *Engine) isEmptied(contact string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	living, doubtful := e.catalogue.Conversations[contact].Living(0)
	return !living && len(doubtful) == 0
}

// isLiving tells whether a contact surely has a message at the provider.
func (e *Engine) isLiving(contact string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	living, _ := e.catalogue.Conversations[contact].Living(0)
	return living
}

// showsAny reads the journal and the given chunks, as far as they are here, to
// find a message that is not deleted. Where something is not here there may be
// one.
func (e *Engine) showsAny(ctx context.Context, contact string, chunks []int) bool {
	own, err := e.unconfirmed(contact, Range{To: math.MaxInt64})
	if err != nil || len(container.UnionChunk(own).Messages) > 0 {
		return true
	}
	conversation := e.snapshot(contact)
	for _, i := range chunks {
		if conversation == nil || i >= len(conversation.Chunks) {
			return true
		}
		parts := []*container.Chunk{own}
		chunk := &conversation.Chunks[i]
		for _, state := range chunk.States {
			if !e.isHere(contact, chunk.Identifier, &state) {
				return true
			}
			part, _, err := e.chunkState(ctx, contact, chunk.Identifier, state)
			if err != nil {
				return true
			}
			parts = append(parts, part)
		}
		if len(container.UnionChunk(parts...).Messages) > 0 {
			return true
		}
	}
	return false
}

// describe sums up a conversation, but for what states share. The caller holds e.mu.
func (e *Engine) describe(contact string) Conversation {
	info := Conversation{Contact: contact, First: math.MaxInt64, Hidden: isHidden(e.hiddenLocked(contact))}
	see := func(first, last int64) {
		info.First, info.Last = min(info.First, first), max(info.Last, last)
	}
	for _, pending := range slices.Concat(e.pending[contact], e.taken[contact]) {
		info.Pending++
		switch pending.kind {
		case journalMessage:
			info.Messages++
			see(pending.timestamp, pending.timestamp)
		case journalTombstone:
			info.Messages--
		}
	}
	if conversation := e.catalogue.Conversations[contact]; conversation != nil {
		info.Chunks = len(conversation.Chunks)
		for i := range conversation.Chunks {
			for _, state := range conversation.Chunks[i].States {
				if state.Messages() > 0 {
					info.Messages += int(state.Messages())
					see(state.First, state.Last)
				}
			}
		}
	}
	if info.First == math.MaxInt64 {
		info.First = 0
	}
	return info
}
