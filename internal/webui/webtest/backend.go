package webtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Backend is an agent that holds what a test puts into it. It is safe for concurrent use; what is exported is changed through
// [Backend.Change] once a server answers from it.
type Backend struct {
	mu       sync.Mutex
	Accounts []*Account
	Feed     *activity.Log
	Time     time.Time // what its clock shows; it stands
	Limits   []api.Limit
}

// NewBackend makes an agent with these accounts, whose clock shows what the browser's shows.
func NewBackend(accounts ...*Account) *Backend {
	b := &Backend{Accounts: accounts, Time: time.Now()}
	b.Feed = activity.New(500, b.Now)
	for _, a := range accounts {
		a.backend = b
	}
	return b
}

// Now is the agent's clock.
func (b *Backend) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Time
}

// Change changes something while nobody else looks.
func (b *Backend) Change(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// Account finds an account by its name.
func (b *Backend) Account(name string) (api.Account, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == "" && len(b.Accounts) == 1 {
		name = b.Accounts[0].State.Name
	}
	i := slices.IndexFunc(b.Accounts, func(a *Account) bool { return a.State.Name == name })
	switch {
	case i < 0:
		return nil, fmt.Errorf("webtest: %w", api.ErrNoAccount)
	case !b.Accounts[i].State.Open:
		return nil, fmt.Errorf("webtest: %w: %s", api.ErrNotReady, b.Accounts[i].State.Reason)
	}
	return b.Accounts[i], nil
}

// Status tells about all accounts.
func (b *Backend) Status() api.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	status := api.Status{Version: "1.2.3", PID: 4711, Started: b.Time.Add(-26 * time.Hour), Limits: b.Limits}
	for _, a := range b.Accounts {
		status.Accounts = append(status.Accounts, a.State)
	}
	return status
}

// Activity is the agent's feed.
func (b *Backend) Activity() *activity.Log { return b.Feed }

// Account is an account that answers from what it holds. What it lacks of [api.Account] is not to be called.
type Account struct {
	api.Account
	backend *Backend

	State    api.AccountStatus
	Talks    []engine.Conversation
	Messaged map[string][]container.Envelope // by contact, oldest first
	Away     map[string]int64                // by contact: what is older than this is at the place alone
	Slow     chan struct{}                   // the place answers once it is closed; nil: at once
	// PlaceFails is what the place answers.
	PlaceFails error
	Fail       error             // what every call ends with
	Asked      []string          // which calls came
	Hang       chan struct{}     // long calls wait until it is closed; nil: they don't
	Steps      []engine.Progress // what long calls report first
}

// called notes a call.
func (a *Account) called(format string, values ...any) error {
	a.backend.mu.Lock()
	defer a.backend.mu.Unlock()
	a.Asked = append(a.Asked, fmt.Sprintf(format, values...))
	return a.Fail
}

// Calls are those that came so far.
func (a *Account) Calls() []string {
	a.backend.mu.Lock()
	defer a.backend.mu.Unlock()
	return slices.Clone(a.Asked)
}

// Status tells how the account is.
func (a *Account) Status(context.Context) (api.AccountStatus, error) {
	a.backend.mu.Lock()
	defer a.backend.mu.Unlock()
	return a.State, nil
}

// Conversations lists the account's conversations.
func (a *Account) Conversations(context.Context) ([]engine.Conversation, error) {
	err := a.called("conversations")
	return a.talks(), err
}

// talks are the conversations there are now.
func (a *Account) talks() []engine.Conversation {
	a.backend.mu.Lock()
	defer a.backend.mu.Unlock()
	return slices.Clone(a.Talks)
}

// Messages answers with a range of one conversation.
func (a *Account) Messages(_ context.Context, contact string, r engine.Range) (page engine.Page, err error) {
	if err := a.called("messages %q %+v", contact, r); err != nil {
		return page, err
	}
	records, _ := a.snapshot(contact)
	for _, m := range records {
		if m.Timestamp >= r.From && (r.To == 0 || m.Timestamp < r.To) {
			page.Messages = append(page.Messages, m)
		}
	}
	if extra := len(page.Messages) - r.Last; r.Last > 0 && extra > 0 {
		page.Messages = page.Messages[extra:]
	}
	return page, nil
}

// work is a long call: it reports its steps, waits while Hang is open, and is a job of the feed all the while.
func (a *Account) work(ctx context.Context, kind, text string, progress func(engine.Progress)) error {
	err := a.called("%s", kind)
	job := a.backend.Feed.Start(a.State.Name, kind, text)
	for _, step := range a.Steps {
		job.Progress(step.Step, step.Done, step.Total, step.Unit)
		if progress != nil {
			progress(step)
		}
	}
	if a.Hang != nil {
		select {
		case <-a.Hang:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	job.End(err)
	return err
}

// Sync is a pass.
func (a *Account) Sync(ctx context.Context, _ engine.Work, progress func(engine.Progress)) (engine.Report, error) {
	return engine.Report{}, a.work(ctx, activity.JobSync, "A pass that you asked for", progress)
}

// Verify is a check of the place.
func (a *Account) Verify(ctx context.Context, _ engine.VerifyOptions, progress func(engine.Progress)) (engine.Verification, error) {
	return engine.Verification{}, a.work(ctx, activity.JobVerify, "Verifying what is at the place", progress)
}

// Pause pauses or resumes.
func (a *Account) Pause(_ context.Context, paused bool) error {
	err := a.called("pause %v", paused)
	a.backend.Change(func() { a.State.Paused = paused })
	a.backend.Feed.Note(activity.Event{Account: a.State.Name, Kind: activity.KindStatus, Text: "The account was paused or resumed."})
	return err
}

// Hide hides or shows a conversation.
func (a *Account) Hide(_ context.Context, contact string, hidden bool) error {
	err := a.called("hide %q %v", contact, hidden)
	a.backend.Change(func() {
		for i := range a.Talks {
			if a.Talks[i].Contact == contact {
				a.Talks[i].Hidden = hidden
			}
		}
	})
	return err
}
