package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// AddConversation implements [dm3api.Backend].
func (t *Tree) AddConversation(ctx context.Context, account, contact, location string) error {
	a, err := t.named(account)
	if err != nil {
		return err
	}
	spelling, normal, err := a.contact(contact)
	if err != nil {
		return err
	}
	if location != "" {
		if location, err = a.codec.DecryptName(location); err != nil {
			return fmt.Errorf("storage: %w: the profile location can't be read", dm3api.ErrInvalid)
		}
	}
	notes, err := a.notes(ctx)
	if err != nil {
		return err
	}
	if state, there := notes.contacts[normal]; there && state.spelling == spelling && state.location == location {
		return nil // apps say so at every start
	}
	change := note{Contact: normal, Location: &location}
	if spelling != normal {
		change.Spelling = spelling
	}
	return a.write(ctx, change)
}

// shown is a conversation as an app sees it.
type shown struct {
	engine.Conversation
	known
	updated int64
}

// all returns every conversation that has messages or that an app added.
func (a *treeAccount) all(ctx context.Context) ([]shown, error) {
	list, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	notes, err := a.notes(ctx)
	if err != nil {
		return nil, err
	}
	var conversations []shown
	for contact, c := range list {
		if contact == bridge.NotesContact {
			continue
		}
		state, there := notes.contacts[contact]
		if !there {
			state.spelling = contact
		}
		state.hidden = c.Hidden
		conversations = append(conversations, shown{c, state, max(c.Last, state.updated)})
	}
	for contact, state := range notes.contacts {
		if _, there := list[contact]; !there {
			conversations = append(conversations, shown{engine.Conversation{Contact: contact}, state, state.updated})
		}
	}
	slices.SortFunc(conversations, func(x, y shown) int {
		return cmp.Or(cmp.Compare(y.updated, x.updated), cmp.Compare(x.Contact, y.Contact))
	})
	return conversations, nil
}

// Conversations implements [dm3api.Backend].
func (t *Tree) Conversations(ctx context.Context, account string, page dm3api.Page) ([]dm3api.Conversation, error) {
	a, err := t.named(account)
	if err != nil {
		return nil, err
	}
	if page.Size > MaxPage {
		return nil, dm3api.ErrInvalid
	}
	all, err := a.all(ctx)
	if err != nil {
		return nil, err
	}
	visible := slices.DeleteFunc(all, func(c shown) bool { return c.hidden })
	var list []dm3api.Conversation
	room := a.pageBytes
	for _, c := range cutPage(visible, page.Size, page.Offset) {
		entry, err := a.conversation(ctx, c, &room)
		if err != nil {
			return nil, err
		}
		list = append(list, entry)
	}
	return list, nil
}

// conversation is one as it is listed, with its newest message where there is room for it,
// in bytes.
func (a *treeName) conversation(ctx context.Context, c shown, room *int) (entry dm3api.Conversation, err error) {
	entry.UpdatedAt = dm3api.FromMilliseconds(c.updated)
	if entry.Contact, err = a.codec.EncryptName(c.spelling); err != nil {
		return entry, err
	}
	if c.location != "" {
		if entry.ProfileLocation, err = a.codec.EncryptName(c.location); err != nil {
			return entry, err
		}
	}
	newest, err := a.newest(ctx, c)
	if err != nil || newest == nil {
		return entry, err
	}
	if len(newest.text) > *room {
		return entry, nil
	}
	*room -= len(newest.text)
	text, err := a.codec.EncryptRecord(newest.text)
	if err != nil {
		return entry, err
	}
	entry.PreviewMessage = &text
	return entry, nil
}

// newest is the message to preview, nil without one: of those that were sent last the
// one that was stored last. The whole order would cost a reading of the conversation.
func (a *treeName) newest(ctx context.Context, c shown) (*stored, error) {
	if c.Messages+c.Pending == 0 {
		return nil, nil //nolint:nilnil // there is no message, and that is no error
	}
	page, err := a.account.Messages(ctx, c.Contact, engine.Range{Last: previewed})
	if err != nil {
		return nil, fmt.Errorf("storage: reading the newest message: %w", err)
	}
	var newest *stored
	for _, e := range page.Messages {
		s, err := readStored(e)
		if err != nil {
			return nil, err
		}
		if newest == nil || s.record.CreatedAt >= newest.record.CreatedAt {
			newest = &s
		}
	}
	return newest, nil
}

// previewed is among how many messages the preview is looked for.
const previewed = 10

// NumberOfConversations implements [dm3api.Backend].
func (t *Tree) NumberOfConversations(ctx context.Context, account string) (int, error) {
	a, err := t.named(account)
	if err != nil {
		return 0, err
	}
	all, err := a.all(ctx)
	return len(all), err
}

// ToggleHideConversation implements [dm3api.Backend]. The conversation is hidden on
// all devices.
func (t *Tree) ToggleHideConversation(ctx context.Context, account, contact string, hide bool) error {
	a, err := t.named(account)
	if err != nil {
		return err
	}
	_, normal, err := a.contact(contact)
	if err != nil {
		return err
	}
	notes, err := a.notes(ctx)
	if err != nil {
		return err
	}
	if state, there := notes.contacts[normal]; there && state.hidden != hide {
		if err := a.write(ctx, note{Contact: normal, Hidden: &hide}); err != nil {
			return err
		}
	}
	err = a.hide(ctx, normal, hide)
	if errors.Is(err, engine.ErrNoConversation) {
		return nil // without a message the note is all there is
	}
	return err
}

func (a *treeAccount) hide(ctx context.Context, contact string, hide bool) error {
	defer a.forget()
	if err := a.account.Hide(ctx, contact, hide); err != nil {
		return fmt.Errorf("storage: hiding a conversation: %w", err)
	}
	return nil
}
