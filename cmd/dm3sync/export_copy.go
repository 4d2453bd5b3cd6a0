package main

import (
	"context"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/transfer"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var _ transfer.Target = (*file)(nil)

// file is a [transfer.Target] that may hold something already, and is durable when it was synced.
type file struct {
	*archive.Store
	mutex sync.Mutex
	names map[string]bool
}

func (f *file) Has(name string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.names[name]
}

func (f *file) Put(ctx context.Context, name string, sealed []byte) error {
	err := f.Store.Put(ctx, name, sealed)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.names[name] = err == nil
	return err
}

func (f *file) Remove(ctx context.Context, keep engine.Inventory) (int, error) {
	// What is added must be whole before anything goes that it takes the place of.
	if err := f.Sync(ctx); err != nil {
		return 0, err
	}
	ours, used := make(map[string]bool), make(map[string]bool)
	for _, key := range keep.Containers {
		ours[key] = true
	}
	for _, name := range keep.Objects {
		used[name] = true
	}
	var idle []string
	for name, there := range f.names {
		key, _, _ := strings.Cut(name, "/")
		if there && ours[key] && !used[name] {
			idle = append(idle, name)
		}
	}
	return len(idle), f.Delete(ctx, idle...)
}
