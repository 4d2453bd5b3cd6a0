package nodetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/dm3api"
)

// table is the node's database.
type table struct {
	conversations []*conversation              // in the order in which a search without an order finds them
	messages      map[string][]*dm3api.Message // by the conversation's name
	byID          map[string]*dm3api.Message
	twins         int // how many conversations yet to be made are made twice
	number        int
}

type conversation struct {
	id, account, contact, location string
	updated                        dm3api.Time
	hidden                         bool
}

// Twins lets each of the next conversations that are made come out twice, as when two make it at one time.
func (s *Server) Twins(number int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.table.twins = number
}

// Visible returns the names of an account's conversations that a dm3 app shows.
func (s *Server) Visible(account string) (names []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, c := range s.table.conversations {
		if c.account == account && !c.hidden {
			names = append(names, c.contact)
		}
	}
	return names
}

// Rows counts what the database holds, of all accounts: conversations, records, and bytes of containers.
func (s *Server) Rows() (conversations, records, bytes int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, m := range s.table.byID {
		bytes += len(m.Container)
	}
	return len(s.table.conversations), len(s.table.byID), bytes
}

// Lose takes away the records that gone names, as a database does that was restored from an older copy.
func (s *Server) Lose(gone func(*dm3api.Message) bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for contact, messages := range s.table.messages {
		s.table.messages[contact] = slices.DeleteFunc(messages, func(m *dm3api.Message) bool {
			if gone(m) {
				delete(s.table.byID, m.ID)
				return true
			}
			return false
		})
	}
}

// find returns the first conversation of a name.
func (t *table) find(account, contact string) *conversation {
	for _, c := range t.conversations {
		if c.account == account && c.contact == contact {
			return c
		}
	}
	return nil
}

// touch moves a conversation behind the others, as Postgres does with a row that changed.
func (t *table) touch(c *conversation) {
	at := slices.Index(t.conversations, c)
	t.conversations = append(slices.Delete(t.conversations, at, at+1), c)
}

// make returns a conversation, made where it is missing.
func (t *table) make(account, contact string, now dm3api.Time) *conversation {
	if found := t.find(account, contact); found != nil {
		return found
	}
	copies := 1
	if t.twins > 0 {
		t.twins--
		copies = 2
	}
	for range copies {
		t.number++
		t.conversations = append(t.conversations, &conversation{id: fmt.Sprintf("conversation-%d", t.number), account: account, contact: contact, updated: now})
	}
	return t.find(account, contact)
}

// put adds a record; false where its identifier is there.
func (t *table) put(account, contact string, record dm3api.Record, created dm3api.Time, halted bool, of *conversation) bool {
	id := dm3api.StoredID(account, record.MessageID)
	if t.byID == nil {
		t.byID, t.messages = make(map[string]*dm3api.Message), make(map[string][]*dm3api.Message)
	}
	if t.byID[id] != nil {
		return false
	}
	message := &dm3api.Message{
		ID: id, CreatedAt: created, Container: record.Container, Contact: contact, ConversationID: of.id, OwnerID: account, IsHalted: halted,
	}
	t.byID[id] = message
	t.messages[contact] = append(t.messages[contact], message)
	return true
}

// backend answers from the table.
type backend struct{ *Server }

func (b *backend) moment() dm3api.Time { return dm3api.FromMilliseconds(b.now().UnixMilli()) }

// AddConversation implements dm3api.Backend.
func (b *backend) AddConversation(_ context.Context, account, contact, location string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	c := b.table.make(account, contact, b.moment())
	c.location = location
	b.table.touch(c)
	return nil
}

// Conversations implements dm3api.Backend.
func (b *backend) Conversations(_ context.Context, account string, page dm3api.Page) ([]dm3api.Conversation, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var shown []*conversation
	for _, c := range b.table.conversations {
		if c.account == account && !c.hidden {
			shown = append(shown, c)
		}
	}
	slices.SortStableFunc(shown, func(x, y *conversation) int { return y.updated.Compare(x.updated.Time) })
	var answer []dm3api.Conversation
	for _, c := range cut(shown, page) {
		one := dm3api.Conversation{Contact: c.contact, UpdatedAt: c.updated, ProfileLocation: c.location}
		if newest := b.sorted(c.contact, func(m *dm3api.Message) bool { return m.ConversationID == c.id }); len(newest) > 0 {
			one.PreviewMessage = &newest[0].Container
		}
		answer = append(answer, one)
	}
	return answer, nil
}

