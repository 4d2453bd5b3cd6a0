package engine

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/dm3sync/dm3sync/internal/container"
)

// content is what a sealed object holds. Several callers share one: nobody changes
// what they read there.
type content struct {
	plain  []byte
	decode sync.Once // sets what follows, of one of the kinds
	chunk  *container.Chunk
	head   *container.Head
	err    error
}

// decoded reads the content as a chunk. The caller may look, and not change anything.
func (c *content) decoded() (*container.Chunk, error) {
	c.decode.Do(func() { c.chunk, c.err = container.DecodeChunk(c.plain) })
	return c.chunk, c.err
}

// asChunk is decoded, for a caller that changes the lists of the chunk.
func (c *content) asChunk() (*container.Chunk, error) {
	chunk, err := c.decoded()
	if err != nil {
		return nil, err
	}
	own := *chunk
	own.Messages, own.Tombstones, own.Replaces = slices.Clone(chunk.Messages), slices.Clone(chunk.Tombstones), slices.Clone(chunk.Replaces)
	return &own, nil
}

// asHead reads the content as a head.
func (c *content) asHead() (*container.Head, error) {
	c.decode.Do(func() { c.head, c.err = container.DecodeHead(c.plain) })
	return c.head, c.err
}

// openedBytes bounds what is remembered of opened objects: their sealed bytes and
// what these hold. One object may take an eighth of it.
const openedBytes = 4 << 20

// opened remembers what the objects that were opened last hold. The same ones are
// asked for again and again, within a pass and from pass to pass, and to open and
// decode one costs more than all else that is done with it. A question brings the
// sealed bytes, and only the very same ones have the same answer: so whatever a disk
// or a place gives this time is looked at as closely as if nothing were remembered.
// The zero value is ready; it is safe for concurrent use.
type opened struct {
	mu         sync.Mutex
	seed       maphash.Seed
	young, old map[uint64]*openedObject // by what hash says
	bytes      int                      // of the young ones
}

type openedObject struct {
	kind    container.Kind
	key     container.Key
	sealed  []byte
	content *content
}

func (o *openedObject) size() int { return len(o.sealed) + len(o.content.plain) }

// find returns what sealed bytes, bound to a kind and a key, hold, or nil.
func (o *opened) find(kind container.Kind, key container.Key, sealed []byte) *content {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.young == nil {
		return nil
	}
	hash := o.hash(sealed)
	object := o.young[hash]
	if object == nil {
		object = o.old[hash]
	}
	if object == nil || object.kind != kind || object.key != key || !bytes.Equal(object.sealed, sealed) {
		return nil
	}
	o.add(hash, object)
	return object.content
}

// hash tells sealed bytes apart by their end, where seals differ. Two that agree there
// only take each other's place. The caller holds mu.
func (o *opened) hash(sealed []byte) uint64 {
	const end = 64
	return maphash.Bytes(o.seed, sealed[max(0, len(sealed)-end):])
}

// keep remembers an object, whose bytes must not change any more.
func (o *opened) keep(object *openedObject) *content {
	if object.size() > openedBytes/8 {
		return object.content
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.young == nil {
		o.seed, o.young = maphash.MakeSeed(), make(map[uint64]*openedObject)
	}
	o.add(o.hash(object.sealed), object)
	return object.content
}

// add puts an object among the young ones. When these fill their half they become the
// old ones, of which those stay that are asked for again. The caller holds mu.
func (o *opened) add(hash uint64, object *openedObject) {
	known := o.young[hash]
	if known == object {
		return
	}
	if known != nil {
		o.bytes -= known.size()
	}
	o.young[hash] = object
	if o.bytes += object.size(); o.bytes > openedBytes/2 {
		o.young, o.old, o.bytes = make(map[uint64]*openedObject), o.young, 0
	}
}

// open opens a sealed object of a container, whose bytes must not change any more.
func (e *Engine) open(kind container.Kind, key container.Key, sealed []byte) (*content, error) {
	if found := e.opened.find(kind, key, sealed); found != nil {
		return found, nil
	}
	plain, err := e.o.Sealer.Open(nil, kind, key, sealed)
	if err != nil {
		return nil, err
	}
	return e.opened.keep(&openedObject{kind, key, sealed, &content{plain: plain}}), nil
}

// openBody opens what a head carries of an inline state.
func (e *Engine) openBody(body []byte) (*content, error) {
	if found := e.opened.find(0, "", body); found != nil {
		return found, nil
	}
	plain, err := e.o.Sealer.OpenBody(nil, body)
	if err != nil {
		return nil, err
	}
	// A copy of its own, or the bodies of the whole head would be kept with it.
	return e.opened.keep(&openedObject{sealed: bytes.Clone(body), content: &content{plain: plain}}), nil
}
