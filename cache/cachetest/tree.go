package cachetest

import (
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// node is a folder, a file, or a store of records, whatever its names.
type node struct {
	names, durable table[*node] // of a folder; the second as they are on the disk for certain
	folder         bool
	linked         bool // has a name
	modified       time.Time

	content content
	records *records // nil in a file
}

// place is a name in a folder.
type place struct {
	folder *node
	name   string
}

// naming is a change of names: a node comes to one place, leaves another, or both.
type naming struct {
	node     *node
	to, from place
}

func (n naming) apply(namesOf func(*node) *table[*node]) {
	if n.from.folder != nil {
		namesOf(n.from.folder).cut(n.from.name)
	}
	if n.to.folder != nil {
		namesOf(n.to.folder).put(n.to.name, n.node)
	}
}

func namesNow(folder *node) *table[*node]     { return &folder.names }
func namesDurable(folder *node) *table[*node] { return &folder.durable }

// name does a change of names, which a crash may undo until a sync.
func (d *Disk) name(n naming) {
	n.apply(namesNow)
	d.namings = append(d.namings, n)
}

// syncNames makes all changes in a folder durable.
func (d *Disk) syncNames(folder *node) {
	d.namings = slices.DeleteFunc(d.namings, func(n naming) bool {
		touches := n.to.folder == folder || n.from.folder == folder
		if touches {
			n.apply(namesDurable)
		}
		return touches
	})
}

// settleNames undoes all changes after some moment, but what is durable.
func (d *Disk) settleNames(random *rand.Rand) {
	kept := len(d.namings)
	switch random.IntN(4) {
	case 0:
		kept = 0
	case 1, 2:
		kept = random.IntN(kept + 1)
	}
	for _, n := range d.namings[:kept] {
		n.apply(namesDurable)
	}
	clear(d.namings)
	d.namings = d.namings[:0]
}

// parts are the names along a path.
func parts(path string) func(yield func(string) bool) {
	path = filepath.ToSlash(path[len(filepath.VolumeName(path)):])
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(path, "/") {
			if part != "" && part != "." && !yield(part) {
				return
			}
		}
	}
}

// find returns what has a path.
func (d *Disk) find(path string) (*node, error) {
	at := d.root
	for name := range parts(path) {
		if !at.folder {
			return nil, syscall.ENOTDIR
		}
		next, ok := at.names.get(name)
		if !ok {
			return nil, fs.ErrNotExist
		}
		at = next
	}
	return at, nil
}

// findFile returns the file at a path.
func (d *Disk) findFile(path string) (*node, error) {
	n, err := d.find(path)
	if err == nil && (n.folder || n.records != nil) {
		return nil, syscall.EISDIR // or a store, which has no bytes to read
	}
	return n, err
}

// place returns the place of a path, whose folder exists.
func (d *Disk) place(path string) (place, error) {
	folder, err := d.find(filepath.Dir(path))
	if err != nil {
		return place{}, err
	}
	if !folder.folder {
		return place{}, syscall.ENOTDIR
	}
	return place{folder, filepath.Base(path)}, nil
}

// make gives a path to a new node.
func (d *Disk) make(path string, n *node) error {
	to, err := d.place(path)
	if err != nil {
		return err
	}
	n.linked, n.modified = true, d.now()
	d.used += blocks(n.size())
	d.name(naming{node: n, to: to})
	return nil
}

// makeFolders makes the folders along a path.
func (d *Disk) makeFolders(path string) error {
	at := d.root
	for name := range parts(path) {
		next, ok := at.names.get(name)
		if !ok {
			next = &node{folder: true, linked: true, modified: d.now()}
			d.name(naming{node: next, to: place{at, name}})
		}
		if !next.folder {
			return syscall.ENOTDIR
		}
		at = next
	}
	return nil
}

// rename moves a file.
func (d *Disk) rename(from, to string) error {
	n, err := d.find(from)
	if err != nil {
		return err
	}
	old, err := d.place(from)
	if err != nil {
		return err
	}
	target, err := d.place(to)
	if err != nil {
		return err
	}
	if replaced, ok := target.folder.names.get(target.name); ok && replaced != n {
		if replaced.folder {
			return syscall.EISDIR
		}
		d.unlink(replaced)
	}
	d.name(naming{node: n, from: old, to: target})
	return nil
}

// remove takes the name from a file, or from a folder with all that is in it.
func (d *Disk) remove(path string, all bool) error {
	n, err := d.find(path)
	if err != nil {
		return err
	}
	if len(n.names) > 0 && !all {
		return syscall.ENOTEMPTY
	}
	at, err := d.place(path)
	if err != nil {
		return err
	}
	d.removeAt(at, n)
	return nil
}

func (d *Disk) removeAt(at place, n *node) {
	for len(n.names) > 0 {
		d.removeAt(place{n, n.names[0].key}, n.names[0].value)
	}
	d.unlink(n)
	d.name(naming{from: at})
}

// unlink gives the space of a node free.
func (d *Disk) unlink(n *node) {
	n.linked = false
	d.used -= blocks(n.size())
}

// walk visits a folder's content, in the order of names.
func (n *node) walk(path string, visit func(path string, n *node)) {
	for _, entry := range n.names {
		below := path + string(filepath.Separator) + entry.key
		visit(below, entry.value)
		entry.value.walk(below, visit)
	}
}

// size is the bytes of a node.
func (n *node) size() int64 {
	if n.records != nil {
		return n.records.size
	}
	return int64(len(n.content.data))
}

const blockSize = 512

// blocks is the space that so many bytes take.
func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize * blockSize }
