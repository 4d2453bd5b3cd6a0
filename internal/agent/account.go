package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
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
	name        string
	config      config.Account
	cache       *cache.Cache
	store       *lazyStore
	counter     *providers.Counter
	engine      *engine.Engine
	history     *history.History
	attachments *attachments.Store // what messages refer to and was fetched
	progress    listeners
	movement    movement
	mirrors     []*mirrored
	mirroring   listeners
	now         func() time.Time
	room        func() error // why nothing can be appended now; nil: never
	log         *slog.Logger
	feed        *feed

	passes, failed atomic.Int64 // of passes: all, and those that failed

	appended atomic.Pointer[func()] // told after every durable append
	space    atomic.Pointer[api.Space]
	warning  atomic.Pointer[string] // what it said last

	bridge *bridge.Bridge         // to the dm3 node; nil without one
	kick   atomic.Pointer[func()] // asks for a pass; nil outside a running agent
	nodeMu sync.Mutex
	node   api.NodeStatus // under nodeMu

	searching searching
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
	if err := checkOwner(local, sealer, o.Config.Folder(&account)); err != nil {
		return nil, errors.Join(err, local.Close())
	}
	a := &Account{name: account.Name, config: account, cache: local, log: o.Log, now: o.Now, room: o.Room}
	a.store = newLazyStore(account.Provider, func(ctx context.Context) (providers.Store, error) { return o.Open(ctx, account) })
	a.counter = providers.Count(a.store)
	a.store.tryOpening(ctx)
	primary := decorate(a.counter, a.config.Provider, &o)
	if err := a.openEngine(ctx, sealer, root, primary, o); err != nil {
		return nil, errors.Join(err, a.store.Close(), local.Close())
	}
	if err := a.openMirrors(o, sealer, primary); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.feed = newFeed(o.Activity, account.Name, a.engine)
	a.history = history.New(notifyingEngine{a.engine, a}, append([]string{account.Name}, account.Aliases...))
	if err := a.openBridge(key, o.Now); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if err := a.prepareSearch(key, o); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if err := a.openAttachments(key, o.Config.Folder(&account)); err != nil {
		return nil, errors.Join(err, a.Close())
	}
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

func (a *Account) openEngine(ctx context.Context, sealer *seal.Sealer, root container.Key, primary providers.Store, o AccountOptions) error {
	a.progress.add(func(engine.Progress) { a.movement.note(o.Now()) })
	if o.Progress != nil {
		a.progress.add(o.Progress)
	}
	e, err := engine.Open(ctx, engine.Options{
		Account:     a.name,
		Root:        root,
		Sealer:      sealer,
		Store:       primary,
		Cache:       a.cache,
		ChunkLimit:  int(a.config.ChunkSize),
		DeleteGrace: a.config.Grace(),
		Now:         o.Now,
		Log:         a.log,
		Progress:    a.progress.tell,
		Warm:        o.Warm,
		Frugal:      o.Frugal,
		Neighbours:  min(int(o.Warm), 1),
	})
	if err != nil {
		return fmt.Errorf("agent: opening the engine: %w", err)
	}
	a.engine = e
	return nil
}

// Append takes NDJSON; see [history.History.Append].
func (a *Account) Append(ctx context.Context, r io.Reader, o history.AppendOptions) (summary history.Summary, err error) {
	work := a.mayBeLong(activity.JobImport, "Appending messages", nil)
	defer func() { work.end(err) }()
	return a.history.Append(ctx, &watchedReader{Reader: r, work: work}, o)
}

// Sync runs one pass, cancelled when nothing moves for a long time; progress
// may be nil.
func (a *Account) Sync(ctx context.Context, w engine.Work, progress func(engine.Progress)) (report engine.Report, err error) {
	a.movement.begin(a.now())
	defer func() { a.movement.end(a.now(), report) }()
	work := a.mayBeLong(activity.JobSync, "Syncing", progress)
	if w.Restore {
		work = a.job(activity.JobRepair, "Writing the place again from what is here", progress)
	}
	defer func() { work.end(err) }()
	defer func() { a.feed.passed(ctx, report, err) }()
	defer func() { a.countPass(err) }()
	var unfilled error
	if w.Restore {
		unfilled = a.refill(ctx)
	}
	err = a.guarded(ctx, work.progress, func(ctx context.Context) (err error) {
		report, err = a.engine.Pass(ctx, w)
		if err == nil && w.Scrub {
			err = a.recheckLeftovers(ctx)
		}
		return err
	})
	return report, errors.Join(err, unfilled)
}

