package engine

import (
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// What the records say of copies in doubt is kept in memory as well, by the
// conversations that the copies reach into: there can be as many copies as
// objects, and whoever reads one conversation is not to go through all of them.
// The records stay what counts over a restart.

// doubts are the copies in doubt. The zero value knows nothing: what there is must
// be read from the records. Engine.mu guards it.
type doubts struct {
	known    bool                // what follows is what the records say
	running  int                 // changes of the records that are under way
	changes  int64               // those that began so far
	objects  map[string]bool     // all copies
	unopened map[string]bool     // those that nobody asked yet where they reach
	talks    map[string][]string // the others by contact, sorted; without those that hold no items
}

// changeDoubts runs a change of the records after which the copies added are in
// doubt and those ended are not any more. After one that failed nobody can say what
// the records hold, so they are read again. Changes of the same copy must not run
// at the same time.
func (e *Engine) changeDoubts(added, ended []string, change func(tx *cache.Tx) error) error {
	e.mu.Lock()
	e.doubts.running++
	e.doubts.changes++
	e.mu.Unlock()
	err := e.o.Cache.Records().Update(change)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubts.running--
	switch {
	case err != nil:
		e.doubts = doubts{running: e.doubts.running, changes: e.doubts.changes}
	case e.doubts.known:
		e.addDoubts(added)
		for _, object := range ended {
			e.endDoubt(object)
		}
	}
	return err
}

// addDoubts takes copies into what is known. The caller holds e.mu.
func (e *Engine) addDoubts(objects []string) {
	for _, object := range objects {
		e.doubts.objects[object] = true
		if outlines, known := e.reaches[object]; known {
			e.placeDoubt(object, outlines)
		} else {
			e.doubts.unopened[object] = true
		}
	}
}

// placeDoubt notes where a copy in doubt reaches. The caller holds e.mu.
func (e *Engine) placeDoubt(object string, outlines []outline) {
	if !e.doubts.objects[object] {
		return
	}
	e.openedDoubt(object)
	for _, o := range outlines {
		in := e.doubts.talks[o.contact]
		if at, found := slices.BinarySearch(in, object); !found {
			e.doubts.talks[o.contact] = slices.Insert(in, at, object)
		}
	}
}

// endDoubt takes a copy out of what is known. The caller holds e.mu.
func (e *Engine) endDoubt(object string) {
	delete(e.doubts.objects, object)
	e.openedDoubt(object)
	for _, o := range e.reaches[object] {
		in := e.doubts.talks[o.contact]
		if at, found := slices.BinarySearch(in, object); found {
			e.doubts.talks[o.contact] = slices.Delete(in, at, at+1)
		}
		if len(e.doubts.talks[o.contact]) == 0 {
			delete(e.doubts.talks, o.contact)
		}
	}
}

// openedDoubt takes a copy from those that wait to be asked. The last one takes the
// map with it: each read walks it, and a map keeps the room that it once had. The
// caller holds e.mu.
func (e *Engine) openedDoubt(object string) {
	delete(e.doubts.unopened, object)
	if len(e.doubts.unopened) == 0 {
		e.doubts.unopened = make(map[string]bool)
	}
}

// doubtful lists the copies that others replaced and that nobody looked for yet,
// sorted.
func (e *Engine) doubtful() (objects []string, err error) {
	e.mu.Lock()
	before, known := e.doubts.changes, e.doubts.known
	still := e.doubts.running == 0
	if known {
		objects = slices.Sorted(maps.Keys(e.doubts.objects))
	}
	e.mu.Unlock()
	if known {
		return objects, nil
	}
	if err := e.o.Cache.Records().Each("doubt", func(object string, _ []byte) error {
		objects = append(objects, object)
		return nil
	}); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if still && e.doubts.changes == before && !e.doubts.known { // else it may be old already
		e.doubts.known = true
		e.doubts.objects = make(map[string]bool, len(objects))
		e.doubts.unopened, e.doubts.talks = make(map[string]bool), make(map[string][]string)
		e.addDoubts(objects)
	}
	return objects, nil
}

// doubtfulIn lists those copies in doubt, sorted, that reach into a conversation,
// or that nobody asked yet where they reach.
func (e *Engine) doubtfulIn(contact string) ([]string, error) {
	e.mu.Lock()
	if !e.doubts.known {
		e.mu.Unlock()
		return e.doubtful()
	}
	defer e.mu.Unlock()
	objects := slices.AppendSeq(slices.Clone(e.doubts.talks[contact]), maps.Keys(e.doubts.unopened))
	slices.Sort(objects)
	return objects, nil
}

// uses tells whether the catalogue uses a state of a container that is named as
// Catalogue.States does.
func (e *Engine) uses(contact string, identifier *container.ChunkIdentifier, name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.catalogue.Of(contact, identifier), func(state reconcile.State) bool { return state.Name == name })
}
