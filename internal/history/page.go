package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// pageHead and pageTail are a page's JSON members before and after "messages".
// The messages are written as they are stored: any encoder would change bytes
// that a signature may cover.
type pageHead struct {
	Contact string `json:"contact"`
}

type pageTail struct {
	Provisional bool     `json:"provisional"`
	Reasons     []string `json:"reasons,omitempty"`
	Fetched     int      `json:"fetched"`

	Gaps []engine.Gap `json:"gaps,omitempty"`
}

// WritePage writes page as one JSON document:
//
//	{"contact":"…","messages":[…],"provisional":false,"fetched":0}
//
// with every envelope byte for byte as it is stored.
func WritePage(w io.Writer, contact string, page engine.Page) error {
	head, err := json.Marshal(pageHead{contact})
	if err != nil {
		return fmt.Errorf("history: writing page: %w", err)
	}
	tail, err := json.Marshal(pageTail{page.Provisional, page.Reasons, page.Fetched, page.Gaps})
	if err != nil {
		return fmt.Errorf("history: writing page: %w", err)
	}
	buffer := bufio.NewWriter(w) // keeps the first error for Flush
	_, _ = buffer.Write(head[:len(head)-1])
	_, _ = buffer.WriteString(`,"messages":[`)
	for i, message := range page.Messages {
		if i > 0 {
			_ = buffer.WriteByte(',')
		}
		_, _ = buffer.Write(message.JSON)
	}
	_, _ = buffer.WriteString("],")
	_, _ = buffer.Write(tail[1:])
	_ = buffer.WriteByte('\n')
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("history: writing page: %w", err)
	}
	return nil
}

// ReadPage reads what WritePage wrote. The identities of the messages are
// recomputed.
func ReadPage(r io.Reader) (engine.Page, error) {
	var text struct {
		pageTail
		Messages []json.RawMessage `json:"messages"`
	}
	if err := json.NewDecoder(r).Decode(&text); err != nil {
		return engine.Page{}, fmt.Errorf("history: reading page: %w", err)
	}
	page := engine.Page{Provisional: text.Provisional, Reasons: text.Reasons, Fetched: text.Fetched, Gaps: text.Gaps}
	page.Messages = make([]container.Envelope, 0, len(text.Messages))
	for i, message := range text.Messages {
		envelope, _, err := container.ParseEnvelope(message)
		if err != nil {
			return engine.Page{}, fmt.Errorf("history: reading message %d of the page: %w", i, err)
		}
		page.Messages = append(page.Messages, envelope)
	}
	return page, nil
}
