package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// AddMessage implements [dm3api.Backend]. The message is durable when it returns.
func (t *Tree) AddMessage(ctx context.Context, account, contact string, r dm3api.Record) error {
	return t.add(ctx, account, contact, []dm3api.Record{r}, true)
}

// AddMessageBatch implements [dm3api.Backend]. Unlike a stock server's, a batch with
// known messages is not dropped: the others are added.
func (t *Tree) AddMessageBatch(ctx context.Context, account, contact string, records []dm3api.Record) error {
	return t.add(ctx, account, contact, records, false)
}

// opened is a record of an app with its content.
type opened struct {
	dm3api.Record
	text     []byte // the container
	envelope container.Envelope
}

// open opens records; those that can't be kept in the tree are [dm3api.ErrInvalid].
func (a *treeName) open(records []dm3api.Record) ([]opened, error) {
	list := make([]opened, 0, len(records))
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		if seen[r.MessageID] {
			continue // the first counts
		}
		seen[r.MessageID] = true
		text, err := a.codec.DecryptRecord(r.Container)
		if err != nil {
			return nil, fmt.Errorf("storage: %w: %w", dm3api.ErrInvalid, err)
		}
		envelope, err := newStored(text, record{CreatedAt: r.CreatedAt, MessageID: r.MessageID})
		if err != nil {
			return nil, fmt.Errorf("storage: %w: %w", dm3api.ErrInvalid, err)
		}
		list = append(list, opened{r, text, envelope})
	}
	return list, nil
}

// add appends records. A message that the tree has from elsewhere, such as another
// device, takes on what the app says of it; one that an app added is known, which
// is an error where strict says so.
func (t *Tree) add(ctx context.Context, account, contact string, records []dm3api.Record, strict bool) error {
	a, err := t.named(account)
	if err != nil {
		return err
	}
	spelling, normal, err := a.contact(contact)
	if err != nil {
		return err
	}
	list, err := a.open(records)
	if err != nil {
		return err
	}
	var changes []note
	var lines [][]byte
	var writes []ownWrite
	for _, r := range list {
		there, _, err := a.look(ctx, normal, r.envelope)
		if err != nil {
			return err
		}
		if there != nil && there.added {
			if strict {
				return dm3api.ErrNotAdded
			}
			continue
		}
		if r.IsHalted {
			if r.envelope, err = bridge.MarkHalted(r.envelope, true); err != nil {
				return err
			}
			changes = append(changes, note{Contact: normal, Halted: &bridge.Halted{Hash: r.envelope.Hash, Timestamp: r.envelope.Timestamp}})
		}
		lines = append(lines, r.envelope.JSON)
		writes = append(writes, ownWrite{position{r.CreatedAt, r.envelope.Timestamp, r.envelope.Hash}, true})
	}
	return a.keep(ctx, spelling, normal, changes, lines, writes)
}

// keep makes notes and messages durable, the notes first: one without its message is
// not shown, a halted message without its note would not be found.
func (a *treeName) keep(ctx context.Context, spelling, normal string, changes []note, lines [][]byte, writes []ownWrite) error {
	notes, err := a.notes(ctx)
	if err != nil {
		return err
	}
	list, err := a.list(ctx)
	if err != nil {
		return err
	}
	state, noted := notes.contacts[normal]
	_, listed := list[normal]
	switch {
	case noted && state.spelling != spelling, !noted && spelling != normal:
		changes = append(changes, note{Contact: normal, Spelling: spelling})
	case !noted && !listed && len(lines) == 0: // an empty batch makes a conversation too
		changes = append(changes, note{Contact: normal})
	}
	if err := a.write(ctx, changes...); err != nil {
		return err
	}
	if len(lines) == 0 {
		return nil
	}
	a.noteWrites(normal, writes)
	if err := a.append(ctx, normal, lines); err != nil {
		return err
	}
	if noted && state.hidden && !listed { // it was hidden before the tree knew it
		return a.hide(ctx, normal, true)
	}
	return nil
}

// look finds a message in the tree, nil without it; sure tells whether everything that
// could be it was read.
func (a *treeAccount) look(ctx context.Context, contact string, e container.Envelope) (found *stored, sure bool, err error) {
	page, err := a.account.Messages(ctx, contact, engine.Range{From: e.Timestamp, To: e.Timestamp + 1})
	if err != nil {
		return nil, false, fmt.Errorf("storage: looking for a message: %w", err)
	}
	at := slices.IndexFunc(page.Messages, func(m container.Envelope) bool { return m.Hash == e.Hash })
	if at < 0 {
		return nil, !page.Provisional, nil
	}
	there, err := readStored(page.Messages[at])
	return &there, true, err
}

