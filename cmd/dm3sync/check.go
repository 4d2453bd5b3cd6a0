package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Ask configuration, secrets and the provider for everything that dm3sync needs",
		Long: "Read the configuration and the secrets, then ask the account's own provider for exactly what dm3sync needs of a\n" +
			"place: under a random prefix that is removed again. A running agent is not disturbed. Code 5 says that the place\n" +
			"does not keep a promise.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := p.load()
			if err != nil {
				return err
			}
			account, err := c.Account(p.account)
			if err != nil {
				return err
			}
			return p.check(command.Context(), account)
		},
	}
}

// checkResult is one question and its answer.
type checkResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// reach asks for an object that is not there: a place that cannot be reached, or
// refuses, would only fail every question of the check.
func reach(ctx context.Context, store providers.Store) error {
	_, err := store.Get(ctx, "dm3sync-check/"+rand.Text())
	if exitCode(err) == exitProvider {
		return fmt.Errorf("reaching the provider: %w", err)
	}
	return nil
}

func (p *program) check(ctx context.Context, account *config.Account) error {
	secret := account.Secret
	if _, err := keyring.StorageKey(secret.Source(), keyring.Form(secret.Form), secret.Nonce, p.keyring()); err != nil {
		return err
	}
	results := []checkResult{{Name: "configuration", OK: true}, {Name: "secret", OK: true}}
	store, err := agent.OpenProvider(ctx, *account, p.warn)
	if err != nil {
		return err
	}
	if err := reach(ctx, store); err != nil {
		return errors.Join(err, store.Close())
	}
	failed := 0
	err = providertest.Check(ctx, store, func(r providertest.Result) {
		result := checkResult{Name: r.Check, OK: r.Err == nil}
		if r.Err != nil {
			failed++
			result.Detail = r.Err.Error()
		}
		results = append(results, result)
	})
	if err = errors.Join(err, store.Close()); err != nil && failed == 0 {
		return fmt.Errorf("checking the provider: %w", err)
	}
	document := struct {
		Account  string        `json:"account"`
		Provider string        `json:"provider"`
		Results  []checkResult `json:"results"`
	}{account.Name, account.Provider.Kind, results}
	if err := p.print(document, func(w *strings.Builder) {
		for _, r := range results {
			mark := map[bool]string{true: "ok    ", false: "FAILED"}[r.OK]
			fmt.Fprintf(w, "%s  %s", mark, r.Name)
			if r.Detail != "" {
				fmt.Fprintf(w, ": %s", plain(r.Detail))
			}
			fmt.Fprintln(w)
		}
	}); err != nil {
		return err
	}
	if failed > 0 {
		return errProblems
	}
	return nil
}
