package s3_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// TestDeadConnections: after sleep, or a change of networks, all open connections swallow what is sent. The first request
// finds that out, once for all of them.
func TestDeadConnections(t *testing.T) {
	type generation struct{}
	var mu sync.Mutex
	current := 0 // connections of earlier generations are dead
	release := make(chan struct{})
	var together sync.WaitGroup // makes the client open as many connections as it may keep
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		dead := r.Context().Value(generation{}) != current
		mu.Unlock()
		if dead {
			select {
			case <-r.Context().Done():
			case <-release:
			}
			return
		}
		together.Done()
		together.Wait()
		w.Write([]byte("x"))
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		mu.Lock()
		defer mu.Unlock()
		return context.WithValue(ctx, generation{}, current)
	}
	server.Start()
	defer server.Close()
	defer close(release)
	o := options(server.URL)
	o.Stall = 5 * time.Second // a busy machine needs some of it until all have come together
	store := newStore(t, "bucket", o)
	const many = 8
	together.Add(many)
	var readers sync.WaitGroup
	for range many {
		readers.Go(func() {
			if _, err := store.Get(t.Context(), "a/1"); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	mu.Lock()
	current++
	mu.Unlock()
	together.Add(1)
	_, err := store.Get(t.Context(), "a/1")
	wantError(t, "over a dead connection", err, providers.ErrTransient)
	if _, err := store.Get(t.Context(), "a/1"); err != nil {
		t.Errorf("the next try took another dead connection: %v", err)
	}
}
