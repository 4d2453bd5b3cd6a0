package search

import (
	"container/list"
	"sync"
)

// blockCache keeps opened blocks in memory, up to so many bytes; what was used the longest ago leaves first. It is safe
// for concurrent use.
type blockCache struct {
	mu    sync.Mutex
	most  int
	bytes int
	order *list.List // of *keptBlock, last used first
	items map[blockKey]*list.Element
}

type blockKey struct {
	name   segmentName
	offset int64
}

type keptBlock struct {
	key   blockKey
	plain []byte
}

func newBlockCache(most int) *blockCache {
	return &blockCache{most: most, order: list.New(), items: map[blockKey]*list.Element{}}
}

func (c *blockCache) get(key blockKey) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.items[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*keptBlock).plain, true
}

func (c *blockCache) put(key blockKey, plain []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.items[key]; there || len(plain) > c.most {
		return
	}
	c.items[key] = c.order.PushFront(&keptBlock{key, plain})
	for c.bytes += cap(plain); c.bytes > c.most; {
		c.remove(c.order.Back())
	}
}

// drop forgets the blocks of a segment.
func (c *blockCache) drop(name segmentName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for element := c.order.Front(); element != nil; {
		next := element.Next()
		if element.Value.(*keptBlock).key.name == name {
			c.remove(element)
		}
		element = next
	}
}

func (c *blockCache) remove(element *list.Element) {
	kept := c.order.Remove(element).(*keptBlock)
	delete(c.items, kept.key)
	c.bytes -= cap(kept.plain)
}
