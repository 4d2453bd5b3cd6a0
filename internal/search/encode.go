package search

import "encoding/binary"

// encoder writes what footers and the manifest say.
type encoder struct{ bytes []byte }

func (e *encoder) number(n uint64) { e.bytes = binary.AppendUvarint(e.bytes, n) }
func (e *encoder) signed(n int64)  { e.bytes = binary.AppendVarint(e.bytes, n) }
func (e *encoder) raw(b []byte)    { e.bytes = append(e.bytes, b...) }

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	e.bytes = append(e.bytes, s...)
}

func (e *encoder) block(b blockAt) {
	e.number(uint64(b.offset))
	e.number(uint64(b.length))
}

func (e *encoder) blocks(list []blockAt) {
	e.number(uint64(len(list)))
	for _, b := range list {
		e.block(b)
	}
}

// decoder reads what an encoder wrote. After the first fault everything is zero and bad is set.
type decoder struct {
	bytes []byte
	bad   bool
}

func (d *decoder) number() uint64 {
	n, length := binary.Uvarint(d.bytes)
	return take(d, n, length)
}

func (d *decoder) signed() int64 {
	n, length := binary.Varint(d.bytes)
	return take(d, n, length)
}

func take[N uint64 | int64](d *decoder, n N, length int) N {
	if length <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.bytes = d.bytes[length:]
	return n
}

func (d *decoder) raw(length int) []byte {
	if d.bad || length < 0 || length > len(d.bytes) {
		d.bad = true
		return make([]byte, min(max(length, 0), 64))
	}
	b := d.bytes[:length]
	d.bytes = d.bytes[length:]
	return b
}

func (d *decoder) text() string { return string(d.raw(d.count())) }

// count reads a number of things of which each takes a byte at least.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.bytes)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) block() blockAt {
	b := blockAt{int64(d.number()), int(d.number())}
	if b.offset < 0 || b.length < 0 || b.length > maxBlock {
		d.bad = true
		return blockAt{}
	}
	return b
}

func (d *decoder) blocks() []blockAt {
	list := make([]blockAt, 0, d.count())
	for range cap(list) {
		list = append(list, d.block())
	}
	return list
}
