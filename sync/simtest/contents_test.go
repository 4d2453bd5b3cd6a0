package simtest

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

// contents is what all objects of an account at the place say, opened by the test
// itself and not by an engine: states that are objects, and those inside heads.
type contents struct {
	roots    []*container.Root
	chunks   map[container.Key][]state
	replaced map[string]bool // names of states that a head calls so; one may still lie inside a head
}

// state is a state of a chunk.
type state struct {
	name   string
	inline bool
	chunk  *container.Chunk
}

// opened opens every object of the place that is this account's.
func (w *world) opened(a *account) *contents {
	c := &contents{chunks: make(map[container.Key][]state), replaced: make(map[string]bool)}
	place := w.devices[0].server
	for _, object := range place.list("") {
		sealed, _ := place.get(object.Name)
		text, name, _ := strings.Cut(object.Name, "/")
		key := container.Key(text)
		for _, kind := range []container.Kind{container.KindRoot, container.KindConversation, container.KindChunk, container.KindHead} {
			if plain, err := a.sealer.Open(nil, kind, key, sealed); err == nil {
				w.take(c, a, kind, key, name, false, plain)
			}
		}
	}
	return c
}

// take adds the plaintext of a state or head to what is known.
func (w *world) take(c *contents, a *account, kind container.Kind, key container.Key, name string, inline bool, plain []byte) {
	var err error
	switch kind {
	case container.KindRoot:
		var root *container.Root
		if root, err = container.DecodeRoot(plain); err == nil {
			c.roots = append(c.roots, root)
		}
	case container.KindConversation:
		_, err = container.DecodeConversation(plain)
	case container.KindChunk:
		var chunk *container.Chunk
		if chunk, err = container.DecodeChunk(plain); err == nil {
			c.chunks[key] = append(c.chunks[key], state{name, inline, chunk})
		}
	case container.KindHead:
		var head *container.Head
		if head, err = container.DecodeHead(plain); err == nil {
			w.takeHead(c, a, name, head)
		}
	}
	if err != nil {
		w.fail("%s opens and is no object of its kind: %v", name, err)
	}
}

// takeHead adds the states that travel inside a head.
func (w *world) takeHead(c *contents, a *account, name string, head *container.Head) {
	inline := func(kind container.Kind, key container.Key, refs []container.StateRef) {
		for i := range refs {
			if refs[i].Length == 0 {
				continue
			}
			body, err := a.sealer.OpenBody(nil, head.Body(&refs[i]))
			if err != nil {
				w.fail("head %s: a body can't be opened: %v", name, err)
				continue
			}
			w.take(c, a, kind, key, refs[i].Name, true, body)
		}
	}
	for ref := range head.States() {
		for _, replaced := range ref.Replaces {
			c.replaced[replaced] = true
		}
	}
	inline(container.KindRoot, a.root, head.Root)
	for i := range head.Talks {
		talk := &head.Talks[i]
		conversation := container.ConversationKey(a.root, talk.Contact)
		inline(container.KindConversation, conversation, talk.States)
		for _, chunk := range talk.Chunks {
			inline(container.KindChunk, container.ChunkKey(conversation, chunk.Identifier), chunk.States)
		}
	}
}

// checkContents checks what all that lies at the place comes to: no object holds a
// message that was removed (invariant 3), the root lists whom it must (6), no chunk
// is larger than the limit without need (7), and nothing is there in clear (8).
func (w *world) checkContents(a *account) {
	c := w.opened(a)
	for _, key := range slices.Sorted(maps.Keys(c.chunks)) {
		var objects []*container.Chunk
		for _, state := range c.chunks[key] {
			w.checkNoneRemoved(a, state.chunk)
			if !state.inline && !c.replaced[state.name] {
				objects = append(objects, state.chunk)
			}
		}
		w.checkSize(container.UnionChunk(objects...))
	}
	w.checkRoot(a, container.UnionRoot(c.roots...))
	for _, object := range w.devices[0].server.list("") {
		sealed, _ := w.devices[0].server.get(object.Name)
		for _, text := range secrets {
			if bytes.Contains(sealed, []byte(text)) || strings.Contains(object.Name, text) {
				w.fail("the place can read %q in %s", text, object.Name)
			}
		}
	}
}

func (w *world) checkNoneRemoved(a *account, chunk *container.Chunk) {
	for _, message := range chunk.Messages {
		if f := a.fates[message.Hash]; f != nil && f.removed {
			w.fail("an object still holds a removed message of %d", message.Timestamp)
			return
		}
	}
}

// checkSize checks that a chunk was split when it had to be. Small objects beside a
// large one wait until they are worth compacting, and only one that is alone is split;
// with a spill all that travels in heads may come to it at once.
func (w *world) checkSize(chunk *container.Chunk) {
	size, most := len(chunk.AppendJSON(nil)), 3*w.setting.chunkLimit+int(w.setting.inline)
	first, last := int64(1)<<62, int64(-1)
	for _, message := range chunk.Messages {
		first, last = min(first, message.Timestamp), max(last, message.Timestamp)
	}
	if first < last && size > most {
		w.fail("a chunk has %d bytes, the limit is %d", size, w.setting.chunkLimit)
	}
}

// checkRoot checks that the root lists each conversation with a message, as other
// programs need it, and remembers each that ever had one.
func (w *world) checkRoot(a *account, root *container.Root) {
	for _, hash := range a.order {
		f := a.fates[hash]
		if !f.acked || f.unsure {
			continue
		}
		if !f.removed && !slices.Contains(root.Conversations, f.contact) {
			w.fail("the root does not list %s, of whom there is a message", f.contact)
			return
		}
		if !slices.Contains(root.Names, f.contact) && !slices.Contains(root.Conversations, f.contact) {
			w.fail("the root does not remember %s", f.contact)
			return
		}
	}
}

// secrets are texts of messages, and names, that must not be seen anywhere (invariants
// 8 and 12).
var secrets = []string{"friend", "alice", "word word"}

// checkDisk checks that nothing lies on a device's disk in clear.
func (w *world) checkDisk(d *device) {
	for _, text := range secrets {
		if paths := d.disk.Holding([]byte(text)); len(paths) > 0 {
			w.fail("%s keeps %q in clear in %v", d, text, paths)
		}
	}
}
