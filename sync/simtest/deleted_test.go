package simtest

import (
	"context"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// wantPurged opens every object at the place: none holds a message that was
// removed, be it in a state that travels inside a head.
func (w *world) wantPurged() {
	w.t.Helper()
	sealer, err := seal.New([32]byte{3}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for object, err := range w.store.List(context.Background(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		sealed, err := w.store.Get(context.Background(), object.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		key, _, _ := strings.Cut(object.Name, "/")
		if plain, err := sealer.Open(nil, container.KindChunk, container.Key(key), sealed); err == nil {
			w.wantNoneRemoved(object.Name, plain)
		}
		plain, err := sealer.Open(nil, container.KindHead, container.Key(key), sealed)
		if err != nil {
			continue
		}
		head, err := container.DecodeHead(plain)
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range head.Talks {
			for _, chunk := range head.Talks[i].Chunks {
				for _, ref := range chunk.States {
					if ref.Length == 0 {
						continue
					}
					body, err := sealer.OpenBody(nil, head.Body(&ref))
					if err != nil {
						w.t.Fatal(err)
					}
					w.wantNoneRemoved(object.Name+" "+ref.Name, body)
				}
			}
		}
	}
}

func (w *world) wantNoneRemoved(where string, plain []byte) {
	w.t.Helper()
	chunk, err := container.DecodeChunk(plain)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, message := range chunk.Messages {
		if w.removed[message.Hash] {
			w.t.Errorf("%s holds a removed message of %d", where, message.Timestamp)
		}
	}
}
