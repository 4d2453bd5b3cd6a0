package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
)

// collectAt is by how much of what is in use, in percent, an agent's memory may grow before garbage is collected: an agent is
// there all day, and should be small rather than a tenth quicker. The environment's GOGC says otherwise.
const collectAt = 50

func (p *program) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the agent: keep all accounts in step until interrupted",
		Long: "Run the agent in the foreground: it keeps all accounts of the configuration in step, takes messages from the\n" +
			"spools and serves the other verbs. SIGTERM or ctrl-C ends it after a last, bounded upload, a second one at once;\n" +
			"SIGHUP reads the configuration again. `dm3sync service install` lets it start by itself.\n\n" +
			"Without a configuration it waits to be set up: by `dm3sync ui` in a browser, or by `dm3sync init`.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.asService(command.Context(), func(ctx context.Context) error {
				a, err := p.newAgent()
				if err != nil {
					return err
				}
				if p.getenv("GOGC") == "" {
					debug.SetGCPercent(collectAt)
				}
				return a.Run(ctx)
			})
		},
	}
}

// newAgent prepares an agent for the configuration, which need not be there yet.
func (p *program) newAgent() (*agent.Agent, error) {
	c, err := p.loadForAgent()
	if err != nil {
		return nil, err
	}
	log, err := agent.NewLogger(p.err, c.Log, p.isTerminal(p.err) && p.getenv("NO_COLOR") == "")
	if err != nil {
		return nil, err
	}
	file := cmp.Or(c.File, p.configFile, config.DefaultFile(&config.Options{Environ: p.environ}))
	if file, err = filepath.Abs(file); err != nil {
		return nil, err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return agent.New(c, agent.Options{
		AccountOptions: agent.AccountOptions{Log: log, Now: p.now}, Version: buildVersion().Version,
		Load: p.reload, File: file, Environ: p.environ, Hangup: hangup,
	})
}

// loadForAgent is load for an agent, which waits where nothing is configured yet.
func (p *program) loadForAgent() (*config.Config, error) { return p.loadOnce(p.reload) }

// reload reads the configuration as loadForAgent did at the start. A file that --config names
// must be there: waiting for one that was mistyped would help nobody.
func (p *program) reload() (*config.Config, error) {
	return config.Load(p.configFile, &config.Options{Environ: p.environ, Unconfigured: p.configFile == ""})
}
