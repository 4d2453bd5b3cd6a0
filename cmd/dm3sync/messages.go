package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// defaultLast is how many messages are shown when no range is asked for.
const defaultLast = 50

func (p *program) messagesCommand() *cobra.Command {
	var from, to string
	var last int
	var hashes bool
	command := &cobra.Command{
		Use:   "messages NAME",
		Short: "Show messages of one conversation",
		Long: "Show messages of the conversation with NAME. Times can be 2026-01-31 or 2026-01-31T15:04 (local time), RFC 3339,\n" +
			"Unix milliseconds, or a time before now such as 12h, 7d, 2w. --to is exclusive. Without any range, the newest 50.",
		Args: one("the NAME of a conversation", listsThem),
		RunE: func(command *cobra.Command, arguments []string) error {
			contact, err := identity.Normalize(arguments[0])
			if err != nil || contact == "" {
				return usagef("%q is no dm3 name", arguments[0])
			}
			r, err := p.parseRange(from, to, last)
			if err != nil {
				return err
			}
			return p.with(command.Context(), func(s *session) error {
				page, err := s.Messages(command.Context(), contact, r)
				if err != nil {
					return err
				}
				if len(page.Messages) == 0 && !p.json {
					return p.tellNone(command.Context(), s, contact)
				}
				return p.printMessages(contact, page, hashes)
			})
		},
	}
	p.fileFlag(command)
	command.Flags().StringVar(&from, "from", "", "from this `TIME` on")
	command.Flags().StringVar(&to, "to", "", "before this `TIME`")
	command.Flags().BoolVar(&hashes, "hashes", false, "each with its hash, by which it can be deleted")
	command.Flags().IntVar(&last, "last", 0, "only the newest, so many as this `NUMBER` says")
	return command
}

// tellNone says why there is nothing to show.
func (p *program) tellNone(ctx context.Context, s *session, contact string) error {
	list, err := s.Conversations(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Contact == contact && c.Messages+c.Pending > 0 {
			p.note("no messages with %s in this range; the first is of %s, the last of %s", plain(contact), when(c.First), when(c.Last))
			return nil
		}
	}
	p.note("no messages with %s are known here; `dm3sync conversations` lists whom there are messages with", plain(contact))
	return nil
}

func (p *program) parseRange(from, to string, last int) (r engine.Range, err error) {
	if last < 0 {
		return r, usagef("--last %d: must not be negative", last)
	}
	if from == "" && to == "" && last == 0 {
		last = defaultLast
	}
	r, err = p.parseTimes(from, to)
	r.Last = last
	return r, err
}

// parseTimes reads a range of time; an empty end is open.
func (p *program) parseTimes(from, to string) (r engine.Range, err error) {
	if from != "" {
		if r.From, err = parseMoment(from, p.now()); err != nil {
			return r, usagef("--from: %w", err)
		}
	}
	if to != "" {
		if r.To, err = parseMoment(to, p.now()); err != nil {
			return r, usagef("--to: %w", err)
		}
		if r.To <= r.From {
			return r, usagef("--to must lie after --from")
		}
	}
	return r, nil
}

func (p *program) printMessages(contact string, page engine.Page, hashes bool) error {
	if p.json {
		p.printed = true
		return history.WritePage(p.out, contact, page)
	}
	if page.Provisional {
		p.note("provisional, something may be missing or change: %s", reason(strings.Join(page.Reasons, "; ")))
	}
	return p.print(nil, func(w *strings.Builder) {
		for _, envelope := range page.Messages {
			if hashes {
				fmt.Fprintf(w, "%s  ", envelope.Hash)
			}
			writeMessage(w, envelope)
		}
	})
}

// writeMessage writes one message for people. Whatever does not fit upstream's
// schema is shown as far as it can be: --json has the whole of it.
func writeMessage(w *strings.Builder, envelope container.Envelope) {
	var fields struct {
		Message struct {
			Message  string `json:"message"`
			Metadata struct {
				From string `json:"from"`
				Type string `json:"type"`
			} `json:"metadata"`
			Attachments []json.RawMessage `json:"attachments"`
		} `json:"message"`
	}
	_ = json.Unmarshal(envelope.JSON, &fields) // fields of other types stay empty
	m := fields.Message
	lines := strings.Split(strings.ReplaceAll(m.Message, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	text := strings.Join(lines, "\n    ")
	if m.Metadata.Type != "NEW" {
		text = "[" + plain(m.Metadata.Type) + "] " + text
	}
	text = distrust(bridge.ReadNotes(envelope)) + text
	if n := len(m.Attachments); n > 0 {
		text += " [" + plural(n, "attachment") + "]"
	}
	fmt.Fprintf(w, "%s  %s: %s\n", when(envelope.Timestamp), plain(m.Metadata.From), text)
}
