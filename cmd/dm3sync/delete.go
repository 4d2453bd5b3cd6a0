package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// errDeclined is the answer no, or none.
var errDeclined = errors.New("nothing was deleted")

// deleteFlags are the flags of delete.
type deleteFlags struct {
	conversation, dryRun, yes, upload bool
	from, to                          string
}

func (p *program) deleteCommand() *cobra.Command {
	var flags deleteFlags
	command := &cobra.Command{
		Use:   "delete NAME [HASH]...",
		Short: "Delete messages of one conversation, or all of it, for ever",
		Long: "Delete messages of the conversation with NAME for ever, on all devices: those with the given hashes (`messages --hashes`\n" +
			"shows them), those of a range of time (--from, --to, as `messages` takes them), or all (--conversation).\n\n" +
			"It asks first; without a terminal it wants --yes. The messages are gone from view at once. Their bytes leave the place\n" +
			"some time (delete_grace, 1h unless set otherwise) after the next pass, with a pass of the agent or a `dm3sync sync`.\n" +
			"What others hold stays: the other side's copies and their delivery service's, exports, backups, old versions of a bucket.",
		Args: some("the NAME of a conversation is missing", listsThem),
		RunE: func(command *cobra.Command, arguments []string) error {
			selection, err := p.selection(arguments[0], arguments[1:], &flags)
			if err != nil {
				return err
			}
			return p.with(command.Context(), func(s *session) error {
				return p.deleteFrom(command.Context(), s, selection, &flags)
			})
		},
	}
	command.Flags().BoolVar(&flags.conversation, "conversation", false, "all messages of the conversation")
	command.Flags().StringVar(&flags.from, "from", "", "from this `TIME` on")
	command.Flags().StringVar(&flags.to, "to", "", "before this `TIME`")
	command.Flags().BoolVar(&flags.dryRun, "dry-run", false, "say what would be deleted, and change nothing")
	command.Flags().BoolVar(&flags.yes, "yes", false, "don't ask")
	command.Flags().BoolVar(&flags.upload, "sync", false, "upload the deletion at once")
	return command
}

// selection reads what is to be deleted: exactly one way of naming it.
func (p *program) selection(name string, hashes []string, flags *deleteFlags) (s history.Selection, err error) {
	if s.Contact, err = identity.Normalize(name); err != nil || s.Contact == "" {
		return s, usagef("%q is no dm3 name", name)
	}
	ways := 0
	for _, given := range []bool{len(hashes) > 0, flags.conversation, flags.from != "" || flags.to != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return s, usagef("say what to delete, in one way: hashes of messages, a range with --from or --to, or --conversation")
	}
	for _, text := range hashes {
		hash, err := container.ParseMessageHash(text)
		if err != nil {
			return s, usagef("%q is no hash of a message: 0x and 64 hex digits", text)
		}
		s.Hashes = append(s.Hashes, hash)
	}
	r, err := p.parseTimes(flags.from, flags.to)
	s.From, s.To, s.All = r.From, r.To, flags.conversation
	return s, err
}

// deleteFrom counts, asks, and deletes what was counted.
func (p *program) deleteFrom(ctx context.Context, s *session, selection history.Selection, flags *deleteFlags) error {
	grace, err := p.grace()
	if err != nil {
		return err
	}
	selection.DryRun = true
	found, err := s.Delete(ctx, selection)
	if err != nil {
		return err
	}
	if len(found.Unknown) > 0 {
		return fmt.Errorf("no message of %s has the hash %s; nothing was deleted", plain(selection.Contact), found.Unknown[0])
	}
	if found.Provisional {
		p.note("some messages can't be read now, and stay: %s", plain(strings.Join(found.Reasons, "; ")))
	}
	if flags.dryRun || found.Messages == 0 {
		return p.printDeletion(s, &deletionResult{Contact: selection.Contact, Deletion: found, DryRun: true}, grace)
	}
	if !flags.yes {
		if err := p.confirm(question(selection.Contact, found, grace)); err != nil {
			return err
		}
	}
	kept := func(from, to int64) map[string]bool {
		kept, err := p.keptAttachments(ctx, s, selection.Contact, from, to)
		if err != nil {
			p.note("attachments of these messages may be kept on this device, which could not be found out: %s", reason(err.Error()))
		}
		return kept
	}
	before := kept(found.First, found.Last+1)
	selection.DryRun = false
	if len(selection.Hashes) == 0 {
		selection.From, selection.To = found.First, found.Last+1 // nothing that came meanwhile
	}
	done, err := s.Delete(ctx, selection)
	if err != nil {
		return fmt.Errorf("after %s: %w", plural(done.Messages, "message"), err)
	}
	if flags.upload {
		if _, err := s.Sync(ctx, engine.Work{Settle: true}, nil); err != nil {
			return fmt.Errorf("deleted on this device, not uploaded yet: %w", err)
		}
	}
	result := &deletionResult{Contact: selection.Contact, Deletion: done}
	if len(before) > 0 {
		after := kept(0, 0) // other messages may refer to the same
		maps.DeleteFunc(before, func(uri string, _ bool) bool { return after[uri] })
		result.Attachments = len(before)
	}
	return p.printDeletion(s, result, grace)
}

