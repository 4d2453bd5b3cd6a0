package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/history"
)

// storedHalted returns the messages that notes lead to, by their stored identifiers. Some
// of them may have been delivered since.
func (a *treeName) storedHalted(ctx context.Context, notes *notes) (map[string]stored, error) {
	found := make(map[string]stored)
	for h := range notes.halted {
		s, _, err := a.look(ctx, h.contact, container.Envelope{Hash: h.hash, Timestamp: h.timestamp})
		if err != nil {
			return nil, err
		}
		if s != nil { // else its append never was answered, or it was deleted or moved
			found[dm3api.StoredID(a.name, s.record.MessageID)] = *s
		}
	}
	return found, nil
}

// HaltedMessages implements [dm3api.Backend]: what apps said is halted, and what the
// bridge found so at another node, each once.
func (t *Tree) HaltedMessages(ctx context.Context, account string) ([]dm3api.HaltedMessage, error) {
	a, err := t.named(account)
	if err != nil {
		return nil, err
	}
	notes, err := a.notes(ctx)
	if err != nil {
		return nil, err
	}
	found, err := a.storedHalted(ctx, notes)
	if err != nil {
		return nil, err
	}
	var messages []dm3api.HaltedMessage
	for id, m := range found {
		if !bridge.IsHalted(m.Envelope) {
			continue
		}
		text, err := a.codec.EncryptRecord(m.text)
		if err != nil {
			return nil, err
		}
		messages = append(messages, dm3api.HaltedMessage{
			MessageID: id, Container: text, CreatedAt: dm3api.FromMilliseconds(m.record.CreatedAt), IsHalted: true,
		})
	}
	slices.SortFunc(messages, func(x, y dm3api.HaltedMessage) int { return strings.Compare(x.MessageID, y.MessageID) })
	return messages, nil
}

// ClearHaltedMessage implements [dm3api.Backend]. A rename takes all messages over to
// the conversation of the new name before it deletes those under the old one; it may
// be repeated when it was broken off.
func (t *Tree) ClearHaltedMessage(ctx context.Context, account, storedID, alias string) error {
	a, err := t.named(account)
	if err != nil {
		return err
	}
	notes, err := a.notes(ctx)
	if err != nil {
		return err
	}
	all, err := a.storedHalted(ctx, notes)
	if err != nil {
		return err
	}
	found, ok := all[storedID]
	if !ok {
		return dm3api.ErrNotAdded
	}
	var contacts []string
	for h := range notes.halted {
		if h.hash == found.Hash {
			contacts = append(contacts, h.contact)
		}
	}
	changes := []note{{Contact: contacts[0], Cleared: found.Hash.String()}}
	if alias != "" {
		renamed, target, err := a.rename(ctx, contacts, alias, found)
		if err != nil {
			return err
		}
		changes, contacts = append(changes, renamed...), []string{target}
	}
	delivered, err := bridge.MarkHalted(found.Envelope, false)
	if err != nil {
		return err
	}
	for _, contact := range contacts {
		there, _, err := a.look(ctx, contact, found.Envelope)
		if err == nil && there != nil {
			err = a.append(ctx, contact, [][]byte{delivered.JSON})
		}
		if err != nil {
			return err
		}
	}
	return a.write(ctx, changes...)
}

// rename moves conversations to the one of another name, and returns what is to be noted
// afterwards. It is noted at once that the halted message will lie there: else nobody
// would find it if this breaks off.
func (a *treeName) rename(ctx context.Context, contacts []string, alias string, halted stored) (changes []note, target string, err error) {
	spelling, target, err := a.contact(alias)
	if err != nil {
		return nil, "", err
	}
	for _, contact := range contacts {
		if contact == target {
			continue
		}
		err := a.write(ctx, note{Contact: target, Halted: &bridge.Halted{Hash: halted.Hash, Timestamp: halted.Timestamp}})
		if err == nil {
			err = a.move(ctx, contact, target)
		}
		if err != nil {
			return nil, "", err
		}
		changes = append(changes, note{Contact: contact, Renamed: target})
	}
	if spelling != target {
		changes = append(changes, note{Contact: target, Spelling: spelling})
	}
	return changes, target, nil
}

// moveBytes bounds how much is appended together while a conversation moves.
const moveBytes = 4 << 20

// move copies a conversation's messages to another one, durably, and then deletes
// them where they were.
func (a *treeAccount) move(ctx context.Context, from, to string) error {
	var lines [][]byte
	size := 0
	flush := func() error {
		if len(lines) == 0 {
			return nil
		}
		err := a.append(ctx, to, lines)
		lines, size = nil, 0
		return err
	}
	var copied []container.MessageHash
	provisional, err := walk(ctx, a.account, from, func(e container.Envelope) error {
		lines, size, copied = append(lines, e.JSON), size+len(e.JSON), append(copied, e.Hash)
		if size < moveBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	switch {
	case err != nil:
		return err
	case provisional:
		return fmt.Errorf("storage: renaming a conversation: %w", errProvisional)
	case len(copied) == 0:
		return nil
	}
	defer a.forget()
	// By name, not all: what came meanwhile was not copied.
	deletion, err := a.account.Delete(ctx, history.Selection{Contact: from, Hashes: copied})
	if err == nil && (deletion.Provisional || len(deletion.Unknown) > 0) {
		err = errProvisional
	}
	if err != nil {
		return fmt.Errorf("storage: renaming a conversation: %w", err)
	}
	return nil
}
