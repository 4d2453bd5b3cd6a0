package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) appendCommand() *cobra.Command {
	var contact string
	var upload bool
	command := &cobra.Command{
		Use:   "append [FILE]...",
		Short: "Take over messages: one envelope a line, from files or the standard input",
		Long: "Take over messages: one dm3 envelope a line (JSON), from files or, without any or for \"-\", from the standard input.\n\n" +
			"When it ends with code 0, every message is durable on this device. With code 3, all but the rejected lines are.\n" +
			"A running agent uploads them soon; without one, run `dm3sync sync`, or use --sync.",
		RunE: func(command *cobra.Command, files []string) error {
			if contact != "" {
				normal, err := identity.Normalize(contact)
				if err != nil {
					return usagef("--contact: %q is no dm3 name", contact)
				}
				contact = normal
			}
			if len(files) == 0 {
				files = []string{"-"}
			}
			return p.with(command.Context(), func(s *session) error {
				return p.append(command.Context(), s, files, contact, upload)
			})
		},
	}
	command.Flags().StringVar(&contact, "contact", "", "put every message into the conversation with this `NAME` (default: the other side of from and to)")
	command.Flags().BoolVar(&upload, "sync", false, "upload at once")
	return command
}

// fileSummary is the result for one input.
type fileSummary struct {
	File string `json:"file"`
	history.Summary
}

// append takes over every file, then says what came of it. The first error that
// is not about single lines ends it; files before it are durable.
func (p *program) append(ctx context.Context, s *session, files []string, contact string, upload bool) error {
	summaries := []fileSummary{}
	var failure error
	for _, file := range files {
		summary, err := p.appendFile(ctx, s, file, contact)
		summaries = append(summaries, fileSummary{file, summary})
		if failure = err; err != nil {
			break
		}
	}
	if upload && failure == nil {
		_, failure = s.Sync(ctx, engine.Work{Settle: true}, nil)
	}
	accepted, rejected := 0, 0
	for _, summary := range summaries {
		accepted += summary.Accepted
		rejected += summary.Rejected
		for _, rejection := range summary.Rejections {
			p.note("%s, line %d: %s", inputName(summary.File), rejection.Line, reason(rejection.Reason))
		}
		if unlisted := summary.Rejected - len(summary.Rejections); unlisted > 0 {
			p.note("%s: and %s more", inputName(summary.File), plural(unlisted, "rejected line"))
		}
	}
	document := struct {
		Accepted int           `json:"accepted"`
		Rejected int           `json:"rejected"`
		Files    []fileSummary `json:"files"`
		Error    string        `json:"error,omitempty"`
	}{accepted, rejected, summaries, errorText(failure)}
	err := p.print(document, func(w *strings.Builder) {
		fmt.Fprintf(w, "%s accepted, %d rejected\n", plural(accepted, "message"), rejected)
		if accepted > 0 && !s.byAgent && !upload {
			fmt.Fprintln(w, "durable on this device; `dm3sync sync` uploads, or a running agent does")
		}
	})
	if failure = errors.Join(failure, err); failure != nil {
		return failure
	}
	if rejected > 0 {
		return errRejected
	}
	return nil
}

func (p *program) appendFile(ctx context.Context, s *session, file, contact string) (history.Summary, error) {
	source := p.in
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return history.Summary{}, err
		}
		defer opened.Close()
		source = opened
	}
	summary, err := s.Append(ctx, source, history.AppendOptions{Contact: contact})
	if err != nil {
		return summary, fmt.Errorf("%s, after %s: %w", inputName(file), plural(summary.Accepted, "message"), err)
	}
	return summary, nil
}

// inputName is a file as it is called in sentences.
func inputName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
