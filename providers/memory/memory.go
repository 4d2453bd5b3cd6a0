// Package memory keeps objects in a map: the store for tests, simulations and demonstrations, and the simplest example of
// what a provider is. It imports only providers.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

// Kind is the store's word in configurations.
const Kind = "memory"

// Options changes what a store says of itself; nil takes all defaults.
type Options struct {
	MaxObject int64 // largest object in bytes: providers.DefaultMaxObject
	Parallel  int   // sensible concurrent calls: 16
}

// Store keeps its objects until the process ends. Several callers, playing several devices, may share one.
type Store struct {
	properties providers.Properties

	mutex   sync.RWMutex
	folders map[string]map[string][]byte // by the name's first part, so that listing one container looks at that only
}

// New returns an empty store.
func New(options *Options) *Store {
	p := providers.Properties{
		Kind: Kind, Durable: true, CurrentListings: true, Deletes: true,
		MaxObject: providers.DefaultMaxObject, Parallel: 16,
	}
	if options != nil && options.MaxObject > 0 {
		p.MaxObject = options.MaxObject
	}
	if options != nil && options.Parallel > 0 {
		p.Parallel = options.Parallel
	}
	return &Store{properties: p, folders: make(map[string]map[string][]byte)}
}

// Put implements providers.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := begin(ctx, "put", name); err != nil {
		return err
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("memory: put %s: %w", name, providers.ErrTooLarge)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	folder, _, _ := strings.Cut(name, "/")
	if s.folders[folder] == nil {
		s.folders[folder] = make(map[string][]byte)
	}
	s.folders[folder][name] = bytes.Clone(data)
	return nil
}

// Get implements providers.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	if err := begin(ctx, "get", name); err != nil {
		return nil, err
	}
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	folder, _, _ := strings.Cut(name, "/")
	data, ok := s.folders[folder][name]
	if !ok {
		return nil, fmt.Errorf("memory: get %s: %w", name, providers.ErrNotFound)
	}
	return append([]byte{}, data...), nil
}

// GetRange implements providers.Store.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, err
	}
	data, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	offset = min(offset, int64(len(data)))
	return data[offset : offset+min(length, int64(len(data))-offset)], nil
}

// List implements providers.Store; what it yields is the state at the loop's begin.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if err := providers.ValidatePrefix(prefix); err != nil {
			yield(providers.Object{}, err)
			return
		}
		for _, object := range s.snapshot(prefix) {
			if err := ctx.Err(); err != nil {
				yield(providers.Object{}, fmt.Errorf("memory: list: %w", err))
				return
			}
			if !yield(object, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(providers.Object{}, fmt.Errorf("memory: list: %w", err))
		}
	}
}

func (s *Store) snapshot(prefix string) []providers.Object {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	var found []providers.Object
	collect := func(objects map[string][]byte) {
		for name, data := range objects {
			if strings.HasPrefix(name, prefix) {
				found = append(found, providers.Object{Name: name, Size: int64(len(data))})
			}
		}
	}
	if folder, _, one := strings.Cut(prefix, "/"); one {
		collect(s.folders[folder])
		return found
	}
	for _, objects := range s.folders {
		collect(objects)
	}
	return found
}

// Delete implements providers.Store.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := begin(ctx, "delete", name); err != nil {
			return err
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, name := range names {
		folder, _, _ := strings.Cut(name, "/")
		delete(s.folders[folder], name)
		if len(s.folders[folder]) == 0 {
			delete(s.folders, folder)
		}
	}
	return nil
}

// Properties implements providers.Store.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store. The objects stay, so that a test can go on with the store of a stopped device.
func (s *Store) Close() error { return nil }

func begin(ctx context.Context, operation, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %s: %w", operation, err)
	}
	return providers.ValidateName(name)
}
