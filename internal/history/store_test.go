package history_test

import (
	"context"
	"sync/atomic"

	"github.com/dm3sync/dm3sync/providers"
)

// countingStore counts what is read from it.
type countingStore struct {
	providers.Store
	gets atomic.Int64
}

func (s *countingStore) Get(ctx context.Context, name string) ([]byte, error) {
	s.gets.Add(1)
	return s.Store.Get(ctx, name)
}
