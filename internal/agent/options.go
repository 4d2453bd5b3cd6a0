package agent

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/limits"
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
	// Activity is told what happens and how far long work is; nil: a feed that nobody
	// reads.
	Activity *activity.Log
	// Attempts is how often a provider call that fails for the moment is made
	// in all; 0 takes the default of [providers.Retry], for those who can wait.
	Attempts int
	// Now is the wall clock, for display and for waiting only; nil is time.Now.
	Now func() time.Time
	// Up and Down bound the bytes a second of several accounts together; nil is no bound.
	Up, Down *providers.Pace
	// Frugal keeps passes from fetching ahead while it says so; nil never does.
	Frugal func() bool
	// Room tells why nothing can be appended now; nil: always something can.
	Room func() error
	// Open opens the provider; nil is [OpenProvider]. Tests put doubles here.
	Open func(ctx context.Context, account config.Account) (providers.Store, error)
	// Unlock returns the account's storage key; nil reads it through package
	// keyring.
	Unlock func(ctx context.Context, account config.Account) ([32]byte, error)
}

// activityEvents is how many events the feed keeps: days of an ordinary account,
// and little memory.
const activityEvents = 2000

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
	if o.Activity == nil {
		o.Activity = activity.New(activityEvents, o.Now)
	}
	if o.Open == nil {
		o.Open = func(ctx context.Context, account config.Account) (providers.Store, error) {
			return OpenProvider(ctx, account, PlaceOptions{
				Config: o.Config, Warn: o.Warn, Log: o.Log,
				Unlock: func() ([32]byte, error) { return o.Unlock(ctx, account) },
			})
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
	AccountOptions // Config, Progress, Warm, Up, Down, Frugal and Room are set by the agent
	// Version is told by the status.
	Version string
	// Load reads the configuration again, for Reload; nil: a change of it needs a
	// restart.
	Load func() (*config.Config, error)
	// File is the configuration's file, where the page writes accounts that are set up there; it
	// need not be there yet. Empty: the page sets nothing up. Environ is what counts beside it,
	// nil is os.Environ, and Vault where secrets can be kept, nil is the system's keyring.
	// With a nil Environ, notices do not appear on a desktop.
	File    string
	Environ []string
	Vault   keyring.Vault
	// Hangup asks for a Reload with each value, as SIGHUP does; nil never does.
	Hangup <-chan os.Signal
	// Machine answers what the [limits] ask; nil is this machine.
	Machine limits.Machine
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
	if o.Machine == nil {
		o.Machine = limits.System{}
	}
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