// grace is how long bytes stay at the provider.
func (p *program) grace() (time.Duration, error) {
	_, account, err := p.chosen()
	if err != nil {
		return 0, err
	}
	return account.Grace(), nil
}

// question says what is about to happen, and what is not.
func question(contact string, found history.Deletion, grace time.Duration) string {
	return fmt.Sprintf("Delete %s of the conversation with %s, from %s to %s?\n"+
		"They go from all devices of this account, and nobody can bring them back.\n"+
		"Their bytes leave the place %s.\n"+
		"Copies that others hold stay: those of the other side and of delivery services, exports, backups, old versions of a bucket.\n"+
		"Delete? [y/N] ", plural(found.Messages, "message"), plain(contact), when(found.First), when(found.Last), afterGrace(grace))
}

func afterGrace(grace time.Duration) string {
	if grace <= 0 {
		return "with the next pass"
	}
	return "with the first pass that comes " + span(grace) + " after the next one"
}

// confirm asks on the terminal. Without one nobody can answer, so it wants --yes.
func (p *program) confirm(question string) error {
	unasked := usagef("nobody can be asked here; nothing was deleted; to delete without a question, use --yes")
	if !p.canAsk() {
		return unasked
	}
	_, _ = fmt.Fprint(p.err, question) // when that fails, there is no terminal, and no answer
	return readAnswer(p.in, unasked)
}

// readAnswer takes one line; yes is nil. Where there is no line, it is unasked.
func readAnswer(r io.Reader, unasked error) error {
	line, err := bufio.NewReader(r).ReadString('\n')
	switch answer := strings.ToLower(strings.TrimSpace(line)); {
	case answer == "y" || answer == "yes":
		return nil
	case line == "" && err != nil:
		return unasked
	}
	return errDeclined
}

// deletionResult is what a deletion did.
type deletionResult struct {
	Contact string `json:"contact"`
	history.Deletion
	DryRun      bool   `json:"dry_run"`
	DeleteGrace string `json:"delete_grace"`
	// Attachments are those that the messages referred to, and of which this device still keeps copies.
	Attachments int `json:"attachments,omitempty"`
}

func (p *program) printDeletion(s *session, d *deletionResult, grace time.Duration) error {
	d.DeleteGrace = grace.String()
	return p.print(d, func(w *strings.Builder) {
		switch {
		case d.Messages == 0:
			fmt.Fprintln(w, "no such message is known here; nothing was deleted")
		case d.DryRun:
			fmt.Fprintf(w, "%s would be deleted, from %s to %s\n", plural(d.Messages, "message"), when(d.First), when(d.Last))
		default:
			fmt.Fprintf(w, "%s deleted, from %s to %s; the bytes leave the place %s\n",
				plural(d.Messages, "message"), when(d.First), when(d.Last), afterGrace(grace))
			if !s.byAgent {
				fmt.Fprintln(w, "other devices learn of it with `dm3sync sync`, or from a running agent")
			}
			if d.Attachments > 0 {
				fmt.Fprintf(w, "this device keeps %s of them; `dm3sync fetch-attachments --prune` removes what no message refers to any more\n", plural(d.Attachments, "fetched attachment"))
			}
		}
	})
}
