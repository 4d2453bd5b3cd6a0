package gdrive

import (
	"context"
	"sync"
)

// recent is a map that forgets: it holds at least half of limit entries that were set or found last, and at most limit.
type recent[V any] struct {
	mutex      sync.Mutex
	half       int
	young, old map[string]V
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{half: max(1, limit/2), young: make(map[string]V)}
}

func (r *recent[V]) get(key string) (V, bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	value, ok := r.young[key]
	if !ok {
		if value, ok = r.old[key]; ok {
			r.put(key, value)
		}
	}
	return value, ok
}

func (r *recent[V]) set(key string, value V) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.put(key, value)
}

// add sets a value that isn't there yet and tells whether it did.
func (r *recent[V]) add(key string, value V) bool {
	if _, there := r.get(key); there {
		return false
	}
	r.set(key, value)
	return true
}

// put sets with the mutex held.
func (r *recent[V]) put(key string, value V) {
	if _, ok := r.young[key]; !ok && len(r.young) >= r.half {
		r.old, r.young = r.young, make(map[string]V)
	}
	r.young[key] = value
	delete(r.old, key)
}

func (r *recent[V]) remove(key string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}

// locks gives one lock for each key, which a context can stop waiting for.
type locks struct {
	mutex sync.Mutex
	held  map[string]chan struct{}
}

func (l *locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		l.mutex.Lock()
		waiting, taken := l.held[key]
		if !taken {
			done := make(chan struct{})
			if l.held == nil {
				l.held = make(map[string]chan struct{})
			}
			l.held[key] = done
			l.mutex.Unlock()
			return func() {
				l.mutex.Lock()
				delete(l.held, key)
				l.mutex.Unlock()
				close(done)
			}, nil
		}
		l.mutex.Unlock()
		select {
		case <-waiting:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
