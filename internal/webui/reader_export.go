package webui

import (
	"bufio"
	"fmt"
	"net/http"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/history"
)

// exportRecords is how many records an export reads together.
const exportRecords = 500

// conversationExport sends all records of a conversation, byte for byte, one a line, as `dm3sync import` takes them. When
// something can't be read the answer breaks off, so that the browser says that the file is not whole.
func (s *Site) conversationExport(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	if err := c.known(r.Context()); err != nil {
		return err
	}
	next := cursorAt(place{})
	out := bufio.NewWriterSize(w, 64<<10)
	for begun := false; next != ""; begun = true {
		found, err := c.account.Read(r.Context(), c.contact, history.ReadOptions{After: next, Limit: exportRecords})
		if err == nil && found.Provisional {
			err = fmt.Errorf("%w: some messages can't be read now, so a file would not be whole: %s", api.ErrRequest, display.Excerpt(firstOf(found.Reasons), textLetters))
		}
		if err != nil && !begun {
			return err
		}
		if err != nil {
			s.o.Log.Warn("an export broke off", "error", err)
			panic(http.ErrAbortHandler)
		}
		if !begun {
			download(w, "application/x-ndjson", display.Harmless(c.contact)+".jsonl", 0)
		}
		writeRecords(out, found.Messages)
		if out.Flush() != nil {
			return nil //nolint:nilerr // the browser left
		}
		next = found.Newer
	}
	return nil
}

func writeRecords(out *bufio.Writer, records []container.Envelope) {
	for i := range records {
		_, _ = out.Write(records[i].JSON) // Flush tells
		_ = out.WriteByte('\n')
	}
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
