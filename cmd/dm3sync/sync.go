package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) syncCommand() *cobra.Command {
	var scrub bool
	command := &cobra.Command{
		Use:   "sync",
		Short: "Upload what waits and fetch what others wrote, now",
		Long: "Upload what waits and fetch what others wrote, now, and end when nothing waits any more.\n" +
			"Without --account, all accounts of the configuration.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.syncAll(command.Context(), engine.Work{Settle: true, Scrub: scrub})
		},
	}
	command.Flags().BoolVar(&scrub, "scrub", false, "also list everything at the provider, for what was written without being announced")
	return command
}

// syncResult is what came of one account.
type syncResult struct {
	Account string         `json:"account"`
	Report  *engine.Report `json:"report,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// syncAll runs a pass for the account asked for, or for all: one that fails
// does not keep the next from its turn.
func (p *program) syncAll(ctx context.Context, work engine.Work) error {
	names, err := p.accountNames()
	if err != nil {
		return err
	}
	results := []syncResult{}
	var failures error
	for _, name := range names {
		p.account = name
		report, err := p.syncOne(ctx, work)
		result := syncResult{Account: name, Report: report}
		if err != nil {
			result.Error = err.Error()
			failures = errors.Join(failures, fmt.Errorf("%s: %w", name, err))
		}
		results = append(results, result)
	}
	document := struct {
		Accounts []syncResult `json:"accounts"`
	}{results}
	err = p.print(document, func(w *strings.Builder) {
		for _, result := range results {
			if r := result.Report; r != nil {
				fmt.Fprintf(w, "%s: %d fetched, %d uploaded, %d confirmed, %d waiting\n", result.Account, r.Pulled, r.Pushed, r.Confirmed, r.Pending)
			}
		}
	})
	return errors.Join(failures, err)
}

func (p *program) syncOne(ctx context.Context, work engine.Work) (*engine.Report, error) {
	var report *engine.Report
	err := p.with(ctx, func(s *session) error {
		shown := p.newProgress()
		defer shown.finish()
		r, err := s.Sync(ctx, work, shown.update)
		if err == nil {
			report = &r
		}
		return err
	})
	return report, err
}

// accountNames are the accounts that a verb for all accounts works on.
func (p *program) accountNames() ([]string, error) {
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	if p.account != "" {
		account, err := c.Account(p.account)
		if err != nil {
			return nil, err
		}
		return []string{account.Name}, nil
	}
	var names []string
	for _, account := range c.Accounts {
		names = append(names, account.Name)
	}
	return names, nil
}
