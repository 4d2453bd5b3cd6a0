package dm3node

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
)

// laneLength is how many records a lane gets. The service sorts them all to find one.
const laneLength = 500

// firstDay is the time of a lane's first record: 2100-01-01. Whatever else comes into a lane, such as a record that an
// emptying made because the node had lost it, has the server's time and stands behind.
var firstDay = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// lane is a conversation that this store alone adds records to, one at a time: each stands behind those before it, at the
// place that is its number.
type lane struct {
	name string
	next int
}

func bodyID(lane string, place int) string { return fmt.Sprintf("%s/%d", lane, place) }

// putBody adds a record at the end of a lane of its own while it lasts, and returns where. After a failure, when nobody
// knows what the lane holds, it is never used again.
func (s *Store) putBody(ctx context.Context, data []byte) (name string, place int, err error) {
	l := s.takeLane()
	if l == nil {
		if l, err = s.newLane(ctx); err != nil {
			return "", 0, err
		}
	}
	place = l.next
	err = s.client.AddMessage(ctx, l.name, dm3api.Record{
		CreatedAt: firstDay - int64(place), MessageID: bodyID(l.name, place), Container: base64.StdEncoding.EncodeToString(data),
	})
	if err != nil {
		return "", 0, err
	}
	l.next++
	if l.next < laneLength {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.free = append(s.free, l)
	}
	return l.name, place, nil
}

func (s *Store) takeLane() *lane {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.free) == 0 {
		return nil
	}
	last := len(s.free) - 1
	l := s.free[last]
	s.free = s.free[:last]
	return l
}

func (s *Store) newLane(ctx context.Context) (*lane, error) {
	l := &lane{name: laneNames + randomID()}
	return l, s.makeHidden(ctx, l.name)
}

// visibleLook is how many of the conversations that changed last are looked at for some that should be hidden, and
// hideAttempts how often they are hidden.
const (
	visibleLook  = 20
	hideAttempts = 4
)

// makeHidden makes a conversation and hides it at once. When two devices make one at the same time there are two, and
// hiding hides one of them; a device that dies here leaves one visible. So whatever of dm3sync's still shows among the
// newest is hidden again.
func (s *Store) makeHidden(ctx context.Context, name string) error {
	if err := s.client.AddConversation(ctx, name, ""); err != nil {
		return err
	}
	if err := s.client.ToggleHideConversation(ctx, name, true); err != nil {
		return err
	}
	for range hideAttempts {
		shown, err := s.client.ConversationsPage(ctx, dm3api.Page{Size: visibleLook})
		if err != nil {
			return err
		}
		still := false
		for _, conversation := range shown {
			if !strings.HasPrefix(conversation.Contact, ownPrefix) {
				continue
			}
			still = still || conversation.Contact == name
			if err := s.client.ToggleHideConversation(ctx, conversation.Contact, true); err != nil {
				return err
			}
		}
		if !still {
			return nil
		}
	}
	s.options.Warn("the dm3 node goes on showing a conversation that dm3sync keeps things in; it can be hidden in the dm3 app, and must not be used")
	return nil
}

// getBody returns the record at a place; errLost where it is not there.
func (s *Store) getBody(ctx context.Context, name string, place int) (text string, err error) {
	id := dm3api.StoredID(s.client.Account(), bodyID(name, place))
	page, err := s.client.MessagesPage(ctx, name, dm3api.Page{Size: 1, Offset: place})
	if err != nil {
		return "", err
	}
	if len(page) == 1 && page[0].ID == id {
		return page[0].Container, nil
	}
	// A node whose database was set back has lost records before this one.
	for message, err := range s.client.Messages(ctx, name, 4) {
		if err != nil {
			return "", err
		}
		if message.ID == id {
			return message.Container, nil
		}
	}
	return "", errLost
}

// emptyBatch is how many records are emptied by one request: the server looks for each on its own.
const emptyBatch = 50

// empty takes the bytes out of records of one lane.
func (s *Store) empty(ctx context.Context, lane string, places []int) error {
	for len(places) > 0 {
		batch := places[:min(len(places), emptyBatch)]
		places = places[len(batch):]
		records := make([]dm3api.Record, len(batch))
		for i, place := range batch {
			records[i] = dm3api.Record{CreatedAt: firstDay - int64(place), MessageID: bodyID(lane, place)}
		}
		if err := s.client.EditMessageBatch(ctx, lane, records); err != nil {
			return err
		}
	}
	return nil
}
