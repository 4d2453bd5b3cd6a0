package display

import (
	"fmt"

	"github.com/dm3sync/dm3sync/internal/thread"
)

// Label says what an entry is that is no ordinary message, in words of ours; "" for a message.
func Label(kind thread.Kind, why thread.Why) string {
	if kind == thread.KindResend {
		return "request to send a message again"
	}
	about := map[thread.Why]string{
		thread.NoTarget:  " a message that is not here",
		thread.NotAuthor: " what somebody else wrote, which does not count",
		thread.NoEffect:  " something that can't have it",
	}[why]
	what := map[thread.Kind]string{
		thread.KindEdit: "edit of", thread.KindDelete: "deletion of", thread.KindReaction: "reaction to", thread.KindReply: "answer to",
		thread.KindReceived: "receipt (arrived) for", thread.KindOpened: "receipt (seen) for",
	}[kind]
	if about == "" || what == "" {
		return ""
	}
	return what + about
}

// Plural is "1 message" or "7 messages".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
