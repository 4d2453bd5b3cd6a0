package gdrive

import (
	"slices"
	"strings"
	"sync"
)

// file is what is remembered of a file of Drive that holds an object.
type file struct {
	id   string
	size int64
	md5  string // hex; "" unknown
}

// entry is what is remembered of a name. Several files of one name are twins, made when an answer was lost and the id with
// it: they hold the same bytes.
type entry struct {
	files  []file
	seen   uint64 // number of the latest listing that showed it, or that had begun when it was made
	listed bool   // a search showed it, hence all its twins
}

// known remembers the ids of names, so that most calls need no search. It is bounded, and never a proof of absence. A name
// that a later complete listing did not show is doubtful: the user may have put it into the trash.
type known struct {
	mutex   sync.Mutex
	names   *recent[*entry]
	whole   *recent[uint64] // container, or "" for all: number of its latest complete listing
	mine    *recent[struct{}]
	counter uint64
}

func newKnown(limit int) *known {
	return &known{names: newRecent[*entry](limit), whole: newRecent[uint64](limit), mine: newRecent[struct{}](limit)}
}

// begin numbers a listing.
func (k *known) begin() uint64 {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.counter++
	return k.counter
}

// completed notes that a listing of a container ("" for all) came to its end.
func (k *known) completed(container string, listing uint64) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if last, _ := k.whole.get(container); listing > last {
		k.whole.set(container, listing)
	}
}

// completedSince tells whether a listing of the container that began after the given one came to its end.
func (k *known) completedSince(container string, listing uint64) bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	last, _ := k.whole.get(container)
	return last > listing
}

// latest is the number of the latest listing that was begun.
func (k *known) latest() uint64 {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.counter
}

// learn takes what a listing showed, or with listing 0 what was just made or looked at.
func (k *known) learn(name string, f file, listing uint64) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	e, ok := k.names.get(name)
	if !ok {
		e = &entry{}
		k.names.set(name, e)
	}
	if listing == 0 {
		listing = k.counter
	} else {
		e.listed = true
	}
	e.seen = max(e.seen, listing)
	at := slices.IndexFunc(e.files, func(other file) bool { return other.id == f.id })
	if at < 0 {
		e.files = append(e.files, f)
		slices.SortFunc(e.files, func(a, b file) int { return strings.Compare(a.id, b.id) })
		return
	}
	e.files[at] = f
}

// find returns the files of a name, in an order that is always the same; whether a search has shown all of them; and
// whether they are doubtful.
func (k *known) find(name string) (files []file, listed, doubtful bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	e, ok := k.names.get(name)
	if !ok {
		return nil, false, false
	}
	all, _ := k.whole.get("")
	container, _ := k.whole.get(containerOf(name))
	return slices.Clone(e.files), e.listed, e.seen < max(all, container)
}

// drop forgets one file of a name.
func (k *known) drop(name, id string) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	e, ok := k.names.get(name)
	if !ok {
		return
	}
	e.files = slices.DeleteFunc(e.files, func(f file) bool { return f.id == id })
	if len(e.files) == 0 {
		k.names.remove(name)
	}
}
