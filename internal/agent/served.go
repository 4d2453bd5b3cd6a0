package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
)

// served is an account as the socket shows it: the account, with what the
// runner knows and decides.
type served struct {
	*Account
	runner *runner
}

// ready is the account, once it is open. Just after the agent's start it waits
// for a moment, so that a command that comes right then is served.
func (r *runner) ready() (api.Account, error) {
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-r.tried:
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.account == nil {
		return nil, fmt.Errorf("agent: %w: %s", api.ErrNotReady, r.reason)
	}
	return served{r.account, r}, nil
}

// Status implements api.Account.
func (s served) Status(context.Context) (api.AccountStatus, error) { return s.runner.status(), nil }
