package watch

import (
	"context"
	"fmt"
	"os/exec"
)

// Desktop shows notices through osascript. It is safe for concurrent use.
type Desktop struct {
	Environ []string // of the agent
}

// script takes the texts as arguments, so that they are never program.
const script = `on run texts
display notification (item 2 of texts) with title "` + appName + `" subtitle (item 1 of texts)
end run`

// Notify implements Notifier.
func (d *Desktop) Notify(ctx context.Context, n Notice) error {
	command := exec.CommandContext(ctx, "/usr/bin/osascript", "-e", script, "--", n.Title, n.Text)
	command.Env = d.Environ
	if err := command.Run(); err != nil {
		return fmt.Errorf("watch: showing a notice on the desktop: %w", err)
	}
	return nil
}
