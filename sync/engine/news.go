package engine

import (
	"maps"
	"slices"
)

// news knows when each conversation changed last, and keeps what was found out
// about it since: an account may have ten thousand of them, and few change. The
// zero value is ready. Engine.mu guards it.
type news struct {
	revision  uint64            // counts what changed
	of        map[string]uint64 // by contact
	sorted    []string          // the contacts; nil: to be sorted
	portraits map[string]*portrait
	tally     tally              // of what is listed
	shared    map[string]*shared // by contact, of conversations with states whose times meet
}

// portrait is what the lists say of a conversation.
type portrait struct {
	Conversation
	living   bool  // it surely has a message
	doubtful []int // see livesLocked
	empty    bool  // reading found none; Engine.mu guards it

	uncompared bool // states that may share messages were not compared, nor was that tried
}

// listed tells whether the conversation shows a message, as far as is known without
// reading.
func (p *portrait) listed() bool { return p.living || p.doubtful != nil && !p.empty }

// changed notes that a conversation changed.
func (n *news) changed(contact string) {
	if n.of == nil {
		n.of, n.portraits = make(map[string]uint64), make(map[string]*portrait)
	}
	if _, known := n.of[contact]; !known {
		n.sorted = nil
	}
	n.revision++
	n.of[contact] = n.revision
	delete(n.portraits, contact)
}

// compared keeps what states of a conversation share; its portrait is drawn anew.
func (n *news) compared(contact string, found map[overlapKey][]int64) {
	if n.shared == nil {
		n.shared = make(map[string]*shared)
	}
	n.shared[contact] = &shared{of: found, tried: n.of[contact]}
	delete(n.portraits, contact)
}

// contacts returns all contacts in order; it is not to be written to.
func (n *news) contacts() []string {
	if n.sorted == nil {
		n.sorted = slices.Sorted(maps.Keys(n.of))
	}
	return n.sorted
}

// collect takes in what changed in the catalogue. The caller holds e.mu.
func (e *Engine) collect() {
	for _, contact := range e.catalogue.TakeChanged() {
		e.news.changed(contact)
	}
}

// portrait describes a conversation, anew only when it changed. The caller holds
// e.mu and has collected.
func (e *Engine) portrait(contact string) *portrait {
	p := e.news.portraits[contact]
	if p == nil {
		p = &portrait{}
		if p.living, p.doubtful = e.livesLocked(contact); p.living || p.doubtful != nil {
			p.Conversation = e.describe(contact)
			p.uncompared = e.takeShared(&p.Conversation)
		}
		e.news.portraits[contact] = p
	}
	return p
}

// ChangedSince lists the contacts, in order, whose conversations may have got or
// lost messages, or were hidden or shown, since an earlier call returned mark;
// with 0, all. A conversation that was merely put in order, or whose messages
// were uploaded, can be among them. The mark that it returns is for the next
// call, on this engine: it means nothing to another one, or after a restart.
// Ask before reading, so that what changes meanwhile is told the next time; and
// [Engine.Changed] says when to ask.
func (e *Engine) ChangedSince(mark uint64) (contacts []string, next uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collect()
	if mark > e.news.revision {
		mark = 0
	}
	if mark == e.news.revision {
		return nil, mark
	}
	for contact, revision := range e.news.of {
		if revision > mark {
			contacts = append(contacts, contact)
		}
	}
	slices.Sort(contacts)
	return contacts, e.news.revision
}

// Conversation describes one conversation as Conversations does; ok is false when
// it surely shows no message.
func (e *Engine) Conversation(contact string) (c Conversation, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collect()
	if _, known := e.news.of[contact]; !known {
		return Conversation{Contact: contact}, false
	}
	p := e.portrait(contact)
	return p.Conversation, p.listed()
}
