package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/dm3sync/dm3sync/internal/api"
)

const (
	notifyReady    = daemon.SdNotifyReady
	notifyStopping = daemon.SdNotifyStopping
	notifyAlive    = daemon.SdNotifyWatchdog

	// reportEvery is how often the state is looked at without a watchdog.
	reportEvery = 30 * time.Second
)

// notify tells systemd; outside of it nothing happens. Only NOTIFY_SOCKET
// decides, so this works in any service manager of that protocol.
func notify(state string) { _, _ = daemon.SdNotify(false, state) } // nobody else to tell

// report tells systemd that the agent is ready, then regularly that it is alive
// and how it is, and logs accounts that become stuck. Alive means that every
// account's status can be had: a deadlock ends the reports, and systemd restarts
// the agent, which is safe at any time. A provider that does not answer does not.
func (a *Agent) report(ctx context.Context) {
	every := reportEvery
	if limit, err := daemon.SdWatchdogEnabled(false); err == nil && limit > 0 {
		every = min(every, limit/2)
	}
	notify(notifyReady)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		notify(notifyAlive + "\nSTATUS=" + a.summary())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// summary is the agent's state in a line, without names.
func (a *Agent) summary() string {
	var pending, stuck, closed int
	runners := a.all()
	for _, r := range runners {
		status := r.observe()
		pending += status.Pending
		stuck += count(status.Stuck)
		closed += count(!status.Open)
	}
	return fmt.Sprintf("%d accounts, %d messages waiting, %d accounts stuck, %d not open", len(runners), pending, stuck, closed)
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

var _ api.Backend = (*Agent)(nil)
