package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/providers"
)

// conversation is what the names of its objects say: two registers, of name and
// location ("l") and of hidden or not ("h"), of each of which the greatest revision
// counts, and among equal ones the greatest name.
type conversation struct {
	id       string
	named    string // the object that counts of the first register; "" without one
	revision int64  // of it
	created  int64  // Unix milliseconds
	flag     string // the name that counts of the second
	hiding   int64  // revision of it
	hidden   bool
	old      []string           // objects that count no more
	messages []providers.Object // objects of records, where they were listed
	updated  int64              // Unix milliseconds of the last thing that happened
}

// namedBody is the content of the first register's object.
type namedBody struct {
	Contact  string `json:"contact"`
	Location string `json:"location"`
}

// take reads the name of one object of the registers.
func (c *conversation) take(object string) {
	name := object[strings.LastIndexByte(object, '/')+1:]
	parts := strings.Split(name[1:], ".")
	revision, err := strconv.ParseInt(parts[0], 16, 64)
	if err != nil {
		return // not ours
	}
	switch {
	case name[0] == 'l' && len(parts) == 3:
		created, err := parseTime(parts[1])
		if err != nil {
			return
		}
		if c.named == "" || created < c.created {
			c.created = created
		}
		if cmp.Or(cmp.Compare(revision, c.revision), strings.Compare(object, c.named)) <= 0 && c.named != "" {
			c.old = append(c.old, object)
			return
		}
		if c.named != "" {
			c.old = append(c.old, c.named)
		}
		c.named, c.revision = object, revision
	case name[0] == 'h' && len(parts) == 2:
		if cmp.Or(cmp.Compare(revision, c.hiding), strings.Compare(object, c.flag)) <= 0 && c.flag != "" {
			c.old = append(c.old, object)
			return
		}
		if c.flag != "" {
			c.old = append(c.old, c.flag)
		}
		c.flag, c.hiding, c.hidden = object, revision, parts[1] == "1"
	}
}

// conversation lists the registers of one conversation.
func (r *Records) conversation(ctx context.Context, account, id string) (*conversation, error) {
	objects, err := r.list(ctx, conversationPrefix(account, id))
	if err != nil {
		return nil, err
	}
	c := &conversation{id: id}
	for _, object := range objects {
		c.take(object.Name)
	}
	return c, nil
}

func (r *Records) named(ctx context.Context, c *conversation) (b namedBody, err error) {
	text, err := r.o.Store.Get(ctx, c.named)
	if err != nil {
		return b, fmt.Errorf("storage: reading a conversation: %w", vanished(err))
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("storage: reading a conversation: %w", err)
	}
	return b, nil
}

// ensure makes a conversation unless it is there.
func (r *Records) ensure(ctx context.Context, account, contact string) error {
	c, err := r.conversation(ctx, account, conversationID(account, contact))
	if err != nil || c.named != "" {
		return err
	}
	return r.name(ctx, account, c, namedBody{Contact: contact})
}

// name sets the first register.
func (r *Records) name(ctx context.Context, account string, c *conversation, b namedBody) error {
	created := c.created
	if c.named == "" {
		created = r.o.Now().UnixMilli()
	}
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("storage: writing a conversation: %w", err)
	}
	object := fmt.Sprintf("%sl%08x.%s.%s", conversationPrefix(account, c.id), c.revision+1, formatTime(created), digest("named", string(text))[:32])
	if err := r.o.Store.Put(ctx, object, text); err != nil {
		return fmt.Errorf("storage: writing a conversation: %w", err)
	}
	return r.prune(ctx, c)
}

// kept is how many old states of a conversation's registers may lie about.
const kept = 8

// prune removes the old states of a conversation's registers when they are many. What
// counts is there, so they say nothing any more.
func (r *Records) prune(ctx context.Context, c *conversation) error {
	if len(c.old) < kept {
		return nil
	}
	if err := r.o.Store.Delete(ctx, c.old...); err != nil {
		return fmt.Errorf("storage: removing old states of a conversation: %w", err)
	}
	return nil
}

