// Command dm3sync keeps a person's dm3 conversations encrypted on storage of
// their choice. Each verb has a file of its own; what they share is here and in
// output.go, session.go, exit.go and progress.go.
//
// It stands at the top of the import order: nothing imports it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), now: time.Now}
	code := p.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is one invocation: its streams and surroundings, and the flags that
// every verb has.
type program struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	now      func() time.Time

	configFile string
	account    string
	json       bool
	quiet      bool

	loaded  *config.Config // what load read
	started bool           // the arguments were understood: errors are not about usage
	printed bool           // a JSON document was written
}

// main runs the verb and returns the exit code.
func (p *program) main(ctx context.Context, arguments []string) int {
	root := p.command()
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	if err != nil && !p.started {
		err = usageError{err}
	}
	return p.report(err)
}

// command builds the tree of verbs.
func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "dm3sync",
		Short:         "Keep dm3 conversations encrypted on storage of your choice, the same on all devices",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs, // and RunE: else an unknown verb prints the help and succeeds
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			p.started = true
		},
		Long: "dm3sync keeps dm3 conversations encrypted on storage of your choice, the same on all devices.\n\n" +
			"Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 some input was rejected,\n" +
			"4 the provider was not reachable or refused (nothing is lost), 5 problems were found, 6 in use.",
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	flags := root.PersistentFlags()
	flags.StringVar(&p.configFile, "config", "", "configuration file (default $DM3SYNC_CONFIG, then ~/.config/dm3sync/config.toml)")
	flags.StringVar(&p.account, "account", p.getenv("DM3SYNC_ACCOUNT"), "account, when the configuration has several")
	flags.BoolVar(&p.json, "json", false, "print one JSON document")
	flags.BoolVar(&p.quiet, "quiet", false, "no progress, no notes")
	root.AddCommand(p.initCommand(), p.runCommand(), p.appendCommand(), p.conversationsCommand(), p.messagesCommand(),
		p.deleteCommand(), p.hideCommand(),
		p.syncCommand(), p.statusCommand(), p.verifyCommand(), p.repairCommand(), p.forgetCommand(), p.checkCommand(), p.demoCommand(), p.versionCommand())
	return root
}
