package webtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// drawn is the time line of a conversation that is listed and holds no messages here: four parts a year, the latest of them on
// this device.
func (a *Account) drawn(contact string) (parts []engine.Stretch, err error) {
	talks := a.talks()
	i := slices.IndexFunc(talks, func(talk engine.Conversation) bool { return talk.Contact == contact })
	if i < 0 {
		return nil, fmt.Errorf("webtest: %w", engine.ErrNoConversation)
	}
	const quarter = 91 * 24 * int64(time.Hour/time.Millisecond)
	talk := talks[i]
	long := talk.Last - talk.First
	count := 1 + long/quarter
	for n := range count {
		first := talk.First + n*long/count
		messages := int64(talk.Messages) * (1 + n%3) / count / 2
		parts = append(parts, engine.Stretch{
			Chunk: fmt.Sprint(n), From: first, To: first + long/count, First: first, Last: first + long/count,
			Messages: messages, Bytes: messages * (400 + 90*(n%4)), Cached: n >= count-2, Fetch: 1,
		})
	}
	return parts, nil
}
