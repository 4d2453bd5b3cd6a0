package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// leastRate is slow enough for any line, and fast enough that no object takes as
// long as a call that hangs.
const leastRate = 10_000

func (p *program) verifyCommand() *cobra.Command {
	var o engine.VerifyOptions
	var rate string
	command := &cobra.Command{
		Use:   "verify",
		Short: "Compare what is at the provider with what this device knows",
		Long: "Compare what is at the provider with what this device knows. Heads and lists are opened, and the listing must\n" +
			"show every object at a size that can be. With --deep everything is fetched and opened: damaged, swapped, withheld\n" +
			"or rolled-back objects are named. A deep run that was interrupted is gone on with by the next one. Nothing is\n" +
			"changed at the provider; the next pass mends what it can. Code 5 says that problems were found.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var err error
			if o.Rate, err = parseRate(rate); err != nil {
				return usageError{err}
			}
			if !o.Deep && (o.Restart || o.Rate > 0) {
				return usageError{errors.New("--limit-rate and --restart are for --deep")}
			}
			return p.with(command.Context(), func(s *session) error { return p.verify(command.Context(), s, o) })
		},
	}
	command.Flags().BoolVar(&o.Deep, "deep", false, "fetch and open everything")
	command.Flags().BoolVar(&o.Restart, "restart", false, "begin a deep run anew instead of going on with an interrupted one")
	command.Flags().StringVar(&rate, "limit-rate", "", "bytes a second that are fetched at most, like 1MB")
	return command
}

// parseRate reads bytes a second; nothing is no limit.
func parseRate(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	rate, err := humanize.ParseBytes(text)
	if err != nil || rate < leastRate || rate > math.MaxInt64 {
		return 0, fmt.Errorf("--limit-rate %q is no rate; it is a number of bytes a second from %s on, like 500kB or 1MB", text, byteSize(leastRate))
	}
	return int64(rate), nil
}

func (p *program) verify(ctx context.Context, s *session, o engine.VerifyOptions) error {
	shown := p.newProgress()
	v, err := s.Verify(ctx, o, shown.update)
	shown.finish()
	if err != nil {
		return err
	}
	document := struct {
		Account string `json:"account"`
		engine.Verification
	}{s.name, v}
	err = p.print(document, func(w *strings.Builder) {
		if v.Resumed {
			fmt.Fprintln(w, "gone on with an interrupted run")
		}
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
