package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) repairCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "repair",
		Short: "Upload again what this device knows, after a provider lost it",
		Long: "Upload again what this device holds in its cache: for an account that stopped because its objects are gone from\n" +
			"the provider, or that misses some of them. Run it on every device: each may hold what others do not. What no\n" +
			"device brings back is then given up, and no longer reported.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := p.oneAccount(); err != nil {
				return err
			}
			return p.syncAll(command.Context(), engine.Work{Settle: true, Scrub: true, Restore: true})
		},
	}
}

// oneAccount makes sure that a verb which is not for all accounts works on one.
func (p *program) oneAccount() error {
	c, err := p.load()
	if err != nil {
		return err
	}
	account, err := c.Account(p.account)
	if err == nil {
		p.account = account.Name
	}
	return err
}

func (p *program) forgetCommand() *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:   "forget",
		Short: "Start anew with the provider: give up what this device knows of it",
		Long: "Start anew with the provider, when what was there is gone and shall not come back, or another place is meant.\n" +
			"This device drops what it knows of the provider: the history in its cache is given up, and what neither the\n" +
			"provider nor another device holds is lost for good. Messages that were appended and are not confirmed yet stay,\n" +
			"and are uploaded by the next pass. To write again what this device holds, use: dm3sync repair",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return p.forget(command.Context(), yes) },
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}

// forgetResult is what forget prints.
type forgetResult struct {
	Account string `json:"account"`
	Waiting int    `json:"waiting"`
}

func (p *program) forget(ctx context.Context, yes bool) error {
	if err := p.oneAccount(); err != nil {
		return err
	}
	return p.with(ctx, func(s *session) error {
		if !yes {
			if err := p.confirmForget(ctx, s); err != nil {
				return err
			}
		}
		if err := s.Forget(ctx); err != nil {
			return err
		}
		status, err := s.Status(ctx)
		if err != nil {
			return err
		}
		return p.print(forgetResult{s.name, status.Pending}, func(w *strings.Builder) {
			fmt.Fprintf(w, "%s: forgotten what was at the provider; %s will be uploaded by the next pass\n", s.name, plural(status.Pending, "waiting message"))
		})
	})
}

var errNotForgotten = errors.New("nothing was forgotten")

// confirmForget says what is given up and asks for the account's name.
func (p *program) confirmForget(ctx context.Context, s *session) error {
	in, ok := p.in.(*os.File)
	if !ok || !p.isTerminal(in) {
		return usageError{errors.New("forget gives up the history that this device holds and has nobody to ask here; add --yes if that is meant, or use: dm3sync repair")}
	}
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.err, "This gives up what this device holds of %s: %s in %s. What neither the provider nor another\n"+
		"device holds is lost for good. %s not confirmed yet will be uploaded anew.\nType the account's name to go on: ",
		s.name, plural(status.Conversations, "conversation"), plural(status.Chunks, "chunk"), plural(status.Pending, "message"))
	if err != nil {
		return err
	}
	line, _ := bufio.NewReader(in).ReadString('\n') // what is not the name is no
	if strings.TrimSpace(line) != s.name {
		return errNotForgotten
	}
	return nil
}
