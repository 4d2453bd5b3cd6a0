package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/providers"
)

const (
	// placeEvery is how often a running agent asks a place for its room.
	placeEvery = time.Hour
	// placeWait bounds the asking.
	placeWait = 10 * time.Second
)

// AskPlace asks the place for its room, and whether it will go on working: for the next
// status. A place that does not tell is no error.
func (a *Account) AskPlace(ctx context.Context) error {
	a.askWarning(ctx)
	return a.askSpace(ctx)
}

// askSpace keeps the place's room for the next status.
func (a *Account) askSpace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	space, err := providers.SpaceOf(ctx, a.store)
	if err != nil {
		return fmt.Errorf("agent: asking for the space at the place: %w", err)
	}
	a.space.Store(&api.Space{Used: space.Used, Left: space.Left(), Asked: a.now().Round(0)})
	return nil
}

// knownSpace is what the place told last, nil when it told nothing.
func (a *Account) knownSpace() *api.Space {
	space := a.space.Load()
	if space == nil || space.Used < 0 && space.Left < 0 {
		return nil
	}
	return space
}

// askWarning keeps what the place warns of for the next status.
func (a *Account) askWarning(ctx context.Context) (changed bool, warning string) {
	warning = a.store.Warning(ctx, a.now())
	before := a.warning.Swap(&warning)
	return before == nil && warning != "" || before != nil && *before != warning, warning
}

// lastWarning is what the place warned of last.
func (a *Account) lastWarning() string {
	if warning := a.warning.Load(); warning != nil {
		return *warning
	}
	return ""
}

// askPlace asks for the room now and then, after a pass that succeeded; at once where the
// place says that it is full, or is no more. The room is only for show, so that a failure
// is no more than noted. What the place warns of costs no request, and is asked after
// every pass that succeeded or was refused; it is logged once.
func (r *runner) askPlace(ctx context.Context, failed error) {
	// What was told before the place was full, or while it was, is no longer true.
	full := errors.Is(failed, providers.ErrQuota)
	due := full && !r.full || failed == nil && (r.full || r.asked.IsZero() || r.options.Now().Sub(r.asked) >= placeEvery)
	if full || failed == nil {
		r.full = full
	}
	if failed == nil || due || errors.Is(failed, providers.ErrUnauthorised) || r.account.lastWarning() != "" {
		if changed, warning := r.account.askWarning(ctx); changed && warning != "" {
			r.log.Warn(warning)
		} else if changed {
			r.log.Info("what the place warned of is over")
		}
	}
	if !due {
		return
	}
	r.asked = r.options.Now() // a place that can't tell is asked no more often
	if err := r.account.askSpace(ctx); err != nil {
		r.log.Debug("the place did not tell its space", "error", err)
	}
}

// warningOf is what a place warns of: that its login ends, see [login.Login], or that it
// can't do what it should in the background, see [ipfs.Store.Warning].
func warningOf(store providers.Store, now time.Time) string {
	if warner, ok := store.(interface{ Warning(now time.Time) string }); ok {
		return warner.Warning(now)
	}
	return ""
}

// Warning is what the place warns of; "" where there is nothing, or the store can't be
// opened now.
func (l *lazyStore) Warning(ctx context.Context, now time.Time) string {
	store, err := l.get(ctx)
	if err != nil {
		return ""
	}
	return warningOf(store, now)
}

// Space implements [providers.Spacer].
func (l *lazyStore) Space(ctx context.Context) (providers.Space, error) {
	store, err := l.get(ctx)
	if err != nil {
		return providers.Space{Used: -1, Total: -1}, err
	}
	return providers.SpaceOf(ctx, store)
}