// EditMessageBatch implements [dm3api.Backend].
func (t *Tree) EditMessageBatch(ctx context.Context, account, contact string, records []dm3api.Record) error {
	a, err := t.named(account)
	if err != nil {
		return err
	}
	spelling, normal, err := a.contact(contact)
	if err != nil {
		return err
	}
	slices.Reverse(records) // of doubles the last edit counts, and it is met first
	now := a.now().UnixMilli()
	for i := range records {
		records[i].CreatedAt = now // known messages keep theirs
	}
	list, err := a.open(records)
	if err != nil {
		return err
	}
	var lines [][]byte
	var writes []ownWrite
	for _, r := range list {
		there, sure, err := a.look(ctx, normal, r.envelope)
		if err == nil && there == nil && !sure {
			err = fmt.Errorf("storage: editing: %w", errProvisional) // unknown messages are taken in, known ones replaced
		}
		if err != nil {
			return err
		}
		change, needed := r.envelope, true
		if there != nil {
			if change, needed, err = there.edited(r.text); err != nil {
				return fmt.Errorf("storage: %w: %w", dm3api.ErrInvalid, err)
			}
		}
		if needed {
			lines = append(lines, change.JSON)
			writes = append(writes, ownWrite{position{r.CreatedAt, r.envelope.Timestamp, r.envelope.Hash}, there == nil})
		}
	}
	return a.keep(ctx, spelling, normal, nil, lines, writes)
}

// pin is what somebody pages through. A page number means nothing on a list that
// grows at its front, so the pages after the first are cut from the order that the
// first one saw.
type pin struct {
	contact string
	size    int
}

type pinnedOrder struct {
	*order
	used time.Time
}

// pinLife is how long somebody may take from one page to the next.
const pinLife = 10 * time.Minute

// trim forgets orders beyond the bound, never that of contact. It is called locked.
func (a *treeAccount) trim(contact string) {
	now, total := a.now(), 0
	for key, p := range a.pinned {
		if age := now.Sub(p.used); age > pinLife || age < 0 {
			delete(a.pinned, key)
		} else {
			total += len(p.positions)
		}
	}
	for _, o := range a.orders {
		total += len(o.positions)
	}
	for key, p := range a.pinned {
		if total > a.positions && key.contact != contact {
			total -= len(p.positions)
			delete(a.pinned, key)
		}
	}
	for key, o := range a.orders {
		if total > a.positions && key != contact {
			total -= len(o.positions)
			delete(a.orders, key)
			delete(a.own, key)
		}
	}
}

// paged is the order from which a page is cut.
func (a *treeAccount) paged(ctx context.Context, contact string, page dm3api.Page) (*order, error) {
	key := pin{contact, page.Size}
	if page.Offset > 0 {
		a.mu.Lock()
		p, now := a.pinned[key], a.now()
		fresh := p != nil && now.Sub(p.used) <= pinLife
		if fresh {
			p.used = now
		}
		a.mu.Unlock()
		if fresh {
			return p.order, nil
		}
	}
	current, err := a.order(ctx, contact)
	if err != nil || current == nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pinned[key] = &pinnedOrder{current, a.now()}
	a.trim(contact)
	return current, nil
}

// Messages implements [dm3api.Backend]. Pages after the first show the conversation
// as it was when the first was asked for.
func (t *Tree) Messages(ctx context.Context, account, contact string, page dm3api.Page) ([]dm3api.Message, error) {
	a, err := t.named(account)
	if err != nil {
		return nil, err
	}
	if page.Size > MaxPage {
		return nil, dm3api.ErrInvalid
	}
	_, normal, err := a.contact(contact)
	if err != nil {
		return nil, nil //nolint:nilerr // nobody has a conversation of that name
	}
	order, err := a.paged(ctx, normal, page)
	if err != nil || order == nil {
		return nil, err
	}
	list, err := order.read(ctx, a.account, cutPage(order.positions, page.Size, page.Offset))
	if err != nil {
		return nil, err
	}
	messages := make([]dm3api.Message, 0, len(list))
	size := 0
	for _, s := range list {
		if size += len(s.text); size > a.pageBytes && len(list) > 1 {
			return nil, dm3api.ErrInvalid
		}
		text, err := a.codec.EncryptRecord(s.text)
		if err != nil {
			return nil, err
		}
		messages = append(messages, dm3api.Message{
			ID: dm3api.StoredID(a.name, s.record.MessageID), CreatedAt: dm3api.FromMilliseconds(s.record.CreatedAt), Container: text,
			Contact: contact, ConversationID: dm3api.StoredID(a.name, normal), OwnerID: a.name, IsHalted: bridge.IsHalted(s.Envelope),
		})
	}
	return messages, nil
}

// NumberOfMessages implements [dm3api.Backend].
func (t *Tree) NumberOfMessages(ctx context.Context, account, contact string) (int, error) {
	a, err := t.named(account)
	if err != nil {
		return 0, err
	}
	_, normal, err := a.contact(contact)
	if err != nil {
		return 0, nil //nolint:nilerr // as in Messages
	}
	order, err := a.order(ctx, normal)
	if err != nil || order == nil {
		return 0, err
	}
	return len(order.positions), nil
}
