package simtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

// tell says, for a trace, what an object holds.
func (w *world) tell(name string, data []byte) {
	key, _, _ := strings.Cut(name, "/")
	for _, a := range w.accounts {
		if plain, err := a.sealer.Open(nil, container.KindChunk, container.Key(key), data); err == nil {
			w.tellChunk(name, plain)
		}
		if plain, err := a.sealer.Open(nil, container.KindConversation, container.Key(key), data); err == nil {
			w.tellList(name, plain)
		}
		plain, err := a.sealer.Open(nil, container.KindHead, container.Key(key), data)
		if err != nil {
			continue
		}
		head, err := container.DecodeHead(plain)
		if err != nil {
			continue
		}
		w.log(fmt.Sprintf("        head %s covers %v absorbs %v", name, head.Covers, head.Absorbed))
		for _, ref := range head.Root {
			w.log(fmt.Sprintf("        names %s of the root, replaces %v", ref.Name, ref.Replaces))
		}
		for i := range head.Talks {
			for _, ref := range head.Talks[i].States {
				w.log(fmt.Sprintf("        names %s of the list of %s, replaces %v", ref.Name, head.Talks[i].Contact, ref.Replaces))
				if body, err := a.sealer.OpenBody(nil, head.Body(&ref)); err == nil && ref.Length > 0 {
					w.tellList(ref.Name, body)
				}
			}
			for _, chunk := range head.Talks[i].Chunks {
				for _, ref := range chunk.States {
					w.log(fmt.Sprintf("        names %s of %s %v, replaces %v", ref.Name, head.Talks[i].Contact, chunk.Identifier, ref.Replaces))
					if body, err := a.sealer.OpenBody(nil, head.Body(&ref)); err == nil && ref.Length > 0 {
						w.tellChunk(ref.Name, body)
					}
				}
			}
		}
	}
}

func (w *world) tellList(name string, plain []byte) {
	if list, err := container.DecodeConversation(plain); err == nil {
		w.log(fmt.Sprintf("        list %s: %s has %v, replaces %v", name, list.Contact, list.Chunks, list.Replaces))
	}
}

func (w *world) tellChunk(name string, plain []byte) {
	chunk, err := container.DecodeChunk(plain)
	if err != nil {
		return
	}
	times := make([]int64, 0, len(chunk.Messages))
	for i := range chunk.Messages {
		times = append(times, chunk.Messages[i].Timestamp)
	}
	slices.Sort(times)
	w.log(fmt.Sprintf("        state %s: %s %v holds %v and %d tombstones, replaces %v", name, chunk.Contact, chunk.Identifier, times, len(chunk.Tombstones), chunk.Replaces))
}
