package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var _ api.Objects = (*Account)(nil)

// Inventory lists the objects in use; see [engine.Engine.Inventory].
func (a *Account) Inventory(context.Context) (engine.Inventory, error) {
	return a.engine.Inventory(), nil
}

// Object returns one of them; see [engine.Engine.Object].
func (a *Account) Object(ctx context.Context, name string, cached bool) ([]byte, error) {
	return a.engine.Object(ctx, name, cached)
}

// Lacking lists what is to be put back at the provider; see [engine.Engine.Lacking].
func (a *Account) Lacking(ctx context.Context, heads map[string][]byte) ([]string, error) {
	return a.engine.Lacking(ctx, heads)
}

// PutBack writes one object to the provider; see [engine.Engine.PutBack].
func (a *Account) PutBack(ctx context.Context, name string, sealed []byte) error {
	return a.engine.PutBack(ctx, name, sealed)
}

// fileCache bounds what the cache of an account on a file holds, in bytes: the file itself is near.
const fileCache = 64 << 20

// FileAccount is an account as a file of `dm3sync export` has it, see [OpenFile].
type FileAccount struct {
	*Account
	folder string
}

// OpenFile opens an account on a file in place of its provider, for reading, with a cache of its own that is removed by
// Close: neither the account's cache nor an agent is needed or disturbed. Nothing is ever written to the file; what the
// engine would mend there goes to memory. What is sealed with another key is an error that matches seal.ErrOtherKey where
// it is met; a file that holds nothing of the account is none.
func OpenFile(ctx context.Context, account config.Account, path string, o AccountOptions) (*FileAccount, error) {
	store, err := archive.Open(path, &archive.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("agent: opening %s: %w", path, err)
	}
	folder, err := os.MkdirTemp("", "dm3sync-file-")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("agent: making a folder for a cache: %w", err), store.Close())
	}
	own := *o.Config
	own.Data, own.Cache.BlobBudget, o.Config = folder, min(own.Cache.BlobBudget, fileCache), &own
	o.Open = func(context.Context, config.Account) (providers.Store, error) {
		return &scratch{Store: store, own: memory.New(nil)}, nil
	}
	account.Provider = config.Provider{Kind: config.KindFile, Path: path}
	opened, err := OpenAccount(ctx, account, o)
	if err != nil {
		return nil, errors.Join(err, store.Close(), os.RemoveAll(folder))
	}
	f := &FileAccount{opened, folder}
	if err := opened.engine.Look(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("agent: reading %s: %w", path, err), f.Close())
	}
	return f, nil
}

// Close closes the account and removes its cache.
func (f *FileAccount) Close() error {
	return errors.Join(f.Account.Close(), os.RemoveAll(f.folder))
}

// scratch is a store in which nothing is changed: what is put goes to memory and covers what is there, and nothing is
// removed.
type scratch struct {
	providers.Store
	own *memory.Store
}

// Put implements [providers.Store].
func (s *scratch) Put(ctx context.Context, name string, data []byte) error {
	return s.own.Put(ctx, name, data)
}

// Get implements [providers.Store].
func (s *scratch) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := s.own.Get(ctx, name)
	if errors.Is(err, providers.ErrNotFound) {
		return s.Store.Get(ctx, name)
	}
	return data, err
}

// GetRange implements [providers.Store].
func (s *scratch) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	data, err := s.own.GetRange(ctx, name, offset, length)
	if errors.Is(err, providers.ErrNotFound) {
		return s.Store.GetRange(ctx, name, offset, length)
	}
	return data, err
}

// List implements [providers.Store].
func (s *scratch) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		mine := make(map[string]bool)
		for object, err := range s.own.List(ctx, prefix) {
			mine[object.Name] = true
			if !yield(object, err) || err != nil {
				return
			}
		}
		for object, err := range s.Store.List(ctx, prefix) {
			if mine[object.Name] && err == nil {
				continue
			}
			if !yield(object, err) {
				return
			}
		}
	}
}

// Delete implements [providers.Store]: nothing is removed, as Properties says.
func (s *scratch) Delete(context.Context, ...string) error { return nil }

// Properties implements [providers.Store].
func (s *scratch) Properties() providers.Properties {
	p := s.Store.Properties()
	p.Deletes = false
	return p
}
