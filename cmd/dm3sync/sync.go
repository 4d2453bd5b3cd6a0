package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) syncCommand() *cobra.Command {
	var scrub bool
	command := &cobra.Command{
		Use:   "sync",
		Short: "Upload what waits and fetch what others wrote, now",
		Long: "Upload what waits and fetch what others wrote, now, and end when nothing waits any more.\n" +
			"Without --account, all accounts of the configuration.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.syncAll(command.Context(), engine.Work{Settle: true, Scrub: scrub})
		},
	}
	command.Flags().BoolVar(&scrub, "scrub", false, "also list everything at the place, for what was written without being announced")
	return command
}

// syncResult is what came of one account.
type syncResult struct {
	Account string             `json:"account"`
	Report  *engine.Report     `json:"report,omitempty"`
	Mirrors []api.MirrorReport `json:"mirrors,omitempty"`
	Error   string             `json:"error,omitempty"`
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
		result := syncResult{Account: name}
		err := p.syncOne(ctx, work, &result)
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
			for _, m := range result.Mirrors {
				fmt.Fprintf(w, "  mirror %s: %s\n", m.Name, mirrorReportText(m))
			}
		}
	})
	return errors.Join(failures, err)
}

// syncOne runs the pass, and then brings the account's mirrors up to it: one that fails is
// an error at the end, and nothing is lost by it.
func (p *program) syncOne(ctx context.Context, work engine.Work, result *syncResult) error {
	return p.with(ctx, func(s *session) error {
		shown := p.newProgress()
		r, err := s.Sync(ctx, work, shown.update)
		shown.finish()
		if err != nil {
			return err
		}
		result.Report = &r
		account, err := p.loaded.Account(s.name)
		if err != nil || len(account.Mirrors) == 0 {
			return err
		}
		result.Mirrors, err = p.mirrors(ctx, s, api.MirrorWork{Whole: work.Scrub})
		return err
	})
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
