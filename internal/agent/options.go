package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// AccountOptions says how an account is opened. Config must be set, everything
// else has a default.
type AccountOptions struct {
	// Config is the whole configuration: folders and cache limits are taken
	// from it.
	Config *config.Config
	// Log gets structured records without plaintext or contacts; nil discards.
	Log *slog.Logger
	// Warn gets sentences about badly guarded secrets; nil logs them.
	Warn func(sentence string)
	// Progress is called from passes; may be nil.
	Progress func(engine.Progress)
	// Warm is how many bytes of recent chunks a full pass fetches ahead of any
	// reader; 0 is none. A running agent uses half of the cache's blob budget.
	Warm int64
	// Attempts is how often a provider call that fails for the moment is made
	// in all; 0 takes the default of [providers.Retry], for those who can wait.
	Attempts int
	// Now is the wall clock, for display and for waiting only; nil is time.Now.
	Now func() time.Time
	// Open opens the provider; nil is [OpenProvider]. Tests put doubles here.
	Open func(ctx context.Context, account config.Account) (providers.Store, error)
	// Unlock returns the account's storage key; nil reads it through package
	// keyring.
	Unlock func(ctx context.Context, account config.Account) ([32]byte, error)
}

func (o AccountOptions) withDefaults() AccountOptions {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Warn == nil {
		o.Warn = func(sentence string) { o.Log.Warn(sentence) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Open == nil {
		o.Open = func(ctx context.Context, account config.Account) (providers.Store, error) {
			return OpenProvider(ctx, account, o.Warn)
		}
	}
	if o.Unlock == nil {
		o.Unlock = func(_ context.Context, account config.Account) ([32]byte, error) {
			s := account.Secret
			return keyring.StorageKey(s.Source(), keyring.Form(s.Form), s.Nonce, &keyring.Options{Warn: o.Warn})
		}
	}
	return o
}

// Options says how an agent runs. The zero value is fine.
type Options struct {
	AccountOptions // Config, Progress and Warm are set by the agent
	// Version is told by the status.
	Version string
	// SpoolSettle is how long a spooled file must stand unchanged before it is
	// taken; default 1 s.
	SpoolSettle time.Duration
	// FlushWait bounds the last flush of each account at the stop; default 10 s.
	FlushWait time.Duration
	// StopWait bounds the whole stop, whatever hangs; default FlushWait and 5 s.
	StopWait time.Duration
}

func (o Options) withDefaults() Options {
	o.AccountOptions = o.AccountOptions.withDefaults()
	if o.SpoolSettle <= 0 {
		o.SpoolSettle = time.Second
	}
	if o.FlushWait <= 0 {
		o.FlushWait = 10 * time.Second
	}
	if o.StopWait <= 0 {
		o.StopWait = o.FlushWait + 5*time.Second
	}
	return o
}
