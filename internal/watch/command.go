package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// passedOn are the variables that a command gets from the agent: what programs need
// to find their way, and nothing that could be a secret.
var passedOn = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY",
	"SYSTEMROOT", "USERPROFILE", "TEMP", "APPDATA", "LOCALAPPDATA",
}

// commandGrace is how long a command that was ended may hold its output open.
const commandGrace = time.Second

// Command runs a program for every notice, without a shell. What people read, and
// names, come on its standard input and in variables, never as arguments.
type Command struct {
	Program []string // path and arguments
	Timeout time.Duration
	Environ []string // of the agent; only what is needed is passed on
}

// Notify implements Notifier: it returns when the program has ended, with an error
// when it failed or was ended at the timeout. What it writes is not kept.
func (c *Command) Notify(ctx context.Context, n Notice) error {
	document, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("watch: writing the notice: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	command := exec.CommandContext(ctx, c.Program[0], c.Program[1:]...)
	command.Stdin = bytes.NewReader(append(document, '\n'))
	command.Env = c.environ(n)
	command.WaitDelay = commandGrace
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("watch: notice.command: %w", err)
	}
	return nil
}

func (c *Command) environ(n Notice) []string {
	var list []string
	for _, entry := range c.Environ {
		name, _, _ := strings.Cut(entry, "=")
		for _, wanted := range passedOn {
			if strings.EqualFold(name, wanted) {
				list = append(list, entry)
			}
		}
	}
	return append(list,
		"DM3SYNC_NOTICE_ACCOUNT="+n.Account, "DM3SYNC_NOTICE_CAUSE="+string(n.Cause), "DM3SYNC_NOTICE_OVER="+strconv.FormatBool(n.Over),
		"DM3SYNC_NOTICE_TITLE="+n.Title, "DM3SYNC_NOTICE_TEXT="+n.Text, "DM3SYNC_NOTICE_PENDING="+strconv.Itoa(n.Pending))
}
