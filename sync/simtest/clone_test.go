package simtest

import (
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

// author is who wrote a head, and under which name; "" in a world without clones.
type author struct {
	device int
	name   string
	order  int // of all heads
}

// signs notes whose head this is, and checks that no device writes under a name
// that another one has by what it read: of a device and its copy, whoever meets
// the other one takes a new name.
func (w *world) signs(d *device, object string, sealed []byte) {
	if _, again := w.authors[object]; again || !strings.HasPrefix(object, string(d.account.heads)+"/") {
		return
	}
	by := author{device: d.id, order: len(w.authors)}
	if w.clones > 0 {
		plain, err := d.account.sealer.Open(nil, container.KindHead, d.account.heads, sealed)
		if err != nil {
			w.fail("%s writes a head that can't be opened: %v", d, err)
			return
		}
		head, err := container.DecodeHead(plain)
		if err != nil {
			w.fail("%s writes a head that is none: %v", d, err)
			return
		}
		by.name = head.Device
	}
	w.authors[object] = by
	if _, met := d.met[by.name]; !met || by.name == "" {
		return
	}
	if d.met[by.name]++; d.met[by.name] > unmet {
		w.fail("%s goes on under the name of another one, whose head it has read", d)
	}
}

// unmet is how many heads a device may write before it knows of what it has read: a
// scrub reads heads without taking them, and flushes are made between two looks.
const unmet = 16

// meets notes under which names others write, as a device gets to know them. Heads
// from before a copy was made are those of the device that both were.
func (w *world) meets(d *device, object string) {
	if by, known := w.authors[object]; known && by.device != d.id && by.order >= d.born {
		d.met[by.name] += 0 // known from now on
	}
}
