package api

import (
	"context"
	"net/http"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
)

const pathDeletions = pathConversation + "/deletions"

// maxHashes bounds the messages that one deletion names.
const maxHashes = 10_000

// addDeletions adds the deletion of messages.
func (s *service) addDeletions() {
	add(s, operation{
		id: "delete-messages", method: http.MethodPost, path: pathDeletions, tag: "messages",
		summary: "Delete messages for ever, or only count them",
		about: "They go from all devices and from the place. With dry_run, nothing changes and the answer says what would go. It is\n" +
			"durable here when it is answered. Name hashes, or a range, or all; a hash that no message has stands in unknown,\n" +
			"and nothing is deleted then. What could not be read is not deleted: provisional and reasons say so.",
		problems: []string{"name", "selection", "journal-full", "disk-full", "disk-read-only", "transient", "unauthorised", "rate-limited"},
		limits:   map[string]any{"hashes": maxHashes},
	}, s.deleteMessages)
}

type deletionInput struct {
	ConversationPath
	Body struct {
		Hashes []container.MessageHash `json:"hashes,omitempty" maxItems:"10000" nullable:"false" doc:"The messages with these hashes"`
		From   int64                   `json:"from,omitempty" minimum:"0" doc:"Messages from this time on, in milliseconds since 1970"`
		To     int64                   `json:"to,omitempty" minimum:"0" doc:"Messages before this time; 0 is no end"`
		All    bool                    `json:"all,omitempty" doc:"All messages of the conversation"`
		DryRun bool                    `json:"dry_run,omitempty" doc:"Count, and change nothing"`
	}
}

type deletionOutput struct{ Body history.Deletion }

func (s *service) deleteMessages(ctx context.Context, in *deletionInput) (*deletionOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	deletion, err := account.Delete(ctx, history.Selection{
		Contact: in.Contact, Hashes: b.Hashes, From: b.From, To: b.To, All: b.All, DryRun: b.DryRun,
	})
	return &deletionOutput{deletion}, err
}
