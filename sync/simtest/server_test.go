package simtest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

// server keeps the objects of a place. Faults of requests are the view's; what
// the place itself does wrong (damage, withholding, old backups) is here.
type server struct {
	mu       sync.Mutex
	objects  map[string][]byte
	names    []string       // sorted
	withheld map[string]int // from a device, by its id, or from everyone
	late     []func()       // effects of requests that were given up
	puts     int
	changed  func(change) // a carrier takes it from here; nil without one
	receipts receipts     // what a carrier brought
}

// change is what a carrier takes to the other copies of a folder.
type change struct {
	name string
	data []byte // nil for a removal
}

func newServer() *server {
	return &server{objects: make(map[string][]byte), withheld: make(map[string]int), receipts: receipts{replaced: make(map[string]bool)}}
}

func (s *server) put(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	s.keep(name, data)
	if s.changed != nil {
		s.changed(change{name, data})
	}
}

// keep stores without telling the carrier. The caller holds mu.
func (s *server) keep(name string, data []byte) {
	if at, known := slices.BinarySearch(s.names, name); !known {
		s.names = slices.Insert(s.names, at, name)
	}
	s.objects[name] = data
}

func (s *server) delete(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.drop(name)
		if s.changed != nil {
			s.changed(change{name: name})
		}
	}
}

// drop removes without telling the carrier. The caller holds mu.
func (s *server) drop(name string) {
	if at, known := slices.BinarySearch(s.names, name); known {
		s.names = slices.Delete(s.names, at, at+1)
		delete(s.objects, name)
	}
}

const everyone = -1

// hides tells whether the place withholds an object from a device.
func (s *server) hides(name string, device int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, withheld := s.withheld[name]
	return withheld && (from == everyone || from == device)
}

// get returns an object's bytes, which nobody may change.
func (s *server) get(name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[name]
	return slices.Clip(data), ok
}

func (s *server) list(prefix string) (shown []providers.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := slices.BinarySearch(s.names, prefix)
	for _, name := range s.names[at:] {
		if !strings.HasPrefix(name, prefix) {
			break
		}
		shown = append(shown, providers.Object{Name: name, Size: int64(len(s.objects[name]))})
	}
	return shown
}

// later keeps the effect of a request for another time.
func (s *server) later(effect func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, effect)
}

// catchUp lets effects of given-up requests happen: all, or the oldest.
func (s *server) catchUp(all bool) {
	for {
		s.mu.Lock()
		if len(s.late) == 0 {
			s.mu.Unlock()
			return
		}
		effect := s.late[0]
		s.late = s.late[1:]
		s.mu.Unlock()
		effect()
		if !all {
			return
		}
	}
}

// snapshot copies what is there, as a backup does.
func (s *server) snapshot() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := make(map[string][]byte, len(s.objects))
	for name, data := range s.objects {
		copied[name] = data
	}
	return copied
}

// restore puts an old backup in place of what is there.
func (s *server) restore(backup map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects, s.names = make(map[string][]byte), nil
	for name, data := range backup {
		s.objects[name] = data
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
}

// pick draws one of the objects, or "".
func (s *server) pick(random *rand.Rand, fits func(name string) bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fitting []string
	for _, name := range s.names {
		if fits == nil || fits(name) {
			fitting = append(fitting, name)
		}
	}
	if len(fitting) == 0 {
		return ""
	}
	return fitting[random.IntN(len(fitting))]
}

// spoil changes the bytes of an object behind everybody's back.
func (s *server) spoil(name string, change func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data, ok := s.objects[name]; ok {
		s.objects[name] = change(bytes.Clone(data))
	}
}

// lose removes an object behind everybody's back.
func (s *server) lose(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(name)
}

// carrier takes what happens in one copy of a folder to the others, late and
// in any order, as Syncthing and its like do. A later change of a name is never
// undone by an earlier one.
type carrier struct {
	copies  []*server
	arrived func(to *server, name string, data []byte)
	clock   int
	seen    []map[string]int // by copy and name, the change that it shows
	waiting []parcel
}

type parcel struct {
	to, number int
	change
}

// add makes one more copy of the folder.
func (c *carrier) add() *server {
	s := newServer()
	from := len(c.copies)
	c.copies, c.seen = append(c.copies, s), append(c.seen, make(map[string]int))
	if from > 0 { // a new copy begins with all that one of the others has
		for name, data := range c.copies[0].snapshot() {
			s.keep(name, data)
			c.arrived(s, name, data)
			c.seen[from][name] = c.seen[0][name]
		}
		for _, p := range c.waiting {
			if p.to == 0 {
				p.to = from
				c.waiting = append(c.waiting, p)
			}
		}
	}
	s.changed = func(what change) {
		c.clock++
		c.seen[from][what.name] = c.clock
		for to := range c.copies {
			if to != from {
				c.waiting = append(c.waiting, parcel{to, c.clock, what})
			}
		}
	}
	return s
}

// carry delivers up to n changes, drawn at random; n below 0 means all.
func (c *carrier) carry(random *rand.Rand, n int) {
	for ; n != 0 && len(c.waiting) > 0; n-- {
		at := random.IntN(len(c.waiting))
		p := c.waiting[at]
		last := len(c.waiting) - 1
		c.waiting[at] = c.waiting[last]
		c.waiting = c.waiting[:last]
		if c.seen[p.to][p.name] >= p.number {
			continue
		}
		c.seen[p.to][p.name] = p.number
		s := c.copies[p.to]
		if p.data != nil {
			c.arrived(s, p.name, p.data)
		}
		s.mu.Lock()
		if p.data == nil {
			s.drop(p.name)
		} else {
			s.keep(p.name, p.data)
		}
		s.mu.Unlock()
	}
}
