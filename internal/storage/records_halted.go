package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/providers"
)

// messagesOf lists the objects of records of all conversations that pick wants, by
// conversation.
func (r *Records) messagesOf(ctx context.Context, account string, pick func([]providers.Object) bool) (map[string][]providers.Object, error) {
	prefix := accountFolder(account) + "m/"
	objects, err := r.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	found := make(map[string][]providers.Object)
	for _, object := range objects {
		if id, _, ok := strings.Cut(strings.TrimPrefix(object.Name, prefix), "/"); ok {
			found[id] = append(found[id], object)
		}
	}
	for id, list := range found {
		if !pick(list) {
			delete(found, id)
		}
	}
	return found, nil
}

// HaltedMessages implements [dm3api.Backend]. What is halted is never packed, so names
// tell where to look. The oldest come first where not all fit into one answer: others
// follow when those are cleared.
func (r *Records) HaltedMessages(ctx context.Context, account string) (messages []dm3api.HaltedMessage, err error) {
	err = again(func() error {
		messages = nil
		found, err := r.messagesOf(ctx, account, func(list []providers.Object) bool {
			return slices.ContainsFunc(list, func(object providers.Object) bool { return strings.Contains(object.Name, ".h.") })
		})
		if err != nil {
			return err
		}
		var halted []version
		for _, list := range found {
			s, err := r.shelve(ctx, list)
			if err != nil {
				return err
			}
			halted = append(halted, slices.DeleteFunc(s.ordered(), func(v version) bool { return !v.halted })...)
		}
		halted = r.fitting(halted)
		bodies, err := r.bodies(ctx, halted)
		if err != nil {
			return err
		}
		for i, v := range halted {
			messages = append(messages, dm3api.HaltedMessage{
				MessageID: bodies[i].ID, Container: bodies[i].Container, CreatedAt: dm3api.FromMilliseconds(v.created), IsHalted: true,
			})
		}
		slices.SortFunc(messages, func(a, b dm3api.HaltedMessage) int { return strings.Compare(a.MessageID, b.MessageID) })
		return nil
	})
	return messages, err
}

// fitting are the oldest versions that fit into one answer, one at least.
func (r *Records) fitting(list []version) []version {
	slices.SortFunc(list, func(a, b version) int { return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id)) })
	size := int64(0)
	for i, v := range list {
		if size += v.size; size > r.o.PageBytes && i > 0 {
			return list[:i]
		}
	}
	return list
}

// ClearHaltedMessage implements [dm3api.Backend]. A rename copies all records to the
// conversation of the new name before those under the old one are removed; it may be
// repeated when it was broken off.
func (r *Records) ClearHaltedMessage(ctx context.Context, account, storedID, alias string) error {
	return again(func() error { return r.clear(ctx, account, storedID, alias) })
}

func (r *Records) clear(ctx context.Context, account, storedID, alias string) error {
	found, err := r.messagesOf(ctx, account, func([]providers.Object) bool { return true })
	if err != nil {
		return err
	}
	id, cleared := recordID(storedID), false
	for conversation, list := range found {
		s, err := r.shelve(ctx, list)
		if err != nil {
			return err
		}
		if _, there := s.versions[id]; !there {
			continue
		}
		cleared = true
		if v := s.current(id); v.halted {
			bodies, err := r.bodies(ctx, []version{v})
			if err != nil {
				return err
			}
			v.revision, v.halted = v.revision+1, false
			if err := r.put(ctx, messagePrefix(account, conversation), v, bodies[0]); err != nil {
				return err
			}
		}
		if to := conversationID(account, alias); alias != "" && to != conversation {
			if err := r.move(ctx, account, conversation, alias); err != nil {
				return err
			}
		}
	}
	if !cleared {
		return dm3api.ErrNotAdded
	}
	return nil
}

// move takes a conversation over to the one of another name. Everything is at its new
// place before anything is removed.
func (r *Records) move(ctx context.Context, account, from, alias string) error {
	old, err := r.conversation(ctx, account, from)
	if err != nil {
		return err
	}
	records, err := r.list(ctx, messagePrefix(account, from))
	if err != nil {
		return err
	}
	s, err := r.shelve(ctx, records)
	if err != nil {
		return err
	}
	if err := r.takeName(ctx, account, old, alias); err != nil {
		return err
	}
	prefix := messagePrefix(account, conversationID(account, alias))
	for batch := range slices.Chunk(s.ordered(), packRecords) {
		bodies, err := r.bodies(ctx, batch)
		if err != nil {
			return err
		}
		group, grouped := errgroup.WithContext(ctx)
		group.SetLimit(max(1, r.o.Store.Properties().Parallel))
		for i, v := range batch {
			bodies[i].Contact = alias
			group.Go(func() error { return r.put(grouped, prefix, v, bodies[i]) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	gone := slices.Clone(old.old)
	for _, object := range records {
		gone = append(gone, object.Name)
	}
	if old.flag != "" {
		gone = append(gone, old.flag)
	}
	if old.named != "" {
		gone = append(gone, old.named)
	}
	if err := r.o.Store.Delete(ctx, gone...); err != nil {
		return fmt.Errorf("storage: removing a renamed conversation: %w", err)
	}
	return nil
}

// takeName gives the conversation of the new name what is known of the old one, unless
// it knows better.
func (r *Records) takeName(ctx context.Context, account string, old *conversation, alias string) error {
	location := ""
	if old.named != "" {
		b, err := r.named(ctx, old)
		if err != nil {
			return err
		}
		location = b.Location
	}
	c, err := r.conversation(ctx, account, conversationID(account, alias))
	if err != nil {
		return err
	}
	if c.named != "" {
		if b, err := r.named(ctx, c); err != nil || b.Location != "" || location == "" {
			return err
		}
	}
	return r.name(ctx, account, c, namedBody{Contact: alias, Location: location})
}
