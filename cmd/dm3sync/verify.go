package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// leastRate is slow enough for any line, and fast enough that no object takes as
// long as a call that hangs.
const leastRate = 10_000

func (p *program) verifyCommand() *cobra.Command {
	var o engine.VerifyOptions
	var rate, mirror string
	command := &cobra.Command{
		Use:   "verify",
		Short: "Compare what is at the place with what this device knows",
		Long: "Compare what is at the place with what this device knows. The devices' notes of what they wrote (heads) and the lists\n" +
			"are opened, and the place must show every object at a size that can be. With --deep everything is fetched and opened:\n" +
			"damaged, swapped, withheld or rolled-back objects are named. A deep run that was interrupted is gone on with by the next\n" +
			"one. Nothing is changed at the place; the next pass mends what it can. Code 5 says that problems were found.\n\n" +
			"The result counts objects, and what is in them: heads, conversations, chunks (stretches of a conversation), states (sealed\n" +
			"parts of a list or a chunk) and messages.\n\n" +
			"With --file, a file of `dm3sync export` is looked at instead: all of it is read and compared with its checksums, then\n" +
			"what it holds is opened.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			var err error
			if o.Rate, err = parseRate(rate); err != nil {
				return usageError{err}
			}
			if !o.Deep && (o.Restart || o.Rate > 0) {
				return usageError{errors.New("--limit-rate and --restart are for --deep")}
			}
			switch {
			case p.file != "" && mirror != "":
				return usageError{errors.New("--file and --mirror exclude each other")}
			case p.file != "":
				return p.verifyFile(command.Context(), o)
			case mirror != "":
				return p.verifyMirror(command.Context(), mirror, o)
			}
			return p.with(command.Context(), func(s *session) error { return p.verify(command.Context(), s, o, nil) })
		},
	}
	p.fileFlag(command)
	command.Flags().BoolVar(&o.Deep, "deep", false, "fetch and open everything")
	command.Flags().BoolVar(&o.Restart, "restart", false, "begin a deep run anew instead of going on with an interrupted one")
	command.Flags().StringVar(&mirror, "mirror", "", "compare the mirror of this `NAME` with the account, with --deep byte by byte, and mend it")
	command.Flags().StringVar(&rate, "limit-rate", "", "bytes a second (`SIZE`) that are fetched at most, like 1MB")
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

// verifyFile looks through a file, and then through the tree that it holds.
func (p *program) verifyFile(ctx context.Context, o engine.VerifyOptions) error {
	shown := p.newProgress()
	found, err := archive.Verify(ctx, p.file, func(done, total int64) {
		shown.update(engine.Progress{Step: "checksums", Done: done, Total: total, Unit: "bytes"})
	})
	shown.finish()
	if err != nil {
		return err
	}
	err = p.with(ctx, func(s *session) error { return p.verify(ctx, s, o, &found) })
	if err != nil && !errors.Is(err, errProblems) && !p.json { // its tree can't even be opened
		text := &strings.Builder{}
		writeFindings(text, &found)
		p.note("%s", strings.TrimSpace(text.String()))
	}
	return err
}

// verify prints what is found at the provider, beside what was found in a file that takes its place.
func (p *program) verify(ctx context.Context, s *session, o engine.VerifyOptions, file *archive.Findings) error {
	shown := p.newProgress()
	v, err := s.Verify(ctx, o, shown.update)
	shown.finish()
	if err != nil {
		return err
	}
	document := struct {
		Account string `json:"account"`
		engine.Verification
		File *archive.Findings `json:"file,omitempty"`
	}{s.name, v, file}
	err = p.print(document, func(w *strings.Builder) {
		if v.Resumed {
			fmt.Fprintln(w, "gone on with an interrupted run")
		}
		fmt.Fprintf(w, "%s (%s): %s, %s, %s, %s, %s\n", plural(v.Objects, "object"), humanize.Bytes(uint64(max(v.Bytes, 0))),
			plural(v.Heads, "head"), plural(v.Conversations, "conversation"), plural(v.Chunks, "chunk"), plural(v.States, "state"), plural(v.Messages, "message"))
		for _, problem := range v.Problems {
			fmt.Fprintf(w, "problem: %s %s %s: %s\n", problem.Kind, problem.Object, plain(problem.Contact), problemDetail(problem))
		}
		writeFindings(w, file)
		if len(v.Problems) == 0 && !damaged(file) {
			fmt.Fprintln(w, "no problems")
		}
	})
	if err == nil && (len(v.Problems) > 0 || damaged(file)) {
		return errProblems
	}
	return err
}

func damaged(file *archive.Findings) bool { return file != nil && len(file.Damaged) > 0 }

// writeFindings says what the checksums of a file tell; nil is no file.
func writeFindings(w *strings.Builder, file *archive.Findings) {
	if file == nil {
		return
	}
	fmt.Fprintf(w, "file: %s, %s, %s of no use any more\n", plural(file.Objects, "object"), humanize.Bytes(uint64(file.Bytes)), humanize.Bytes(uint64(file.Idle)))
	if file.Torn > 0 {
		fmt.Fprintf(w, "its last %s were not written whole; the next export goes on from there\n", humanize.Bytes(uint64(file.Torn)))
	}
	for _, part := range file.Damaged {
		fmt.Fprintf(w, "problem: damaged %s at %d, %s: %s\n", part.Name, part.Offset, plural(part.Length, "byte"), part.Detail)
	}
	if damaged(file) {
		fmt.Fprintln(w, "`dm3sync export --compact` to this file writes anew what is damaged, as far as the account still has it")
	}
}
