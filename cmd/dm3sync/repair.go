package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) repairCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "repair",
		Short: "Upload again what mirrors and this device hold, after a place lost it",
		Long: "Upload again what the account's mirrors have, and what this device holds in its cache: for an account that stopped\n" +
			"because its objects are gone from the place, or that misses some of them. Run it on every device: each may hold\n" +
			"what others do not. What no device brings back is then given up, and no longer reported.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := p.oneAccount(); err != nil {
				return err
			}
			if err := p.syncAll(command.Context(), engine.Work{Settle: true, Scrub: true, Restore: true}); err != nil {
				return err
			}
			p.note("what this device and the account's mirrors hold is at the place again; `dm3sync verify` says whether that is all")
			return nil
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
		Short: "Start anew at the place: give up what this device knows of it",
		Long: "Start anew at the place, when what was there is gone and shall not come back, or another place is meant.\n" +
			"This device drops what it knows of the place: the history in its cache is given up, and what neither the\n" +
			"place nor another device holds is lost for good. Messages that were appended and are not confirmed yet stay,\n" +
			"and are uploaded by the next pass. To write again what this device holds, run `dm3sync repair`.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.forget(command.Context(), yes) },
	}
	command.Flags().BoolVar(&yes, "yes", false, "don't ask")
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
	account, err := p.loaded.Account(p.account)
	if err != nil {
		return err
	}
	if len(account.Mirrors) > 0 {
		return usageError{errors.New("the account has mirrors, which would bring back what is to be forgotten: take [[account.mirror]] out of the configuration first")}
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
			fmt.Fprintf(w, "%s: forgotten what was at the place; %s will be uploaded by the next pass\n", s.name, plural(status.Pending, "waiting message"))
		})
	})
}

var errNotForgotten = errors.New("nothing was forgotten")

// confirmForget says what is given up and asks for the account's name.
func (p *program) confirmForget(ctx context.Context, s *session) error {
	if !p.canAsk() {
		return usageError{errors.New("forget gives up the history that this device holds and has nobody to ask here; add --yes if that is meant, or run `dm3sync repair`")}
	}
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	kept := ""
	if status.Pending > 0 {
		kept = " " + plural(status.Pending, "message") + " not confirmed yet will be uploaded anew."
	}
	_, err = fmt.Fprintf(p.err, "This gives up what this device holds of %s: %s in %s. What neither the place nor another\n"+
		"device holds is lost for good.%s\nType the account's name to go on: ",
		s.name, plural(status.Conversations, "conversation"), plural(status.Chunks, "chunk"), kept)
	if err != nil {
		return err
	}
	line, _ := bufio.NewReader(p.in).ReadString('\n') // what is not the name is no
	if strings.TrimSpace(line) != s.name {
		return errNotForgotten
	}
	return nil
}
