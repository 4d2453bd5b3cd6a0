package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read, open and compare everything at the provider",
		Long: "Read, open and compare everything at the provider with what this device knows: damaged, swapped, withheld or\n" +
			"rolled-back objects are named. It changes nothing. Code 5 says that problems were found.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.with(command.Context(), func(s *session) error { return p.verify(command.Context(), s) })
		},
	}
}

func (p *program) verify(ctx context.Context, s *session) error {
	shown := p.newProgress()
	v, err := s.Verify(ctx, shown.update)
	shown.finish()
	if err != nil {
		return err
	}
	document := struct {
		Account string `json:"account"`
		engine.Verification
	}{s.name, v}
	err = p.print(document, func(w *strings.Builder) {
		fmt.Fprintf(w, "%s (%s): %s, %s, %s, %s, %s\n", plural(v.Objects, "object"), humanize.Bytes(uint64(max(v.Bytes, 0))),
			plural(v.Heads, "head"), plural(v.Conversations, "conversation"), plural(v.Chunks, "chunk"), plural(v.States, "state"), plural(v.Messages, "message"))
		for _, problem := range v.Problems {
			fmt.Fprintf(w, "problem: %s %s %s: %s\n", problem.Kind, problem.Object, plain(problem.Contact), plain(problem.Detail))
		}
		if len(v.Problems) == 0 {
			fmt.Fprintln(w, "no problems")
		}
	})
	if err == nil && len(v.Problems) > 0 {
		return errProblems
	}
	return err
}
