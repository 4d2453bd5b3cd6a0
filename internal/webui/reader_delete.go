package webui

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// deletionData is the question before a deletion, and what is answered after it.
type deletionData struct {
	Path, Contact string
	Hash          string // of one message, in hex
	From, To      string // days, To included
	All           bool
	Way           string // "message", "range" or "all"

	Counted     bool
	Messages    int
	First, Last string
	Start, End  int64 // what was counted: a deletion takes nothing that came since
	Sample      string
	Provisional bool
	Reasons     []string
	None        bool
	Wrong       string // what can't be understood
}

// deletionOf reads which messages a form names: one by its hash, those of some days, or all. Wrong is what can't be understood.
func (c *reader) deletionOf(r *http.Request) (data *deletionData, s history.Selection, err error) {
	data = &deletionData{Path: c.path(""), Contact: c.contact, Hash: r.FormValue("hash"), From: r.FormValue("from"), To: r.FormValue("to"), Way: r.FormValue("way")}
	s.Contact = c.contact
	switch data.Way {
	case "message":
		hash, ok := hashOf(data.Hash)
		if !ok {
			return nil, s, errNoPage
		}
		s.Hashes = []container.MessageHash{hash}
	case "range":
		from, errFrom := time.ParseInLocation(time.DateOnly, data.From, c.in)
		to, errTo := time.ParseInLocation(time.DateOnly, data.To, c.in)
		if errFrom != nil || errTo != nil || to.Before(from) {
			data.Wrong = "Say both days; the first must not be after the last."
			return data, s, nil //nolint:nilerr // the page says so
		}
		s.From, s.To = max(from.UnixMilli(), 0), max(to.AddDate(0, 0, 1).UnixMilli(), 1)
	case "all":
		s.All, data.All = true, true
	case "":
	default:
		return nil, s, fmt.Errorf("%w: there is no such way to delete", api.ErrRequest)
	}
	return data, s, nil
}

// askDeletion counts what would be deleted and asks, as the verb does. It changes nothing.
func (s *Site) askDeletion(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	data, selection, err := c.deletionOf(r)
	if err != nil {
		return err
	}
	if data.Way != "" && data.Wrong == "" {
		selection.DryRun = true
		found, err := c.account.Delete(r.Context(), selection)
		if err != nil {
			return err
		}
		if len(found.Unknown) > 0 {
			return history.ErrNoMessage
		}
		v := viewer{in: c.in}
		data.Counted, data.Messages, data.None = true, found.Messages, found.Messages == 0
		data.First, data.Last, data.Start, data.End = v.full(found.First), v.full(found.Last), found.First, found.Last+1
		data.Provisional = found.Provisional
		for _, reason := range found.Reasons {
			data.Reasons = append(data.Reasons, display.Excerpt(reason, textLetters))
		}
	}
	return s.render(w, r, "reader_delete.html", view{Title: "Delete messages", Section: "conversations", Data: data})
}

// deleteMessages deletes what was asked about: nothing that came since.
func (s *Site) deleteMessages(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	data, selection, err := c.deletionOf(r)
	if err != nil {
		return err
	}
	if data.Way == "" || data.Wrong != "" || r.FormValue("sure") != "yes" {
		return fmt.Errorf("%w: the question was not answered; nothing was deleted", api.ErrRequest)
	}
	if len(selection.Hashes) == 0 {
		start, errStart := strconv.ParseInt(r.FormValue("start"), 10, 64)
		end, errEnd := strconv.ParseInt(r.FormValue("end"), 10, 64)
		if errStart != nil || errEnd != nil || start < 0 || end <= start {
			return fmt.Errorf("%w: the question was not answered; nothing was deleted", api.ErrRequest)
		}
		selection.From, selection.To, selection.All = max(start, selection.From), end, false
	}
	done, err := c.account.Delete(r.Context(), selection)
	if err != nil {
		if done.Messages > 0 {
			err = fmt.Errorf("after %s: %w", display.Plural(done.Messages, "message"), err)
		}
		return err
	}
	if len(done.Unknown) > 0 {
		return history.ErrNoMessage
	}
	address := c.path("")
	if err := c.known(r.Context()); errors.Is(err, engine.ErrNoConversation) {
		address = "/conversations?account=" + contactKey(c.name) + "&done=deleted"
	} else {
		address += "?done=deleted"
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}
