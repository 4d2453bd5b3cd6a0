package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

const (
	conversationPage = 50
	messagePage      = 50
	// takeItems and takeBytes bound what is read before it is appended.
	takeItems = 64
	takeBytes = 4 << 20
	// maxContact is the longest name of a contact that goes into a path, where it
	// stands encrypted: servers take request lines of 8 KiB.
	maxContact = 1024
	// ownPrefix begins the names of conversations in which dm3sync itself keeps a tree at
	// a node (package providers/dm3node). Those of apps begin otherwise.
	ownPrefix = "dm3sync."
	// maxConversations and maxRecords bound what one look at a node takes up, were it
	// to yield without end.
	maxConversations = 1 << 16
	maxRecords       = 1 << 20
)

// errEndless is a node that yields more than any account has.
var errEndless = errors.New("it yields more than it can hold")

// contactAtNode is a conversation that the node lists, or may have.
type contactAtNode struct {
	wire    string   // encrypted
	contact string   // normalised
	names   []string // further names of the contact, normalised
	seen    string   // fingerprint of how it is listed; "" is not listed
}

// has tells whether a name in a message is the contact's.
func (c contactAtNode) has(name string) bool {
	normal, err := identity.Normalize(name)
	return err == nil && c.contact != "" && (normal == c.contact || slices.Contains(c.names, normal))
}

// pull reads conversations. Without Options.Pull nothing comes into the tree; then it
// only learns what the node has, once.
func (b *Bridge) pull(ctx context.Context, w Work, report *Report) error {
	listed, err := b.list(ctx, report)
	if err != nil {
		return err
	}
	var p patience
	for _, at := range listed {
		if !p.note(ctx, b.pullOne(ctx, w, at, report)) {
			return p.err()
		}
	}
	if !w.Full {
		return p.err()
	}
	number, err := b.options.Node.NumberOfConversations(ctx)
	if err != nil {
		p.note(ctx, serviceError("counting conversations", err))
		return p.err()
	}
	report.Unlisted = max(number-len(listed), 0)
	if report.Unlisted > 0 && b.options.Pull {
		p.note(ctx, b.pullHidden(ctx, w, listed, report))
		p.note(ctx, b.pullHalted(ctx, w, report))
	}
	return p.err()
}

// list returns the visible conversations whose names can be read.
func (b *Bridge) list(ctx context.Context, report *Report) (listed []contactAtNode, err error) {
	for entry, err := range b.options.Node.Conversations(ctx, conversationPage) {
		if err != nil {
			return nil, serviceError("listing conversations", err)
		}
		if len(listed) >= maxConversations {
			return nil, serviceError("listing conversations", errEndless)
		}
		if strings.HasPrefix(entry.Contact, ownPrefix) {
			continue
		}
		contact, err := b.contact(entry.Contact)
		if err != nil {
			report.Refused++
			b.tell(entry.Contact, "a conversation at the node is left alone: its name can't be used", "error", err)
			continue
		}
		preview := ""
		if entry.PreviewMessage != nil {
			preview = *entry.PreviewMessage
		}
		listed = append(listed, contactAtNode{
			wire: entry.Contact, contact: contact, names: b.furtherNames(entry.ProfileLocation), seen: b.state.fingerprint(entry.UpdatedAt.UnixMilli(), " ", preview),
		})
	}
	return listed, nil
}

// furtherNames decrypts the names that a contact has beside its own; what can't be read
// is none.
func (b *Bridge) furtherNames(wire string) (normal []string) {
	names, err := b.codec.DecryptLocations(wire)
	if err != nil {
		return nil
	}
	for _, name := range names {
		if name, err := usableContact(name); err == nil {
			normal = append(normal, name)
		}
	}
	return normal
}

// contact decrypts and normalises the name of a conversation. Whoever runs the node can
// put names there, so nothing is taken that can't be a contact's.
func (b *Bridge) contact(wire string) (string, error) {
	if len(wire) > 8*maxContact {
		return "", fmt.Errorf("bridge: %w: the name is too long", ErrRecord)
	}
	name, err := b.codec.DecryptName(wire)
	if err != nil {
		return "", err
	}
	return usableContact(name)
}

