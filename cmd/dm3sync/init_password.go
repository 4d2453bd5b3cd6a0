package main

import (
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// newPassword takes another secret for the account's place, and seals it where the
// one before lies. The place is not asked.
func (p *program) newPassword() error {
	_, account, err := p.chosen()
	if err != nil {
		return err
	}
	source := account.Provider.Source()
	switch {
	case source.IsZero():
		return usagef("account %s: [account.provider] names no secret", account.Name)
	case source.Sealed == "":
		return usagef("account %s: the place's secret is not sealed; put the new one into its %s", account.Name, source)
	}
	own := account.Secret
	key, err := keyring.StorageKey(own.Source(), keyring.Form(own.Form), own.Nonce, p.keyring())
	if err != nil {
		return err
	}
	secret, err := p.newQuestions().secret("New password, secret access key or client secret")
	if err != nil {
		return err
	}
	if err := keyring.WriteSealed(source.Sealed, key, secret); err != nil {
		return err
	}
	document := struct {
		Account string `json:"account"`
		Sealed  string `json:"sealed"`
	}{account.Name, source.Sealed}
	return p.print(document, func(w *strings.Builder) {
		fmt.Fprintf(w, "sealed the place's new secret in %s\n", source.Sealed)
		fmt.Fprintln(w, "next: `dm3sync check` tries it; a running agent takes it when it is started again")
	})
}