// sorted returns a conversation's records that fit, the last time first; those of one time in an order of their own.
func (b *backend) sorted(contact string, fits func(*dm3api.Message) bool) (found []*dm3api.Message) {
	for _, m := range b.table.messages[contact] {
		if fits(m) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(x, y *dm3api.Message) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt.Time), cmp.Compare(x.ID, y.ID))
	})
	return found
}

func cut[T any](list []T, page dm3api.Page) []T {
	from := min(len(list), page.Offset*page.Size)
	return list[from:min(len(list), from+page.Size)]
}

// NumberOfConversations implements dm3api.Backend.
func (b *backend) NumberOfConversations(_ context.Context, account string) (number int, err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, c := range b.table.conversations {
		if c.account == account {
			number++
		}
	}
	return number, nil
}

// ToggleHideConversation implements dm3api.Backend.
func (b *backend) ToggleHideConversation(_ context.Context, account, contact string, hide bool) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if c := b.table.find(account, contact); c != nil {
		c.hidden = hide
		b.table.touch(c)
	}
	return nil
}

// AddMessage implements dm3api.Backend.
func (b *backend) AddMessage(_ context.Context, account, contact string, record dm3api.Record) error {
	return b.add(account, contact, []dm3api.Record{record})
}

// AddMessageBatch implements dm3api.Backend: what is dropped is answered as stored.
func (b *backend) AddMessageBatch(_ context.Context, account, contact string, records []dm3api.Record) error {
	if err := b.add(account, contact, records); err != nil {
		b.test.Logf("nodetest: a batch of %d is dropped", len(records))
	}
	return nil
}

func (b *backend) add(account, contact string, records []dm3api.Record) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	c := b.table.make(account, contact, b.moment())
	known := make(map[string]bool)
	for _, record := range records {
		if b.table.byID[dm3api.StoredID(account, record.MessageID)] != nil {
			return dm3api.ErrNotAdded
		}
	}
	for _, record := range records {
		if known[record.MessageID] {
			continue
		}
		known[record.MessageID] = true
		b.table.put(account, contact, record, dm3api.FromMilliseconds(record.CreatedAt), record.IsHalted, c)
	}
	c.updated = b.moment()
	b.table.touch(c)
	return nil
}

// EditMessageBatch implements dm3api.Backend.
func (b *backend) EditMessageBatch(_ context.Context, account, contact string, records []dm3api.Record) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, record := range records {
		c := b.table.make(account, contact, b.moment())
		if found := b.table.byID[dm3api.StoredID(account, record.MessageID)]; found != nil {
			found.Container = record.Container
			continue
		}
		b.table.put(account, contact, record, b.moment(), false, c)
	}
	return nil
}

// Messages implements dm3api.Backend.
func (b *backend) Messages(_ context.Context, account, contact string, page dm3api.Page) ([]dm3api.Message, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var answer []dm3api.Message
	if b.table.find(account, contact) == nil {
		return nil, nil
	}
	for _, m := range cut(b.sorted(contact, func(m *dm3api.Message) bool { return m.OwnerID == account }), page) {
		answer = append(answer, *m)
	}
	return answer, nil
}

// NumberOfMessages implements dm3api.Backend: of all accounts.
func (b *backend) NumberOfMessages(_ context.Context, account, contact string) (number int, err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.table.find(account, contact) == nil {
		return 0, nil
	}
	return len(b.table.messages[contact]), nil
}

// HaltedMessages implements dm3api.Backend.
func (b *backend) HaltedMessages(_ context.Context, account string) (halted []dm3api.HaltedMessage, err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, m := range b.table.byID {
		if m.OwnerID == account && m.IsHalted {
			halted = append(halted, dm3api.HaltedMessage{MessageID: m.ID, Container: m.Container, CreatedAt: m.CreatedAt, IsHalted: true})
		}
	}
	return halted, nil
}

// ClearHaltedMessage implements dm3api.Backend.
func (b *backend) ClearHaltedMessage(_ context.Context, account, storedID, alias string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found := b.table.byID[storedID]
	if found == nil || found.OwnerID != account {
		return dm3api.ErrNotAdded
	}
	found.IsHalted = false
	if alias == "" {
		return nil
	}
	messages := b.table.messages[found.Contact]
	at := slices.Index(messages, found)
	b.table.messages[found.Contact] = slices.Delete(messages, at, at+1)
	b.table.messages[alias] = append(b.table.messages[alias], found)
	found.Contact = alias
	for _, c := range b.table.conversations {
		if c.id == found.ConversationID {
			c.contact = alias
		}
	}
	return nil
}
