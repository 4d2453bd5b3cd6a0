package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/access"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
)

func (p *program) tokenCommand() *cobra.Command {
	var fresh bool
	command := &cobra.Command{
		Use:   "token",
		Short: "Print the token with which programs use the interface over loopback",
		Long: "Print the token that programs send as `Authorization: Bearer` to the address of interface.listen. Whoever has it can\n" +
			"read and write everything that the agent can. With --new another one takes its place: the old one is refused at once,\n" +
			"and all browsers have to come in anew with `dm3sync ui`.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.token(command.Context(), fresh) },
	}
	command.Flags().BoolVar(&fresh, "new", false, "replace the token, and end all that came in before")
	return command
}

func (p *program) token(ctx context.Context, fresh bool) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	file := filepath.Join(c.Data, access.TokenName)
	var token string
	if fresh {
		token, err = p.replaceToken(ctx, c, file)
	} else {
		token, err = access.ReadToken(file, rand.Reader)
	}
	if err != nil {
		return err
	}
	if fresh {
		p.note("the old token is refused from now on, and all browsers are out")
	}
	document := struct {
		Token string `json:"token"`
		File  string `json:"file"`
	}{token, file}
	return p.print(document, func(w *strings.Builder) { fmt.Fprintln(w, token) })
}

// replaceToken asks the agent, which has to forget the old one. Where none runs
// the file is enough; an agent that starts meanwhile may have read the old one,
// and is asked then.
func (p *program) replaceToken(ctx context.Context, c *config.Config, file string) (string, error) {
	token, err := askForToken(ctx, c)
	if !errors.Is(err, api.ErrNoAgent) {
		return token, err
	}
	if token, err = access.NewToken(file, rand.Reader); err != nil {
		return "", err
	}
	newer, err := askForToken(ctx, c)
	if errors.Is(err, api.ErrNoAgent) {
		return token, nil
	}
	return newer, err
}

func askForToken(ctx context.Context, c *config.Config) (string, error) {
	client, err := agent.Dial(c.Socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }() // it always succeeds
	return client.ReplaceToken(ctx)
}
