package storage

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds what one limiter remembers; each takes about 200 bytes. Who
// asked longest ago is forgotten first, and then has a full bucket again.
const maxBuckets = 10_000

// limiter allows each key a rate of requests. It is safe for concurrent use.
type limiter struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*list.Element
	order   *list.List // of *bucket, the one asked for last in front
}

type bucket struct {
	key string
	*rate.Limiter
}

// newLimiter allows perSecond requests of a key, and burst at once; perSecond 0
// is no limit.
func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{limit: rate.Limit(perSecond), burst: burst, now: now, buckets: make(map[string]*list.Element), order: list.New()}
}

// allow takes one request of key; when it must not be, it says how long to wait.
func (l *limiter) allow(key string) (wait time.Duration, ok bool) {
	if l.limit == 0 {
		return 0, true
	}
	now := l.now()
	reservation := l.bucket(key).ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait == 0 {
		return 0, true
	}
	reservation.CancelAt(now)
	return wait, false
}

func (l *limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if element, ok := l.buckets[key]; ok {
		l.order.MoveToFront(element)
		return element.Value.(*bucket).Limiter //nolint:forcetypeassert // only buckets are put there
	}
	if l.order.Len() >= maxBuckets {
		oldest := l.order.Back()
		delete(l.buckets, l.order.Remove(oldest).(*bucket).key) //nolint:forcetypeassert // as above
	}
	b := &bucket{key, rate.NewLimiter(l.limit, l.burst)}
	l.buckets[key] = l.order.PushFront(b)
	return b.Limiter
}

// turns lets so many requests of each key be under way at once; others wait. It is safe
// for concurrent use.
type turns struct {
	most int

	mu   sync.Mutex
	busy map[string]*turn
}

// turn is what is under way of one key: users are those that hold a slot or wait for one.
type turn struct {
	slots chan struct{}
	users int
}

func newTurns(most int) *turns { return &turns{most: most, busy: make(map[string]*turn)} }

// take waits for a slot, and gives it back when ctx, which is a request's, ends.
func (t *turns) take(ctx context.Context, key string) error {
	t.mu.Lock()
	one := t.busy[key]
	if one == nil {
		one = &turn{slots: make(chan struct{}, t.most)}
		t.busy[key] = one
	}
	one.users++
	t.mu.Unlock()
	select {
	case one.slots <- struct{}{}:
		context.AfterFunc(ctx, func() {
			<-one.slots
			t.leave(key, one)
		})
		return nil
	case <-ctx.Done():
		t.leave(key, one)
		return fmt.Errorf("storage: waiting for other requests of the account: %w", ctx.Err())
	}
}

func (t *turns) leave(key string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(t.busy, key)
	}
}
