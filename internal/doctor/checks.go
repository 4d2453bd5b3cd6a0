package doctor

import (
	"context"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/watch"
	"github.com/dm3sync/dm3sync/providers"
)

// Surroundings are what the checks look at, and through. Everything is required
// unless it says otherwise.
type Surroundings struct {
	File    string         // the configuration's path
	Config  *config.Config // nil when it can't be loaded
	Failure error          // why it can't
	Environ []string
	Version string // of this program
	Build   Build  // likewise
	// Credstore is the folder from which the machine's unit takes credentials.
	Credstore string
	Now       func() time.Time

	// Agent asks the running agent; the error matches api.ErrNoAgent where none runs.
	Agent func(ctx context.Context) (api.Status, error)
	// Holder is the process that holds the data folder's lock; 0: none that is known.
	Holder func() int
	// Open opens an account here, asks for its status and closes it, without a look at
	// its place; the error matches ErrNoFolder where there is nothing. It is only called
	// when no agent runs.
	Open func(ctx context.Context, account config.Account) (api.AccountStatus, error)
	// Unlock reads an account's secret.
	Unlock func(ctx context.Context, account config.Account) error
	// Place opens the place of an account, or of the mirror that stands for it.
	Place func(ctx context.Context, account config.Account) (providers.Store, error)
	// NodeKeys compares the keys that a service of the account's node knows with the account's own: nil where they are the
	// same, ErrNoKeys, ErrOtherKeys.
	NodeKeys func(ctx context.Context, account config.Account, address string) error
	// Keyring asks the system's keyring for something that is not there.
	Keyring func(ctx context.Context) error
	// Advice is a sentence for an error that has a way out; empty else.
	Advice func(err error) string
	// Kept reads what the agent noted of its heartbeats; may be nil.
	Kept func() (*watch.Kept, error)
	// Service says how dm3sync is installed as a service; may be nil: nobody knows.
	Service func(ctx context.Context) Finding
	// Disk looks at the file system of a folder.
	Disk func(path string) (Disk, error)
	// Limits are the system's; see SystemLimits.
	Limits func() Limits
	// Probe asks servers; see the function of that name.
	Probe Prober
}

// Checks are all that can be looked at, in the order in which people want to read.
func Checks(s *Surroundings) []Check {
	checks := []Check{
		{Name: "program", Look: s.versions},
		{Name: "configuration", Look: s.configuration},
		{Name: "environment", Look: s.environment},
		{Name: "clock", Look: s.clock},
		{Name: "limits", Look: s.limits},
		{Name: "keyring", Look: s.keyring},
	}
	if s.Service != nil {
		checks = append(checks, Check{Name: "service", Look: func(ctx context.Context) []Finding { return []Finding{s.Service(ctx)} }})
	}
	if s.Config == nil {
		return checks
	}
	agent := s.askOnce()
	checks = append(checks,
		Check{Name: "data folder", Look: s.dataFolder},
		Check{Name: "agent", Look: func(ctx context.Context) []Finding { return s.agent(agent(ctx)) }},
		Check{Name: "heartbeat", Look: s.heartbeats})
	for i := range s.Config.Accounts {
		account := s.Config.Accounts[i]
		add := func(name string, look func(ctx context.Context) []Finding) {
			checks = append(checks, Check{Name: name, Account: account.Name, Look: look})
		}
		add("secret", func(ctx context.Context) []Finding { return s.secret(ctx, account) })
		add("account", func(ctx context.Context) []Finding { return s.account(ctx, account, agent) })
		for _, place := range s.placesOf(account) {
			add(place.name, func(ctx context.Context) []Finding { return s.place(ctx, place) })
		}
		if account.Node.InUse() {
			add("dm3 node", func(ctx context.Context) []Finding { return s.node(ctx, account) })
		}
		if account.Spool != "" {
			add("spool", func(context.Context) []Finding { return s.spool(account.Spool) })
		}
	}
	return checks
}
