//go:build !linux && !darwin

package watch

import "context"

// Desktop shows nothing on this system: notice.command can.
type Desktop struct {
	Environ []string // of the agent
}

// Notify implements Notifier: it is ErrNoDesktop.
func (*Desktop) Notify(context.Context, Notice) error { return ErrNoDesktop }
