package api

import (
	"context"
	"io"
	"time"

	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Account returns one account of the agent as an [Account], so that callers
// need not know where it is open. An unknown name shows with the first call.
// Its Append does not call AppendOptions.Rejected: the summary's list is all
// that is known about rejected lines on this side.
func (c *Client) Account(name string) Account { return remote{c, name} }

type remote struct {
	client *Client
	name   string
}

func (r remote) Append(ctx context.Context, source io.Reader, o history.AppendOptions) (history.Summary, error) {
	return r.client.Append(ctx, r.name, o.Contact, source)
}

func (r remote) Status(ctx context.Context) (AccountStatus, error) {
	status, err := r.client.Status(ctx)
	if err != nil {
		return AccountStatus{}, err
	}
	for _, account := range status.Accounts {
		if account.Name == r.name || r.name == "" && len(status.Accounts) == 1 {
			return account, nil
		}
	}
	return AccountStatus{}, ErrNoAccount
}

func (r remote) Sync(ctx context.Context, w engine.Work, progress func(engine.Progress)) (engine.Report, error) {
	return r.client.Sync(ctx, r.name, w, progress)
}

func (r remote) Delete(ctx context.Context, s history.Selection) (history.Deletion, error) {
	return r.client.Delete(ctx, r.name, s)
}

func (r remote) Hide(ctx context.Context, contact string, hidden bool) error {
	return r.client.Hide(ctx, r.name, contact, hidden)
}

func (r remote) Conversations(ctx context.Context) ([]engine.Conversation, error) {
	return r.client.Conversations(ctx, r.name)
}

func (r remote) Messages(ctx context.Context, contact string, wanted engine.Range) (engine.Page, error) {
	return r.client.Messages(ctx, r.name, contact, wanted)
}

func (r remote) Verify(ctx context.Context, o engine.VerifyOptions, progress func(engine.Progress)) (engine.Verification, error) {
	return r.client.Verify(ctx, r.name, o, progress)
}

func (r remote) Forget(ctx context.Context) error { return r.client.Forget(ctx, r.name) }

// PauseFor implements TimedPauser.
func (r remote) PauseFor(ctx context.Context, wait time.Duration) (time.Time, error) {
	return r.client.PauseFor(ctx, r.name, wait)
}

func (r remote) Pause(ctx context.Context, paused bool) error {
	return r.client.Pause(ctx, r.name, paused)
}
