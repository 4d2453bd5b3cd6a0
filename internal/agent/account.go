package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Client is a connection to a running agent; see [api.Client].
type Client = api.Client

// Dial connects to the agent that listens on socket (config.Config.Socket, or
// the data folder that holds it), and proves that one listens: else the error
// matches [api.ErrNoAgent].
func Dial(socket string) (*Client, error) { return api.Dial(socket) }

var _ api.Account = (*Account)(nil)

// Account is one open account. It is safe for concurrent use until Close.
type Account struct {
	name     string
	config   config.Account
	cache    *cache.Cache
	store    *lazyStore
	counter  *providers.Counter
	engine   *engine.Engine
	history  *history.History
	progress listeners
	movement movement
	now      func() time.Time
	log      *slog.Logger

	appended atomic.Pointer[func()] // told after every durable append
}

// OpenAccount opens one account in this process: its cache (locked, see
// [cache.ErrInUse]), secret, provider and engine. It waits only a moment for the
// provider: one that cannot be opened is an error of the operations that need
// it, and everything local works. The caller closes the account.
func OpenAccount(ctx context.Context, account config.Account, o AccountOptions) (*Account, error) {
	o = o.withDefaults()
	key, err := o.Unlock(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("agent: unlocking the account: %w", err)
	}
	sealer, root, err := keys(key, account)
	if err != nil {
		return nil, fmt.Errorf("agent: preparing keys: %w", err)
	}
	local, err := cache.Open(o.Config.Folder(&account), cache.Options{
		BlobBudget:   int64(o.Config.Cache.BlobBudget),
		JournalLimit: int64(o.Config.Cache.JournalLimit),
	})
	if err != nil {
		return nil, fmt.Errorf("agent: opening the cache: %w", err)
	}
	a := &Account{name: account.Name, config: account, cache: local, log: o.Log, now: o.Now}
	a.store = newLazyStore(account.Provider, func(ctx context.Context) (providers.Store, error) { return o.Open(ctx, account) })
	a.counter = providers.Count(a.store)
	a.store.tryOpening(ctx)
	if err := a.openEngine(ctx, sealer, root, o); err != nil {
		return nil, errors.Join(err, a.store.Close(), local.Close())
	}
	a.history = history.New(notifyingEngine{a.engine, a}, append([]string{account.Name}, account.Aliases...))
	return a, nil
}

// keys derives what the engine works with from the storage key.
func keys(key [32]byte, account config.Account) (*seal.Sealer, container.Key, error) {
	sealer, err := seal.New(key, &seal.Options{NoCompression: account.NoCompression, DM3: account.Seal == "dm3"})
	if err != nil {
		return nil, "", err
	}
	signature, err := identity.FromStorageKey(key).RootSignature(account.Name)
	if err != nil {
		return nil, "", err
	}
	return sealer, container.RootKey(signature), nil
}

func (a *Account) openEngine(ctx context.Context, sealer *seal.Sealer, root container.Key, o AccountOptions) error {
	a.progress.add(func(engine.Progress) { a.movement.note(o.Now()) })
	if o.Progress != nil {
		a.progress.add(o.Progress)
	}
	e, err := engine.Open(ctx, engine.Options{
		Account:     a.name,
		Root:        root,
		Sealer:      sealer,
		Store:       decorate(a.counter, a.config.Provider, o.Attempts, a.log),
		Cache:       a.cache,
		ChunkLimit:  int(a.config.ChunkSize),
		DeleteGrace: a.config.Grace(),
		Now:         o.Now,
		Log:         a.log,
		Progress:    a.progress.tell,
		Warm:        o.Warm,
		Neighbours:  min(int(o.Warm), 1),
	})
	if err != nil {
		return fmt.Errorf("agent: opening the engine: %w", err)
	}
	a.engine = e
	return nil
}

// Append takes NDJSON; see [history.History.Append].
func (a *Account) Append(ctx context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error) {
	return a.history.Append(ctx, r, o)
}

// Sync runs one pass, cancelled when nothing moves for a long time; progress
// may be nil.
func (a *Account) Sync(ctx context.Context, w engine.Work, progress func(engine.Progress)) (report engine.Report, err error) {
	a.movement.begin(a.now())
	defer func() { a.movement.end(a.now(), report) }()
	err = a.guarded(ctx, progress, func(ctx context.Context) (err error) {
		report, err = a.engine.Pass(ctx, w)
		return err
	})
	return report, err
}

// Delete deletes messages for ever; see [history.History.Delete].
func (a *Account) Delete(ctx context.Context, s history.Selection) (history.Deletion, error) {
	return a.history.Delete(ctx, s)
}

// Hide hides a conversation on all devices (true), or shows it again.
func (a *Account) Hide(ctx context.Context, contact string, hidden bool) error {
	return a.history.Hide(ctx, contact, hidden)
}

// Conversations lists what is known locally.
func (a *Account) Conversations(ctx context.Context) ([]engine.Conversation, error) {
	return a.history.Conversations(ctx)
}

// Messages returns a range of one conversation.
func (a *Account) Messages(ctx context.Context, contact string, r engine.Range) (engine.Page, error) {
	return a.history.Page(ctx, contact, r)
}

// Verify checks what is at the provider; progress may be nil.
func (a *Account) Verify(ctx context.Context, o engine.VerifyOptions, progress func(engine.Progress)) (v engine.Verification, err error) {
	err = a.guarded(ctx, progress, func(ctx context.Context) (err error) {
		v, err = a.engine.Verify(ctx, o)
		return err
	})
	return v, err
}

// Forget starts anew with the provider; see [engine.Engine.Forget].
func (a *Account) Forget(ctx context.Context) error { return a.engine.Forget(ctx) }

// Status never waits for the provider, and returns no error.
func (a *Account) Status(context.Context) (api.AccountStatus, error) {
	return api.AccountStatus{
		Status:   a.engine.Status(),
		Name:     a.name,
		Open:     true,
		Provider: a.config.Provider.Kind,
		Traffic:  a.counter.Counts(),
	}, nil
}

// Pause does nothing: outside a running agent, passes run only when asked for.
func (a *Account) Pause(context.Context, bool) error { return nil }

// Counts are the requests and bytes since the account was opened.
func (a *Account) Counts() providers.Counts { return a.counter.Counts() }

// Close waits for operations under way and lets everything go. What the
// provider has not confirmed stays in the journal.
func (a *Account) Close() error {
	return errors.Join(a.engine.Close(), a.store.Close(), a.cache.Close())
}

// onAppend sets what is told after every durable append.
func (a *Account) onAppend(f func()) { a.appended.Store(&f) }

// notifyingEngine is the engine as history sees it: the schedule hears of every
// batch, not only of the end of a long append.
type notifyingEngine struct {
	*engine.Engine
	account *Account
}

func (n notifyingEngine) Append(ctx context.Context, items ...engine.Item) error {
	return n.notify(n.Engine.Append(ctx, items...))
}

func (n notifyingEngine) Remove(ctx context.Context, contact string, tombstones ...container.Tombstone) error {
	return n.notify(n.Engine.Remove(ctx, contact, tombstones...))
}

func (n notifyingEngine) Hide(ctx context.Context, contact string, hidden bool) error {
	return n.notify(n.Engine.Hide(ctx, contact, hidden))
}

// notify tells of something durable, unless it failed.
func (n notifyingEngine) notify(err error) error {
	if f := n.account.appended.Load(); f != nil && err == nil {
		(*f)()
	}
	return err
}
