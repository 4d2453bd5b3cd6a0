package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/setup"
)

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Ask configuration, secrets and the place for everything that dm3sync needs",
		Long: "Read the configuration and the secrets, then ask the account's own place for exactly what dm3sync needs of a\n" +
			"place: under a random prefix that is removed again; so is what a check left that was interrupted. A running agent is\n" +
			"not disturbed. Code 5 says that the place does not keep a promise.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			_, account, err := p.chosen()
			if err != nil {
				return err
			}
			return p.check(command.Context(), account)
		},
	}
}

// checkDocument is what a check found.
type checkDocument struct {
	Account  string              `json:"account"`
	Provider string              `json:"provider"`
	Place    string              `json:"place"`
	Promises []setup.Promise     `json:"promises"`
	Results  []setup.CheckResult `json:"results"`
	Usage    string              `json:"usage,omitempty"` // who has used the place before
	Swept    int                 `json:"swept,omitempty"` // objects removed that interrupted checks had left
}

// newCheckDocument is a check that has asked nothing yet.
func newCheckDocument(account *config.Account) checkDocument {
	return checkDocument{Account: account.Name, Provider: account.Provider.Kind, Place: account.Provider.Place(), Results: []setup.CheckResult{}}
}

func (p *program) check(ctx context.Context, account *config.Account) error {
	document, err := p.checkPlace(ctx, account)
	if err != nil {
		return err
	}
	if err := p.print(document, func(w *strings.Builder) { document.write(w, false) }); err != nil {
		return err
	}
	return document.problems()
}

// checkPlace asks everything. The error says that it could not be asked, not that
// an answer was bad.
func (p *program) checkPlace(ctx context.Context, account *config.Account) (checkDocument, error) {
	document := newCheckDocument(account)
	document.Results = append(document.Results, setup.CheckResult{Name: "configuration", OK: true}, setup.CheckResult{Name: "secret", OK: true})
	secret := account.Secret
	key, err := keyring.StorageKey(secret.Source(), keyring.Form(secret.Form), secret.Nonce, p.keyring())
	if err != nil {
		return document, err
	}
	store, err := agent.OpenProvider(ctx, *account, agent.PlaceOptions{Config: p.loaded, Warn: p.warn})
	if err != nil {
		return document, err
	}
	document.Promises = setup.Promises(store.Properties())
	if err := setup.Reach(ctx, store); err != nil {
		return document, errors.Join(err, store.Close())
	}
	tell := func(r setup.CheckResult) { document.Results = append(document.Results, r) }
	if document.Swept, err = setup.Check(ctx, store, tell, p.warn); err == nil && document.problems() == nil {
		var usage setup.Usage
		usage, err = setup.Look(ctx, store, key, account.Name)
		document.Usage, _ = usage.Sentence()
	}
	if closeErr := store.Close(); err == nil && closeErr != nil && document.problems() == nil {
		err = fmt.Errorf("checking the place: %w", closeErr)
	} else if err != nil {
		err = errors.Join(err, closeErr)
	}
	return document, err
}

// problems is errProblems when a question was answered badly.
func (d *checkDocument) problems() error {
	if slices.ContainsFunc(d.Results, func(r setup.CheckResult) bool { return !r.OK }) {
		return errProblems
	}
	return nil
}

// write prints the place's promises and the answers: all, or in brief only bad ones
// and their number.
func (d *checkDocument) write(w *strings.Builder, brief bool) {
	fmt.Fprintf(w, "%s: %s\n", d.Provider, plain(d.Place))
	rows := make([][]string, len(d.Promises))
	for i, promise := range d.Promises {
		rows[i] = []string{"  " + promise.Name, promise.Says}
	}
	table(w, rows)
	good := 0
	for _, r := range d.Results {
		if r.OK && brief {
			good++
			continue
		}
		mark := map[bool]string{true: "ok    ", false: "FAILED"}[r.OK]
		fmt.Fprintf(w, "%s  %s", mark, r.Name)
		if r.Detail != "" {
			fmt.Fprintf(w, ": %s", plain(r.Detail))
		}
		fmt.Fprintln(w)
	}
	if d.Usage != "" {
		fmt.Fprintln(w, d.Usage)
	}
	if d.Swept > 0 {
		fmt.Fprintf(w, "%s removed that an interrupted check had left\n", plural(d.Swept, "object"))
	}
	if brief && len(d.Results) > 0 {
		fmt.Fprintf(w, "asked %s, %d answered as they should be\n", plural(len(d.Results), "question"), good)
	}
}
