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
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/service"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from now on a second signal ends it at once: that is safe at any time
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
	runner   service.Runner // of a service manager's commands; nil is the machine's
	machine  string         // stands before the machine's folders for services; "" but in tests

	configFile string
	account    string
	json       bool
	quiet      bool
	file       string // --file of the verbs that read

	verb string // as it was called, such as "dm3sync messages"

	asking      sync.Mutex        // held while somebody is asked: checks of the doctor want secrets side by side
	passphrases map[string]string // as somebody typed them, by file; guarded by asking

	telling sync.Mutex // guards the next, and lines on err: places open, and warn, in the background
	warned  []string   // what was warned of already

	loaded  *config.Config // what load read
	started bool           // the arguments were understood: errors are not about usage
	printed bool           // a JSON document was written
}

// main runs the verb and returns the exit code.
func (p *program) main(ctx context.Context, arguments []string) int {
	root := p.command()
	root.SetArgs(arguments)
	verb, err := root.ExecuteContextC(ctx)
	p.verb = verb.CommandPath()
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
		// An unknown verb prints the help and succeeds, but for this and the Args of speak.
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
		PersistentPreRun: func(verb *cobra.Command, _ []string) {
			p.verb, p.started = verb.CommandPath(), true
		},
		Long: "dm3sync keeps dm3 conversations encrypted on storage of your choice, the same on all devices.\n\n" +
			"To begin, run `dm3sync ui` (in a browser) or `dm3sync init` (in a terminal); `dm3sync demo` only shows what it does.\n\n" +
			"Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 some input was rejected,\n" +
			"4 the place was not reachable or refused (nothing is lost), 5 problems were found, 6 in use.",
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	flags := root.PersistentFlags()
	flags.StringVar(&p.configFile, "config", "", "configuration `FILE` (default $DM3SYNC_CONFIG, then ~/.config/dm3sync/config.toml)")
	flags.StringVar(&p.account, "account", p.getenv("DM3SYNC_ACCOUNT"), "`NAME` of the account, when the configuration has several")
	flags.BoolVar(&p.json, "json", false, "print one JSON document")
	flags.BoolVar(&p.quiet, "quiet", false, "no progress, no notes")
	for _, g := range []struct {
		title string
		verbs []*cobra.Command
	}{
		{"To begin:", []*cobra.Command{p.uiCommand(), p.initCommand(), p.runCommand(), p.serviceCommand(), p.unlockCommand(), p.loginCommand(), p.logoutCommand(), p.demoCommand()}},
		{"Messages:", []*cobra.Command{
			p.appendCommand(), p.conversationsCommand(), p.messagesCommand(), p.searchCommand(), p.hideCommand(), p.deleteCommand(),
			p.exportCommand(), p.importCommand(), p.fetchAttachmentsCommand(),
		}},
		{"The place:", []*cobra.Command{
			p.statusCommand(), p.doctorCommand(), p.syncCommand(), p.pauseCommand(), p.resumeCommand(), p.checkCommand(), p.verifyCommand(),
			p.repairCommand(), p.moveCommand(), p.forgetCommand(),
		}},
		{"Other programs:", []*cobra.Command{p.tokenCommand(), p.pullNodeCommand(), p.serveCommand()}},
		{"", []*cobra.Command{p.versionCommand(), p.manualCommand()}},
	} {
		if g.title != "" {
			root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		}
		for _, verb := range g.verbs {
			verb.GroupID = g.title
			root.AddCommand(verb)
		}
	}
	speak(root)
	return root
}
