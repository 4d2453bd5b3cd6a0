package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

const (
	// unlockTries is how often a passphrase may be mistyped on a terminal.
	unlockTries = 3
	// triedWait bounds the wait for the first attempt to open each account.
	triedWait = 30 * time.Second
)

// unlockDocument is what `unlock` did.
type unlockDocument struct {
	Unlocked []string `json:"unlocked"`
}

func (p *program) unlockCommand() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "unlock",
		Short: "Give the running agent the passphrase of a locked secret",
		Long: "Give the running agent the passphrase that its accounts wait for after a start, or the one that --account names: asked\n" +
			"for on the terminal, or read as a line of the standard input or of a file. It goes over the agent's own socket, which\n" +
			"only its user can open, into its memory, and nowhere else. The page takes it, too.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.unlockAgent(command.Context(), file) },
	}
	command.Flags().StringVar(&file, "passphrase-file", "", "`FILE` whose first line is the passphrase of all that wait; - is the standard input")
	return command
}

func (p *program) unlockAgent(ctx context.Context, file string) error {
	client, err := runningAgent(p.loadForAgent)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // returns nil, always
	status, err := triedStatus(ctx, client)
	if err != nil {
		return err
	}
	names, err := p.locked(&status)
	if err != nil {
		return err
	}
	document := unlockDocument{Unlocked: []string{}}
	if len(names) > 0 {
		if document.Unlocked, err = p.unlockAll(ctx, client, names, file); err != nil {
			return err
		}
	}
	return p.print(document, func(w *strings.Builder) {
		for _, name := range document.Unlocked {
			fmt.Fprintf(w, "%s: unlocked, until the agent ends\n", plain(name))
		}
		if len(names) == 0 {
			fmt.Fprintln(w, "no account waits for a passphrase")
		}
	})
}

// triedStatus is the agent's status once it has tried to open each account, as far as that happens within triedWait: just
// after its start none waits for a passphrase yet.
func triedStatus(ctx context.Context, client *agent.Client) (api.Status, error) {
	ticker := time.NewTicker(agentSoon)
	defer ticker.Stop()
	for end := time.Now().Add(triedWait); ; {
		status, err := client.Status(ctx)
		untried := slices.ContainsFunc(status.Accounts, func(a api.AccountStatus) bool { return !a.Open && a.Obstacle == obstacle.None })
		if err != nil || !untried || time.Now().After(end) {
			return status, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return status, ctx.Err()
		}
	}
}

// locked are the accounts of the agent that wait for a passphrase, or the one that the flags name.
func (p *program) locked(status *api.Status) (names []string, err error) {
	if p.account != "" {
		account, err := p.loaded.Account(p.account)
		if err != nil {
			return nil, err
		}
		return []string{account.Name}, nil
	}
	for i := range status.Accounts {
		if a := &status.Accounts[i]; !a.Open && a.Obstacle == obstacle.Locked {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

// unlockAll gives one passphrase to all, from a file, or one to each, as somebody types them.
func (p *program) unlockAll(ctx context.Context, client *agent.Client, names []string, file string) (done []string, err error) {
	given, tries := "", 1
	if file != "" {
		if given, err = p.passphraseIn(file); err != nil {
			return nil, err
		}
	} else if p.canAsk() {
		tries = unlockTries
	}
	questions := p.newQuestions()
	for _, name := range names {
		for left := tries; ; {
			passphrase := given
			if passphrase == "" {
				if passphrase, err = questions.passphrase("Passphrase of " + plain(name)); err != nil {
					return done, noPassphrase(err)
				}
			}
			err := client.Unlock(ctx, name, passphrase)
			if left--; errors.Is(err, keyring.ErrLocked) && left > 0 {
				questions.tell("That passphrase does not open it.")
				continue
			}
			if err != nil {
				return done, err
			}
			done = append(done, name)
			break
		}
	}
	return done, nil
}

// noPassphrase says why none could be read, and how it can be given.
func noPassphrase(err error) error {
	if errors.Is(err, errUnanswered) || errors.Is(err, io.EOF) {
		return usagef("there was no answer; type the passphrase on a terminal, or name a file that has it with --passphrase-file")
	}
	return fmt.Errorf("reading the passphrase: %w", err)
}

// passphraseIn is the first line of a file, without its end; - is the standard input.
func (p *program) passphraseIn(path string) (string, error) {
	in := p.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", usageError{fmt.Errorf("reading the passphrase: %w", err)}
		}
		defer file.Close()
		in = file
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxAnswer)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usagef("%s has no passphrase in its first line", path)
	}
	return line, nil
}
