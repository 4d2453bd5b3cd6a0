package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) serviceReloadCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Let the running agent read its configuration again", Args: nothing,
		Long: "Let the running agent read its configuration again, as SIGHUP does, and say what is wrong with it: then nothing changes.\n" +
			"Accounts come, go or are opened anew, and [limits], [interface], [notice] and [metrics] are in force at once. The log\n" +
			"names what needs a restart. The machine's agent: `sudo dm3sync --config /etc/dm3sync/config.toml service reload`",
		RunE: func(command *cobra.Command, _ []string) error { return p.reloadAgent(command.Context()) },
	}
}

// reloadAgent asks over the socket, since a signal brings no answer.
func (p *program) reloadAgent(ctx context.Context) error {
	client, err := runningAgent(p.loadForAgent)
	if err != nil {
		return err
	}
	if err := errors.Join(client.Reload(ctx), client.Close()); err != nil {
		return err
	}
	return p.print(map[string]bool{"reloaded": true}, func(w *strings.Builder) {
		fmt.Fprintln(w, "the agent has taken the configuration; `dm3sync status` shows how it is")
	})
}
