package main

import (
	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
)

func (p *program) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the agent: keep all accounts in step until interrupted",
		Long: "Run the agent in the foreground: it keeps all accounts of the configuration in step, takes messages from the\n" +
			"spools and serves the other verbs. SIGTERM or ctrl-C ends it after a last, bounded upload.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := p.load()
			if err != nil {
				return err
			}
			log, err := agent.NewLogger(p.err, c.Log, p.isTerminal(p.err) && p.getenv("NO_COLOR") == "")
			if err != nil {
				return err
			}
			a, err := agent.New(c, agent.Options{AccountOptions: agent.AccountOptions{Log: log, Now: p.now}, Version: buildVersion().Version})
			if err != nil {
				return err
			}
			return a.Run(command.Context())
		},
	}
}