// recheckLeftovers takes back what a scrub said of objects that a check wrote and has removed
// since: no catalogue ever named them.
func (a *Account) recheckLeftovers(ctx context.Context) error {
	left := slices.DeleteFunc(a.engine.Ailing(), func(object string) bool { return !providertest.IsLeftover(object) })
	if len(left) == 0 {
		return nil
	}
	return a.engine.Recheck(ctx, left...)
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

// Read returns a part of one conversation; see [history.History.Read].
func (a *Account) Read(ctx context.Context, contact string, o history.ReadOptions) (history.Slice, error) {
	slice, err := a.history.Read(ctx, contact, o)
	if slice.Fetched > 0 {
		a.searching.arrived()
	}
	return slice, err
}

// Message returns one message; see [history.History.Message].
func (a *Account) Message(ctx context.Context, contact string, hash container.MessageHash) (container.Envelope, error) {
	return a.history.Message(ctx, contact, hash)
}

// Stretches draws the time line of one conversation; see [engine.Engine.Stretches].
func (a *Account) Stretches(ctx context.Context, contact string) ([]engine.Stretch, error) {
	return a.history.Stretches(ctx, contact)
}

// Fetch brings a range of one conversation to this device; progress may be nil.
// See [engine.Engine.Fetch].
func (a *Account) Fetch(ctx context.Context, contact string, from, to int64, progress func(engine.Progress)) (err error) {
	work := a.job(activity.JobFetch, "Fetching a part of a conversation", progress)
	defer func() { work.end(err) }()
	defer a.searching.arrived()
	return a.history.Fetch(ctx, contact, from, to, work.progress)
}

// Verify checks what is at the provider; progress may be nil.
func (a *Account) Verify(ctx context.Context, o engine.VerifyOptions, progress func(engine.Progress)) (v engine.Verification, err error) {
	work := a.job(activity.JobVerify, "Verifying what is at the place", progress)
	defer func() { work.end(err) }()
	defer a.feed.noteProblems()
	err = a.guarded(ctx, work.progress, func(ctx context.Context) (err error) {
		v, err = a.engine.Verify(ctx, o)
		return err
	})
	return v, err
}

// Forget starts anew with the provider; see [engine.Engine.Forget].
func (a *Account) Forget(ctx context.Context) error { return a.engine.Forget(ctx) }

// Status never waits for the provider, and returns no error.
func (a *Account) Status(ctx context.Context) (api.AccountStatus, error) {
	status := a.engine.Status()
	status.Conversations, status.HiddenConversations = a.engine.Count(ctx, bridge.NotesContact) // as api.ForPeople lists them
	return api.AccountStatus{
		Status:   status,
		Name:     a.name,
		Aliases:  a.config.Aliases,
		Open:     true,
		Provider: a.config.Provider.Kind,
		Place:    a.config.Provider.Place(),
		Space:    a.knownSpace(),
		Warning:  a.lastWarning(),
		Node:     a.nodeStatus(),
		Traffic:  a.counter.Counts(),
		Mirrors:  a.mirrorStatus(),
	}, nil
}

// Pause does nothing: outside a running agent, passes run only when asked for.
func (a *Account) Pause(context.Context, bool) error { return nil }

// Counts are the requests and bytes since the account was opened.
func (a *Account) Counts() providers.Counts { return a.counter.Counts() }

// Close waits for operations under way and lets everything go. What the
// provider has not confirmed stays in the journal.
func (a *Account) Close() error {
	return errors.Join(a.closeSearch(), a.engine.Close(), a.store.Close(), a.closeMirrors(), a.cache.Close())
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
	if room := n.account.room; room != nil {
		if err := room(); err != nil {
			return err
		}
	}
	err := n.notify(n.Engine.Append(ctx, items...))
	if err == nil {
		n.account.feed.appended(items)
	}
	return err
}

func (n notifyingEngine) Remove(ctx context.Context, contact string, tombstones ...container.Tombstone) error {
	err := n.notify(n.Engine.Remove(ctx, contact, tombstones...))
	if err == nil {
		n.account.feed.removed(contact, tombstones)
	}
	return err
}

func (n notifyingEngine) Hide(ctx context.Context, contact string, hidden bool) error {
	err := n.notify(n.Engine.Hide(ctx, contact, hidden))
	if err == nil {
		n.account.feed.hid(contact, hidden)
	}
	return err
}

// notify tells of something durable, unless it failed.
func (n notifyingEngine) notify(err error) error {
	if f := n.account.appended.Load(); f != nil && err == nil {
		(*f)()
	}
	return err
}
