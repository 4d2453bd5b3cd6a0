package simtest

import (
	"context"
	"errors"
	"strings"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// hide hides one of a device's conversations, or shows it again.
func (w *world) hide(d *device) {
	contact := w.contact()
	if err := d.Hide(context.Background(), contact, w.random.IntN(2) == 0); err != nil && !d.view.dead.Load() && !d.full && !errors.Is(err, engine.ErrNoConversation) {
		w.fail("device %d: hide: %v", d.id, err)
	}
}

// hidden lists the conversations that a device hides.
func (d *device) hidden() string {
	var names []string
	list, err := d.Conversations(context.Background())
	if err != nil {
		d.world.fail("device %d: conversations: %v", d.id, err)
	}
	for _, conversation := range list {
		if conversation.Hidden {
			names = append(names, conversation.Contact)
		}
	}
	return strings.Join(names, " ")
}
