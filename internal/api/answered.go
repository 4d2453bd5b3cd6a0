package api

import (
	"crypto/sha256"
	gosync "sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/history"
)

// How many appends with a key are remembered, and for how long. Forgetting one is
// harmless: it is then taken once more, and a message that is there stays one message.
const (
	maxAnswered = 1000
	answeredFor = 24 * time.Hour
)

// appendName is what an append with a key is remembered by.
type appendName struct{ account, contact, key string }

// answeredAppend is one append that went through.
type answeredAppend struct {
	body    [sha256.Size]byte
	summary history.Summary
	at      time.Time
}

// answeredAppends remembers appends by their keys. It is safe for concurrent use.
type answeredAppends struct {
	now func() time.Time

	mu    gosync.Mutex
	known map[appendName]*answeredAppend // nil while one is under way
	order []appendName                   // of those that are through, oldest first
}

func newAnsweredAppends(now func() time.Time) *answeredAppends {
	return &answeredAppends{now: now, known: make(map[appendName]*answeredAppend)}
}

// begin returns the append of this name that went through, or nil when it may be taken
// now; then end must follow. ErrKeyInUse says that one is under way.
func (a *answeredAppends) begin(name appendName) (*answeredAppend, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(answeredFor, maxAnswered)
	known, there := a.known[name]
	if there && known == nil {
		return nil, ErrKeyInUse
	}
	if !there {
		a.known[name] = nil
	}
	return known, nil
}

// end remembers an append, or only lets its name go when through is nil.
func (a *answeredAppends) end(name appendName, through *answeredAppend) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if through == nil {
		delete(a.known, name)
		return
	}
	a.known[name] = through
	a.order = append(a.order, name)
	a.forget(answeredFor, maxAnswered)
}

// forget lets go of what is too old or too much. The caller holds mu.
func (a *answeredAppends) forget(age time.Duration, most int) {
	now := a.now()
	for len(a.order) > 0 && (len(a.order) > most || now.Sub(a.known[a.order[0]].at) >= age) {
		delete(a.known, a.order[0])
		a.order = a.order[1:]
	}
}
