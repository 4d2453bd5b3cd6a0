package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/login"
)

// loginSoon is how near the end of a new login must be to be told at once.
const loginSoon = 30 * 24 * time.Hour

// loginFlags are the flags of login.
type loginFlags struct {
	mirror                      string
	headless, noBrowser, inFile bool
	port                        int
	wait                        time.Duration
}

func (p *program) loginCommand() *cobra.Command {
	flags := &loginFlags{}
	command := &cobra.Command{
		Use:   "login drive",
		Short: "Log in to the account's place with a browser",
		Long: "Log in to Google Drive: a browser opens, you log in and allow the access there, and a token is kept in the system's\n" +
			"keyring, or sealed in the account's folder where there is none. A running agent goes on by itself afterwards.\n\n" +
			"With --headless the browser may be on any machine: open the address there, and paste here the one it ends at.\n" +
			"$BROWSER is used when it is set. The client id comes from the configuration; internal/docs/login.md says how to make one.",
		Example:   "  dm3sync login drive\n  ssh server -t dm3sync login drive --headless",
		Args:      placeOfLogin,
		ValidArgs: []string{config.KindDrive},
		RunE: func(command *cobra.Command, _ []string) error {
			switch {
			case flags.port < 0 || flags.port > 65535:
				return usagef("--port %d is no port", flags.port)
			case flags.headless && (flags.port != 0 || flags.noBrowser):
				return usagef("--headless waits on no port and starts no browser: leave out --port and --no-browser")
			}
			return p.withLogin(flags.mirror, func(account *config.Account, l *login.Login) error {
				return p.login(command.Context(), account, l, flags)
			})
		},
	}
	set := command.Flags()
	set.BoolVar(&flags.headless, "headless", false, "the browser is on another machine: print the address, and take the answer by paste")
	set.BoolVar(&flags.noBrowser, "no-browser", false, "start no browser, only print the address to open on this machine")
	set.BoolVar(&flags.inFile, "in-file", false, "seal the token in a file even where there is a keyring (for agents that run without a desktop session)")
	set.StringVar(&flags.mirror, "mirror", "", "log in to the mirror of this `NAME`, in the place of the account's own place")
	set.IntVar(&flags.port, "port", 0, "`PORT` of 127.0.0.1 on which the browser's answer is waited for (default: any free one)")
	set.DurationVar(&flags.wait, "wait", 0, "the `DURATION` to wait for the answer (default 5m, with --headless 30m)")
	return command
}

// withLogin prepares the login of the account that the flags name, or of its mirror, for
// the time of work.
func (p *program) withLogin(mirror string, work func(*config.Account, *login.Login) error) (err error) {
	c, account, err := p.chosen()
	if err != nil {
		return err
	}
	if mirror != "" {
		m, err := mirrorOf(account, mirror)
		if err != nil {
			return err
		}
		there := account.At(m)
		account = &there
	}
	l, err := login.ForAccount(c, account, login.AccountOptions{Keyring: p.keyring(), Now: p.now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return work(account, l)
}

func (p *program) login(ctx context.Context, account *config.Account, l *login.Login, flags *loginFlags) error {
	result, err := p.browse(ctx, l, flags)
	if err != nil {
		return err
	}
	if result.Avoided != nil {
		p.note("the token is not in the system's keyring: %v", result.Avoided)
	}
	document := struct {
		Account string     `json:"account"`
		Place   string     `json:"place"`
		Kept    string     `json:"kept"`
		Ready   bool       `json:"ready"` // the place is made, or was there
		Ends    *time.Time `json:"ends,omitempty"`
	}{Account: account.Name, Place: account.Provider.Kind, Kept: result.Kept}
	if end, why := l.Expiry(); end.Sub(p.now()) < loginSoon {
		document.Ends = &end
		p.warn(fmt.Sprintf("this login ends on %s: %s", end.Format(time.DateOnly), why))
	}
	_, err = agent.CreatePlace(ctx, *account, agent.PlaceOptions{Config: p.loaded, Warn: p.warn})
	document.Ready = err == nil
	if err != nil {
		err = fmt.Errorf("the login is kept, but the place is not ready (run `dm3sync init` to try again): %w", err)
	}
	return errors.Join(p.print(document, func(w *strings.Builder) {
		fmt.Fprintf(w, "%s is logged in; the token is %s\n", account.Name, result.Kept)
		if document.Ready {
			fmt.Fprintf(w, "the place is ready: %s\n", plain(account.Provider.Place()))
		}
	}), err)
}

func (p *program) browse(ctx context.Context, l *login.Login, flags *loginFlags) (login.Result, error) {
	// Without these sentences nobody could log in: --quiet does not silence them.
	tell := func(sentence string) { p.tell("%s", sentence) }
	if flags.headless {
		return l.Paste(ctx, login.PasteOptions{In: p.in, Tell: tell, Limit: flags.wait, InFile: flags.inFile})
	}
	o := login.BrowserOptions{Tell: tell, Port: flags.port, Limit: flags.wait, InFile: flags.inFile}
	if !flags.noBrowser {
		o.Open = login.SystemBrowser(p.getenv)
	}
	return l.Browser(ctx, o)
}
