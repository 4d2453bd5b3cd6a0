package webui

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// rowsOfList is how many conversations one piece of the list shows.
const rowsOfList = 40

// maxContact bounds the names that an address may carry.
const maxContact = 2000 // bytes

// contactKey is a contact's name in the path of an address: letters that no router or browser changes.
func contactKey(contact string) string { return base64.RawURLEncoding.EncodeToString([]byte(contact)) }

// contactOf reads a contactKey; only a normalised name is one.
func contactOf(key string) (contact string, ok bool) {
	if len(key) > base64.RawURLEncoding.EncodedLen(maxContact) {
		return "", false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil {
		return "", false
	}
	normal, err := identity.Normalize(string(text))
	return normal, err == nil && normal != "" && normal == string(text)
}

// listQuery says which conversations of the list are shown: those whose name holds Text, in any case; with Hidden, the hidden
// ones and no others. After is the place after which the piece begins.
type listQuery struct {
	Text   string
	Hidden bool
	After  listPlace
}

// listPlace is a place in the list, which is ordered by the last message, newest first, and then by name. It stays right while
// conversations move to the top. The zero value is the top.
type listPlace struct {
	last    int64
	contact string
}

// text writes a place for an address.
func (p listPlace) text() string { return fmt.Sprintf("%d.%s", p.last, contactKey(p.contact)) }

// parseListPlace reads text; what it can't read is the top.
func parseListPlace(text string) listPlace {
	last, key, found := strings.Cut(text, ".")
	number, err := strconv.ParseInt(last, 10, 64)
	contact, ok := contactOf(key)
	if !found || err != nil || !ok {
		return listPlace{}
	}
	return listPlace{number, contact}
}

func comparePlaces(a, b engine.Conversation) int {
	return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Contact, b.Contact))
}

// listPiece is a piece of the list of conversations.
type listPiece struct {
	Rows  []engine.Conversation
	Found int    // conversations that the query names, before the piece was cut
	Other int    // of the other kind: hidden, or not
	Next  string // the place after which the next piece begins; empty at the end
}

// listed cuts a piece out of an account's conversations; it may change their order.
func (q *listQuery) listed(all []engine.Conversation) listPiece {
	var piece listPiece
	text := strings.ToLower(strings.TrimSpace(q.Text))
	found := all[:0]
	for _, c := range all {
		switch {
		case c.Hidden != q.Hidden:
			piece.Other++
		case strings.Contains(strings.ToLower(c.Contact), text):
			found = append(found, c)
		}
	}
	piece.Found = len(found)
	slices.SortFunc(found, comparePlaces)
	if q.After != (listPlace{}) {
		after := engine.Conversation{Contact: q.After.contact, Last: q.After.last}
		at, same := slices.BinarySearchFunc(found, after, comparePlaces)
		if same {
			at++
		}
		found = found[at:]
	}
	if len(found) > rowsOfList {
		found = found[:rowsOfList]
		end := found[rowsOfList-1]
		piece.Next = listPlace{end.Last, end.Contact}.text()
	}
	piece.Rows = found
	return piece
}

// shortDate is when something was, as a list shows it: the time today, the weekday within a week, else the day.
func shortDate(milliseconds int64, now time.Time, in *time.Location) string {
	then, now := time.UnixMilli(milliseconds).In(in), now.In(in)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, in)
	switch {
	case milliseconds == 0:
		return ""
	case !then.Before(midnight) && then.Before(midnight.AddDate(0, 0, 1)):
		return then.Format("15:04")
	case !then.Before(midnight.AddDate(0, 0, -6)) && then.Before(midnight):
		return then.Format("Mon")
	case then.Year() == now.Year():
		return then.Format("2 Jan")
	}
	return then.Format("2 Jan 2006")
}

// longDay is a day as a separator shows it.
func longDay(milliseconds int64, in *time.Location) string {
	return time.UnixMilli(milliseconds).In(in).Format("Monday, 2 January 2006")
}

// dayOf is a day in few words.
func dayOf(milliseconds int64, in *time.Location) string {
	return time.UnixMilli(milliseconds).In(in).Format("2 Jan 2006")
}
