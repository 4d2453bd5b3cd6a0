package agent

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// reloadWait is how long a reload may keep systemd waiting; what is not done by then goes on by itself.
const reloadWait = time.Minute

// reloadWhenAsked reads the configuration again for each value of Options.Hangup, until
// ctx ends. A configuration that is wrong changes nothing, and the log says what is wrong.
func (a *Agent) reloadWhenAsked(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.options.Hangup:
		}
		notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
		a.log.Info("reading the configuration again")
		within, cancel := context.WithTimeout(ctx, reloadWait)
		if err := a.Reload(within); err != nil {
			a.log.Error("the configuration was not taken: the agent goes on as before", "error", err)
		} else {
			a.log.Info("the configuration is in force")
		}
		cancel()
		notify(notifyReady)
	}
}
