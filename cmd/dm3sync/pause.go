package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
)

// pauseDocument is what `pause` and `resume` did.
type pauseDocument struct {
	Accounts []string  `json:"accounts"`
	Paused   bool      `json:"paused"`
	Until    time.Time `json:"until,omitzero"`
}

func (p *program) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause [DURATION]",
		Short: "Pause the running agent, for a time or until it is resumed",
		Long: "Pause the running agent's passes, of all accounts or of the one that --account names: for a time, such as 2h or 90m, or\n" +
			"until `dm3sync resume`. A pause also holds after a restart. Messages are taken and kept as ever, and `dm3sync sync`\n" +
			"runs a pass all the same.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			var wait config.Duration
			if len(arguments) > 0 {
				if err := wait.UnmarshalText([]byte(arguments[0])); err != nil {
					return usageError{err}
				}
				if wait < config.Duration(time.Second) {
					return usagef("a pause takes a second or longer; `dm3sync resume` ends one")
				}
			}
			return p.pause(command.Context(), true, time.Duration(wait))
		},
	}
}

func (p *program) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resume", Short: "Go on after `dm3sync pause`", Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.pause(command.Context(), false, 0) },
	}
}

// pause pauses or resumes the accounts that the flags name; a wait of 0 is until resumed.
func (p *program) pause(ctx context.Context, paused bool, wait time.Duration) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	client, err := agent.Dial(c.Socket)
	if err != nil {
		return err
	}
	document := pauseDocument{Paused: paused, Accounts: []string{}}
	err = func() error {
		names := []string{p.account}
		if p.account == "" {
			names = names[:0]
			for i := range c.Accounts {
				names = append(names, c.Accounts[i].Name)
			}
		}
		for _, name := range names {
			if wait > 0 {
				document.Until, err = client.PauseFor(ctx, name, wait)
			} else {
				err = client.Pause(ctx, name, paused)
			}
			if err != nil {
				return err
			}
			document.Accounts = append(document.Accounts, name)
		}
		return p.printPause(ctx, client, document)
	}()
	return errors.Join(err, client.Close())
}

// printPause says what was done, and what still holds the agent back.
func (p *program) printPause(ctx context.Context, client *agent.Client, document pauseDocument) error {
	return p.print(document, func(w *strings.Builder) {
		names := plain(strings.Join(document.Accounts, ", "))
		switch {
		case !document.Paused:
			fmt.Fprintf(w, "%s: resumed\n", names)
			if status, err := client.Status(ctx); err == nil {
				writeLimits(w, status.Limits)
			}
		case document.Until.IsZero():
			fmt.Fprintf(w, "%s: paused until `dm3sync resume`\n", names)
		default:
			fmt.Fprintf(w, "%s: paused until %s\n", names, document.Until.Local().Format(time.DateTime))
		}
	})
}

// writeLimits says why all accounts do less than they could.
func writeLimits(w *strings.Builder, causes []api.Limit) {
	for _, cause := range causes {
		fmt.Fprintf(w, "limit: %s; since %s\n", plain(cause.Text), cause.Since.Local().Format(time.DateTime))
	}
}
