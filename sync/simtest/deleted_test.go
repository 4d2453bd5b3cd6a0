package simtest

import (
	"context"
	"errors"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// checkPurged opens every object at the place: none holds a message that was
// removed, be it in a state that travels inside a head.
func (w *world) checkPurged(a *account) {
	for _, object := range w.devices[0].server.list("") {
		sealed, _ := w.devices[0].server.get(object.Name)
		name, _, _ := strings.Cut(object.Name, "/")
		key := container.Key(name)
		if plain, err := a.sealer.Open(nil, container.KindChunk, key, sealed); err == nil {
			w.checkNoneRemoved(a, object.Name, plain)
		}
		plain, err := a.sealer.Open(nil, container.KindHead, key, sealed)
		if err != nil {
			continue
		}
		head, err := container.DecodeHead(plain)
		if err != nil {
			w.fail("%s is no head: %v", object.Name, err)
			continue
		}
		for i := range head.Talks {
			for _, chunk := range head.Talks[i].Chunks {
				for _, ref := range chunk.States {
					if ref.Length == 0 {
						continue
					}
					body, err := a.sealer.OpenBody(nil, head.Body(&ref))
					if err != nil {
						w.fail("%s: a body can't be opened: %v", object.Name, err)
						continue
					}
					w.checkNoneRemoved(a, object.Name, body)
				}
			}
		}
	}
}

func (w *world) checkNoneRemoved(a *account, where string, plain []byte) {
	chunk, err := container.DecodeChunk(plain)
	if err != nil {
		w.fail("%s is no chunk: %v", where, err)
		return
	}
	for _, message := range chunk.Messages {
		if f := a.fates[message.Hash]; f != nil && f.removed {
			w.fail("%s still holds a removed message of %d", where, message.Timestamp)
			return
		}
	}
}

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
