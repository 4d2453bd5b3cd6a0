package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fileFlag adds --file to a verb that reads.
func (p *program) fileFlag(command *cobra.Command) {
	command.Flags().StringVar(&p.file, "file", "", "read this `FILE` of `dm3sync export` instead of the place and the cache")
}

// openFile opens the account that the flags name on a file: without its agent, its cache, and its provider.
func (p *program) openFile(ctx context.Context, path string) (*session, error) {
	c, account, err := p.chosen()
	if err != nil {
		return nil, err
	}
	opened, err := agent.OpenFile(ctx, *account, path, agent.AccountOptions{Config: c, Warn: p.warn, Attempts: 1})
	if err != nil {
		return nil, err
	}
	s := &session{Account: opened, name: account.Name, close: opened.Close}
	if status, err := s.Status(ctx); err != nil || status.Heads == 0 {
		return nil, errors.Join(fmt.Errorf("%s: nothing in it can be read with the key of %s: it is empty, cut off, or of another account or key", path, account.Name), err, s.close())
	}
	return s, nil
}

// importPage is how many messages are read and appended at a time.
const importPage = 500

// appendResult is what an import from another account did.
type appendResult struct {
	Account       string `json:"account"`
	From          string `json:"from"`
	File          string `json:"file"`
	Conversations int    `json:"conversations"`
	Messages      int    `json:"messages"` // in the file
	Appended      int    `json:"appended"` // of them, those that were not there
	Rejected      int    `json:"rejected"`
	Provisional   int    `json:"provisional"` // conversations of the file with something that can't be read
}

// importFrom appends the messages of a file of another account. What is there already is left out, and what was deleted
// stays so.
func (p *program) importFrom(ctx context.Context, s *session, from, path, name string) (err error) {
	to := p.account
	p.account = from
	source, err := p.openFile(ctx, path)
	p.account = to
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	result := appendResult{Account: s.name, From: source.name, File: name}
	err = p.showing(ctx, s, activity.JobImport, importing(name), func(progress func(engine.Progress)) error {
		return importConversations(ctx, source, s, &result, progress)
	})
	if err != nil {
		return err
	}
	err = p.print(result, func(w *strings.Builder) {
		fmt.Fprintf(w, "%s of %s: %s in %s; %d appended\n", plain(name), result.From, plural(result.Messages, "message"), plural(result.Conversations, "conversation"), result.Appended)
		if result.Rejected > 0 {
			fmt.Fprintf(w, "%s not taken: too large for this account; raise chunk_size\n", plural(result.Rejected, "message"))
		}
		if result.Provisional > 0 {
			fmt.Fprintf(w, "%s not read whole; `dm3sync verify --file` says why\n", plural(result.Provisional, "conversation"))
		}
	})
	switch {
	case err != nil:
		return err
	case result.Rejected > 0:
		return errRejected
	case result.Provisional > 0:
		return errProblems
	}
	return nil
}

// importConversations appends what the account lacks of each conversation, and uploads it.
func importConversations(ctx context.Context, source, to *session, result *appendResult, progress func(engine.Progress)) error {
	list, err := source.Conversations(ctx)
	if err != nil {
		return err
	}
	done := func(n int) {
		progress(engine.Progress{Step: "import", Done: int64(n), Total: int64(len(list)), Unit: "conversations"})
	}
	for i, conversation := range list {
		done(i)
		if err := importConversation(ctx, source, to, conversation.Contact, result); err != nil {
			return err
		}
		result.Conversations++
	}
	if _, err := to.Sync(ctx, engine.Work{Settle: true}, progress); err != nil {
		return fmt.Errorf("uploading what was imported: %w", err)
	}
	done(len(list))
	return nil
}

// importConversation goes through a conversation from its newest message to its oldest.
func importConversation(ctx context.Context, source, to *session, contact string, result *appendResult) error {
	provisional := false
	seen := make(map[container.MessageHash]bool) // of the last page: its first moment is read again
	for before, size := int64(math.MaxInt64), importPage; ; {
		page, err := source.Messages(ctx, contact, engine.Range{To: before, Last: size})
		if err != nil {
			return err
		}
		provisional = provisional || page.Provisional
		full := len(page.Messages) == size
		var fresh []container.Envelope
		now := make(map[container.MessageHash]bool)
		for _, envelope := range page.Messages {
			if now[envelope.Hash] = true; !seen[envelope.Hash] {
				fresh = append(fresh, envelope)
			}
		}
		if err := appendFresh(ctx, to, contact, fresh, result); err != nil {
			return err
		}
		if !full {
			break
		}
		first := page.Messages[0].Timestamp
		if first+1 >= before { // all of one moment
			size *= 2
			continue
		}
		before, seen, size = first+1, now, importPage
	}
	if provisional {
		result.Provisional++
	}
	return nil
}

// appendFresh appends those messages that a conversation does not show.
func appendFresh(ctx context.Context, to *session, contact string, messages []container.Envelope, result *appendResult) error {
	if len(messages) == 0 {
		return nil
	}
	result.Messages += len(messages)
	r := engine.Range{From: messages[0].Timestamp, To: messages[len(messages)-1].Timestamp + 1}
	there, err := to.Messages(ctx, contact, r)
	if err != nil && !errors.Is(err, engine.ErrNoConversation) {
		return err
	}
	known := make(map[container.MessageHash][]byte)
	for _, envelope := range there.Messages {
		known[envelope.Hash] = envelope.JSON
	}
	lines := &bytes.Buffer{}
	for _, envelope := range messages {
		if !bytes.Equal(known[envelope.Hash], envelope.JSON) {
			lines.Write(envelope.JSON)
			lines.WriteByte('\n')
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	summary, err := to.Append(ctx, lines, history.AppendOptions{Contact: contact})
	result.Appended += summary.Accepted
	result.Rejected += summary.Rejected
	return err
}