// usableContact normalises a contact's name, unless none can be called so.
func usableContact(name string) (string, error) {
	normal, err := identity.Normalize(name)
	if err != nil {
		return "", fmt.Errorf("bridge: %w: %w", ErrRecord, err)
	}
	settled, err := identity.Normalize(normal) // a few names settle the second time only
	switch {
	case err != nil || settled != normal:
		return "", fmt.Errorf("bridge: %w: the name has no one form", ErrRecord)
	case normal == NotesContact:
		return "", fmt.Errorf("bridge: %w: dm3sync itself uses the name", ErrRecord) // nobody outside may write there
	case normal == "" || len(normal) > maxContact || strings.ContainsFunc(normal, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fmt.Errorf("bridge: %w: no contact can have this name", ErrRecord)
	}
	return normal, nil
}

// pullOne reads one conversation if it seems to have changed.
func (b *Bridge) pullOne(ctx context.Context, w Work, at contactAtNode, report *Report) error {
	known, err := b.state.talk(at.wire)
	if err != nil {
		return err
	}
	whole := w.Full || !known.Whole
	if !whole && (known.Seen == at.seen || !b.options.Pull) {
		return nil
	}
	found, err := b.read(ctx, w, at, whole, report)
	if err != nil || w.DryRun {
		return err
	}
	known.Whole = true
	if b.options.Pull {
		known.Seen = at.seen
		known.Count += found.fresh
	}
	return b.state.keepTalk(at.wire, known)
}

// found is what reading a conversation came to.
type found struct {
	seen  int // records
	fresh int // of them were not known at all
}

// read reads the records of a conversation, all or until a whole page is known.
func (b *Bridge) read(ctx context.Context, w Work, at contactAtNode, whole bool, report *Report) (f found, err error) {
	for size := messagePage; ; size /= 5 {
		f, err = b.readPages(ctx, w, at, whole, size, report)
		// Smaller pages are shorter answers; one record may still be too long.
		if !errors.Is(err, dm3api.ErrTooLong) || size < 5 {
			break
		}
	}
	if err != nil {
		return f, err
	}
	report.Conversations++
	return f, nil
}

func (b *Bridge) readPages(ctx context.Context, w Work, at contactAtNode, whole bool, size int, report *Report) (f found, err error) {
	t := b.taker(w, report)
	defer func() { f.fresh = t.fresh }()
	known := 0 // in a row
	for record, err := range b.options.Node.Messages(ctx, at.wire, size) {
		if err != nil {
			return f, errors.Join(serviceError("reading a conversation at the node", err), t.flush(ctx)) // what was read so far is good
		}
		if f.seen++; f.seen > maxRecords {
			return f, errors.Join(serviceError("reading a conversation at the node", errEndless), t.flush(ctx))
		}
		fresh, err := t.take(ctx, at, storedRecord{id: record.ID, container: record.Container, halted: record.IsHalted})
		if err != nil {
			return f, err
		}
		known++
		if fresh {
			known = 0
		}
		if !whole && known >= size {
			break
		}
	}
	return f, t.flush(ctx)
}

// pullHidden reads conversations of the tree that the node has and doesn't list: they
// are hidden there. It can't be asked for their names.
func (b *Bridge) pullHidden(ctx context.Context, w Work, listed []contactAtNode, report *Report) error {
	shown := make(map[string]bool)
	for _, at := range listed {
		shown[at.contact] = true
	}
	conversations, err := b.options.Tree.Conversations(ctx)
	if err != nil {
		return err
	}
	var p patience
	for _, conversation := range conversations {
		if shown[conversation.Contact] || conversation.Contact == NotesContact {
			continue
		}
		if !p.note(ctx, b.pullHiddenOne(ctx, w, conversation.Contact, conversation.Hidden, report)) {
			break
		}
	}
	return p.err()
}

func (b *Bridge) pullHiddenOne(ctx context.Context, w Work, contact string, hidden bool, report *Report) error {
	wire, err := b.codec.EncryptName(contact)
	if err != nil {
		return err
	}
	known, err := b.state.talk(wire)
	if err != nil {
		return err
	}
	read := report.Conversations
	found, err := b.read(ctx, w, contactAtNode{wire: wire, contact: contact}, true, report)
	if err != nil {
		return err
	}
	if found.seen == 0 {
		report.Conversations = read // the node doesn't have it
		return nil
	}
	if known.Hidden {
		return nil // taken over once: since then the user may have shown it again
	}
	report.Hidden++
	if w.DryRun {
		return nil
	}
	if !hidden {
		if err := b.options.Tree.Hide(ctx, contact, true); err != nil {
			return fmt.Errorf("bridge: hiding a conversation: %w", err)
		}
	}
	known.Whole, known.Hidden = true, true
	return b.state.keepTalk(wire, known)
}

// pullHalted takes undelivered messages, which the node lists even of conversations
// that it doesn't.
func (b *Bridge) pullHalted(ctx context.Context, w Work, report *Report) error {
	records, err := b.options.Node.HaltedMessages(ctx)
	if err != nil {
		return serviceError("listing undelivered messages", err)
	}
	t := b.taker(w, report)
	for _, record := range records {
		if _, err := t.take(ctx, contactAtNode{}, storedRecord{id: record.MessageID, container: record.Container, halted: record.IsHalted}); err != nil {
			return err
		}
	}
	return t.flush(ctx)
}

// other is the side of a message that is not ours.
func (b *Bridge) other(p container.Parties) (contact string, ours bool, err error) {
	from, fromErr := usableContact(p.From)
	to, toErr := usableContact(p.To)
	switch {
	case fromErr == nil && b.own[from]:
		return to, true, toErr
	case toErr == nil && b.own[to]:
		return from, true, fromErr
	}
	return from, false, fromErr
}