// AddConversation implements [dm3api.Backend].
func (r *Records) AddConversation(ctx context.Context, account, contact, location string) error {
	return again(func() error {
		c, err := r.conversation(ctx, account, conversationID(account, contact))
		if err != nil {
			return err
		}
		wanted := namedBody{Contact: contact, Location: location}
		if c.named != "" {
			if there, err := r.named(ctx, c); err != nil || there == wanted {
				return err
			}
		}
		return r.name(ctx, account, c, wanted)
	})
}

// ToggleHideConversation implements [dm3api.Backend].
func (r *Records) ToggleHideConversation(ctx context.Context, account, contact string, hide bool) error {
	c, err := r.conversation(ctx, account, conversationID(account, contact))
	if err != nil || c.named == "" || c.hidden == hide {
		return err
	}
	flag := 0
	if hide {
		flag = 1
	}
	object := fmt.Sprintf("%sh%08x.%d", conversationPrefix(account, c.id), c.hiding+1, flag)
	if err := r.o.Store.Put(ctx, object, []byte("{}")); err != nil {
		return fmt.Errorf("storage: hiding a conversation: %w", err)
	}
	return r.prune(ctx, c)
}

// conversations lists everything of an account, the conversation first where something
// happened last.
func (r *Records) conversations(ctx context.Context, account string) ([]*conversation, error) {
	folder := accountFolder(account)
	objects, err := r.list(ctx, folder)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*conversation)
	for _, object := range objects {
		parts := strings.Split(strings.TrimPrefix(object.Name, folder), "/")
		if len(parts) != 3 {
			continue // a profile
		}
		c := found[parts[1]]
		if c == nil {
			c = &conversation{id: parts[1], updated: firstDate}
			found[c.id] = c
		}
		if parts[0] == "c" {
			c.take(object.Name)
			continue
		}
		c.messages = append(c.messages, object)
		if v, ok := parseVersion(parts[2]); ok {
			c.updated = max(c.updated, v.created)
		} else if p, ok := parsePackName(parts[2]); ok {
			c.updated = max(c.updated, p.last)
		}
	}
	var list []*conversation
	for _, c := range found {
		if c.named != "" { // else it is just being made, or moved away
			c.updated = max(c.updated, c.created)
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *conversation) int {
		return cmp.Or(cmp.Compare(b.updated, a.updated), strings.Compare(a.id, b.id))
	})
	return list, nil
}

// Conversations implements [dm3api.Backend].
func (r *Records) Conversations(ctx context.Context, account string, page dm3api.Page) (entries []dm3api.Conversation, err error) {
	if page.Size > MaxPage {
		return nil, dm3api.ErrInvalid
	}
	err = again(func() error {
		list, err := r.conversations(ctx, account)
		if err != nil {
			return err
		}
		entries = nil
		room := r.o.PageBytes
		visible := slices.DeleteFunc(list, func(c *conversation) bool { return c.hidden })
		for _, c := range cutPage(visible, page.Size, page.Offset) {
			entry, err := r.entry(ctx, c, &room)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		return nil
	})
	return entries, err
}

// entry is a conversation as it is listed, with its newest record where there is room for
// it, in bytes.
func (r *Records) entry(ctx context.Context, c *conversation, room *int64) (dm3api.Conversation, error) {
	b, err := r.named(ctx, c)
	if err != nil {
		return dm3api.Conversation{}, err
	}
	entry := dm3api.Conversation{Contact: b.Contact, ProfileLocation: b.Location, UpdatedAt: dm3api.FromMilliseconds(c.updated)}
	s, err := r.shelve(ctx, c.messages)
	if err != nil || len(s.versions) == 0 {
		return entry, err
	}
	last := s.ordered()[:1]
	if last[0].size > *room {
		return entry, nil
	}
	*room -= last[0].size
	newest, err := r.bodies(ctx, last)
	if err != nil {
		return entry, err
	}
	entry.PreviewMessage = &newest[0].Container
	return entry, nil
}

// NumberOfConversations implements [dm3api.Backend].
func (r *Records) NumberOfConversations(ctx context.Context, account string) (int, error) {
	objects, err := r.list(ctx, accountFolder(account)+"c/")
	if err != nil {
		return 0, err
	}
	found := make(map[string]bool)
	for _, object := range objects {
		if parts := strings.Split(object.Name, "/"); strings.HasPrefix(parts[len(parts)-1], "l") {
			found[parts[len(parts)-2]] = true
		}
	}
	return len(found), nil
}
