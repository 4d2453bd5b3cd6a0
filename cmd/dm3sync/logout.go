package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/login"
)

func (p *program) logoutCommand() *cobra.Command {
	o := &login.LogoutOptions{}
	var mirror string
	command := &cobra.Command{
		Use:   "logout drive",
		Short: "Revoke the login to the account's place and forget its token",
		Long: "Ask the server to end the login, then remove the token from this machine. When the server can't be told, the token\n" +
			"stays, unless --force is given. Google ends all logins of one client at once: use --local where other devices of\n" +
			"yours share the client id. What the place keeps is not touched, and what waits stays in the journal.",
		Args:      placeOfLogin,
		ValidArgs: []string{config.KindDrive},
		RunE: func(command *cobra.Command, _ []string) error {
			return p.withLogin(mirror, func(account *config.Account, l *login.Login) error {
				return p.logout(command.Context(), account, l, *o)
			})
		},
	}
	command.Flags().BoolVar(&o.Force, "force", false, "remove the token here even when the server can't be told")
	command.Flags().BoolVar(&o.Local, "local", false, "only forget the token here, and tell the server nothing")
	command.Flags().StringVar(&mirror, "mirror", "", "log out of the mirror of this `NAME`, in the place of the account's own place")
	return command
}

func (p *program) logout(ctx context.Context, account *config.Account, l *login.Login, o login.LogoutOptions) error {
	result, err := l.Logout(ctx, o)
	if err != nil {
		return err
	}
	if result.Untold != nil {
		p.warn(fmt.Sprintf("the server may still take this login: %v", result.Untold))
	}
	document := struct {
		Account string `json:"account"`
		Place   string `json:"place"`
		Removed bool   `json:"removed"`
		Revoked bool   `json:"revoked"`
	}{account.Name, account.Provider.Kind, result.Removed, result.Revoked}
	return p.print(document, func(w *strings.Builder) {
		switch {
		case !result.Removed:
			fmt.Fprintf(w, "%s was not logged in\n", account.Name)
		case result.Revoked:
			fmt.Fprintf(w, "%s is logged out: the login was revoked, and its token is gone\n", account.Name)
		default:
			fmt.Fprintf(w, "%s is logged out here: the token is gone, but the login was not revoked\n", account.Name)
		}
	})
}
