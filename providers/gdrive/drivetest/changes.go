package drivetest

import (
	"fmt"
	"net/http"
	"strconv"
)

// change is one entry of the feed; its place in the list is its cursor. One without a file is skipped.
type change struct {
	file    *entry
	removed bool
}

func (s *Server) startCursor(r *request) *reply {
	if _, _, refused := s.place(r, false); refused != nil {
		return refused
	}
	return masked(r, map[string]any{"kind": "drive#startPageToken", "startPageToken": strconv.Itoa(len(s.changes))}, "", cursorShape)
}

func (s *Server) listChanges(r *request) *reply {
	space, drive, refused := s.place(r, false)
	if refused != nil {
		return refused
	}
	size, refused := pageSize(r)
	if refused != nil {
		return refused
	}
	token := r.Query.Get("pageToken")
	from, err := strconv.Atoi(token)
	if err != nil || from < 0 || from > len(s.changes) {
		return invalid("Invalid Value: pageToken")
	}
	if from < s.oldest {
		return refusal(http.StatusGone, "updatedMinTooLongAgo", fmt.Sprintf("The requested cursor %s is too old.", token))
	}
	all := []any{}
	for ; from < len(s.changes) && len(all) < size; from++ {
		c := s.changes[from]
		if c.file == nil || c.file.hidden || c.file.space != space || drive != "" && c.file.drive != drive || drive == "" && c.file.drive != "" {
			continue
		}
		gone := c.removed || c.file.dead != 0
		entry := map[string]any{"kind": "drive#change", "changeType": "file", "fileId": c.file.id, "removed": gone, "time": c.file.created}
		if !gone {
			entry["file"] = s.resource(c.file)
		}
		all = append(all, entry)
	}
	whole := map[string]any{"kind": "drive#changeList", "changes": all}
	if from < len(s.changes) {
		whole["nextPageToken"] = strconv.Itoa(from)
	} else {
		whole["newStartPageToken"] = strconv.Itoa(from)
	}
	return masked(r, whole, feedDefault, feedShape)
}
