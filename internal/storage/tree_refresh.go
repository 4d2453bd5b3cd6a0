package storage

import (
	"context"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// maxRefresh is up to how many messages an order is completed by rather than read anew.
const maxRefresh = 1000

// orderLife is after how long an order is read anew, whatever was found meanwhile: what
// is known of a conversation does not change when as much goes as comes.
const orderLife = 10 * time.Minute

// ownWrite is what was appended here since an order was made.
type ownWrite struct {
	position
	stored bool // created is what the app said; else the message only changed
}

// noteWrites remembers what is appended, for the next refresh. It is called before the
// appending, so that a refresh never finds too few.
func (a *treeAccount) noteWrites(contact string, writes []ownWrite) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.orders[contact] == nil {
		return
	}
	if a.own[contact] = append(a.own[contact], writes...); len(a.own[contact]) > maxRefresh {
		delete(a.orders, contact) // it is read anew
		delete(a.own, contact)
	}
}

// lastOrder returns the order that was made last, and what was appended since.
func (a *treeAccount) lastOrder(contact string) (*order, []ownWrite) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders[contact], slices.Clone(a.own[contact])
}

// keepOrder remembers an order, which holds what seen were.
func (a *treeAccount) keepOrder(contact string, o *order, seen int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders[contact] = o
	if rest := a.own[contact]; seen >= len(rest) {
		delete(a.own, contact)
	} else {
		a.own[contact] = rest[seen:]
	}
	a.trim(contact)
}

// order returns the order of a conversation; nil when there is no such conversation.
func (a *treeAccount) order(ctx context.Context, contact string) (*order, error) {
	list, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	now, there := list[contact]
	if !there {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	known, own := a.lastOrder(contact)
	if known != nil && a.now().Sub(known.made).Abs() <= orderLife && !known.provisional {
		if known.known == now && len(own) == 0 {
			return known, nil
		}
		if fresh := known.refresh(now, own); fresh != nil {
			a.keepOrder(contact, fresh, len(own))
			return fresh, nil
		}
	}
	made := a.now()
	fresh, err := readOrder(ctx, a.account, now)
	if err != nil {
		return nil, err
	}
	fresh.made = made
	if fresh.provisional {
		a.log.Warn("an app was shown a conversation of which a part could not be read; `dm3sync status` says why")
	}
	a.keepOrder(contact, fresh, len(own))
	return fresh, nil
}

// refresh completes an order by what was appended here, when nothing else happened to
// the conversation; else it returns nil. Nothing else did when both counts grew by just
// that: what others append changes only the one, what passes and deletions do both
// otherwise.
func (o *order) refresh(now engine.Conversation, own []ownWrite) *order {
	if now.Messages-o.known.Messages != len(own) || now.Pending-o.known.Pending != len(own) || now.Chunks != o.known.Chunks {
		return nil
	}
	changes := make(map[container.MessageHash]ownWrite, len(own))
	for _, w := range own {
		if before, twice := changes[w.hash]; !twice || w.stored && !before.stored {
			changes[w.hash] = w
		}
	}
	fresh := o.with(changes)
	fresh.known = now
	return fresh
}

// with returns the order with changes: new messages, and those of which an app has said
// when they were created.
func (o *order) with(changes map[container.MessageHash]ownWrite) *order {
	fresh := &order{made: o.made, positions: make([]position, 0, len(o.positions)+len(changes))}
	known := make(map[container.MessageHash]bool, len(changes))
	for _, p := range o.positions {
		if change, changed := changes[p.hash]; changed {
			known[p.hash] = true
			if change.stored {
				p.created = change.created
			}
		}
		fresh.positions = append(fresh.positions, p)
	}
	for hash, change := range changes {
		if !known[hash] {
			fresh.positions = append(fresh.positions, change.position)
		}
	}
	fresh.sort()
	return fresh
}
