package cachetest

import (
	"math/rand/v2"
	"slices"
)

// content is the bytes of a file: as everybody reads them, as they are on the
// disk for certain, and what was written since.
type content struct {
	data, durable []byte
	unsynced      []write
	lent          bool // somebody reads data, which must not change any more in place
}

// lend gives data away for reading.
func (c *content) lend() []byte {
	c.lent = true
	return slices.Clip(c.data)
}

// own makes sure that data may change in place.
func (c *content) own() {
	if c.lent {
		c.data, c.lent = slices.Clone(c.data), false
	}
}

// write is one change of a file's bytes.
type write struct {
	at    int64
	data  []byte
	whole bool // the file is replaced
	cut   bool // the size becomes at
}

// add changes the file; w.data belongs to the content from then on.
func (c *content) add(w write) {
	if w.whole {
		c.data, c.lent = slices.Clip(w.data), true // the write keeps it for a crash
	} else {
		c.own()
		c.data = w.apply(c.data)
	}
	c.unsynced = append(c.unsynced, w)
}

// sync makes durable what was written.
func (c *content) sync() {
	for _, w := range c.unsynced {
		c.durable = w.apply(c.durable)
	}
	c.unsynced = c.unsynced[:0]
}

// settle decides what the disk has of the writes since the last sync. What is
// read stays the same until a crash.
func (c *content) settle(random *rand.Rand) {
	for _, w := range c.unsynced {
		if w, kept := w.torn(random); kept {
			c.durable = w.apply(c.durable)
		}
	}
	c.unsynced = c.unsynced[:0]
}

// crash leaves what is on the disk.
func (c *content) crash(random *rand.Rand) {
	c.settle(random)
	if c.lent {
		c.data, c.lent = nil, false
	}
	c.data = append(c.data[:0], c.durable...)
}

// apply does the change to a file's bytes.
func (w write) apply(data []byte) []byte {
	if w.whole {
		data = data[:0]
	}
	if w.cut {
		return resize(data, int(w.at))
	}
	if end := int(w.at) + len(w.data); end > len(data) && len(w.data) > 0 {
		data = resize(data, end)
	}
	copy(data[min(int(w.at), len(data)):], w.data)
	return data
}

// torn is what a loss of power leaves of a write.
func (w write) torn(random *rand.Rand) (left write, kept bool) {
	switch fate := random.IntN(4); {
	case fate == 0:
		return w, false
	case fate == 1 || w.cut || len(w.data) == 0:
		return w, true
	case fate == 2:
		w.data = w.data[:random.IntN(len(w.data)+1)]
	default:
		begin := random.IntN(len(w.data))
		end := begin + 1 + random.IntN(len(w.data)-begin)
		w.data = slices.Clone(w.data)
		clear(w.data[begin:end])
	}
	return w, true
}

// resize cuts data or lengthens it with zeros.
func resize(data []byte, size int) []byte {
	old := len(data)
	if size <= old {
		return data[:size]
	}
	data = slices.Grow(data, size-old)[:size]
	clear(data[old:])
	return data
}
