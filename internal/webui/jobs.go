package webui

import (
	"context"
	"sync"
)

// jobs are pieces of work that a page started and that go on after its request, one of a kind for each account at a time.
type jobs struct {
	mu      sync.Mutex
	running map[string]bool
	closed  bool
	group   sync.WaitGroup
}

// run starts work; false says that the same is running already.
func (j *jobs) run(ctx context.Context, key string, work func(ctx context.Context)) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running[key] || j.closed || ctx.Err() != nil {
		return false
	}
	if j.running == nil {
		j.running = make(map[string]bool)
	}
	j.running[key] = true
	j.group.Go(func() {
		defer func() {
			j.mu.Lock()
			defer j.mu.Unlock()
			delete(j.running, key)
		}()
		work(ctx)
	})
	return true
}

// wait lets no more work begin and returns when all of it has ended.
func (j *jobs) wait() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.group.Wait()
}
