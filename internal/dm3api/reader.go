package dm3api

import (
	"context"
	"iter"
)

// mostSweeps bounds how often a listing is read from its beginning because something moved.
const mostSweeps = 4

// mostDoubles is how many entries more than twice those that were seen a server may give before its pages are taken to be
// without an end.
const mostDoubles = 10_000

// Messages yields every record of a conversation once, page by page until one is empty. Records that come meanwhile shift
// the pages, so what comes again is left out; where the server counts more than were seen, the pages are read again. An
// error is yielded once, last.
func (c *Client) Messages(ctx context.Context, contact string, pageSize int) iter.Seq2[Message, error] {
	return sweep(func(offset int) ([]Message, error) {
		return c.MessagesPage(ctx, contact, Page{Size: pageSize, Offset: offset})
	}, func(m Message) string { return m.ID }, func(seen, _ int) (bool, error) {
		number, err := c.NumberOfMessages(ctx, contact)
		return number > seen, err
	})
}

// Conversations yields every visible conversation once. One that is written to meanwhile moves to the front, so the pages
// are read until nothing new comes of it. An error is yielded once, last.
func (c *Client) Conversations(ctx context.Context, pageSize int) iter.Seq2[Conversation, error] {
	return sweep(func(offset int) ([]Conversation, error) {
		return c.ConversationsPage(ctx, Page{Size: pageSize, Offset: offset})
	}, func(v Conversation) string { return v.Contact }, func(_, fresh int) (bool, error) { return fresh > 0, nil })
}

// sweep reads pages until one is empty, and again as long as more says so of how many were seen in all and newly.
func sweep[T any](page func(offset int) ([]T, error), key func(T) string, more func(seen, fresh int) (bool, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		seen := make(map[string]bool)
		for range mostSweeps {
			fresh, read := 0, 0
			for offset := 0; read <= 2*len(seen)+mostDoubles; offset++ {
				entries, err := page(offset)
				if err != nil {
					yield(none, err)
					return
				}
				read += len(entries)
				for _, entry := range entries {
					if seen[key(entry)] {
						continue
					}
					seen[key(entry)] = true
					fresh++
					if !yield(entry, nil) {
						return
					}
				}
				if len(entries) == 0 {
					break
				}
			}
			again, err := more(len(seen), fresh)
			if err != nil {
				yield(none, err)
				return
			}
			if !again {
				return
			}
		}
	}
}
