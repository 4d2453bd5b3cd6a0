package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// What those ask who copy the account between places (package mirror). Nothing here
// changes what passes do, but for Hold, which keeps them waiting, and Recheck, which
// does for a few objects what a scrub does for a sample.

// Standing is what an object is, by its name and its bytes.
type Standing int

// What an object can be.
const (
	Whole   Standing = iota // it opens as what its name, and the catalogue, say
	Foreign                 // sealed with another key
	Newer                   // of a newer program, or damaged: it can't be told
	Damaged                 // it does not open, or is another one than its name says
)

// String is the word for people.
func (s Standing) String() string {
	return [...]string{"whole", "of another key", "of a newer program", "damaged"}[s]
}

// Tree is what the catalogue named at one moment: the objects that the account can't
// do without. It may be read from many goroutines.
type Tree struct {
	engine   *Engine
	states   map[string]treeState
	heads    []string        // objects, sorted
	replaced map[string]bool // objects that states in use name, and names that passes remember
}

type treeState struct {
	kind  container.Kind
	key   container.Key
	state reconcile.State
}

// Tree takes what the catalogue names now. It makes no request.
func (e *Engine) Tree() *Tree {
	t := &Tree{engine: e, states: make(map[string]treeState), replaced: make(map[string]bool)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		kind, key := e.locate(contact, identifier)
		for _, name := range state.Replaces {
			t.replaced[string(key)+"/"+name] = true
		}
		if !state.Inline() {
			t.states[string(key)+"/"+state.Name] = treeState{kind, key, *state}
		}
		return true
	})
	for name := range e.gone {
		t.replaced[name] = true
	}
	for name := range e.heads {
		if !e.covered(name) {
			t.heads = append(t.heads, e.headObject(name))
		}
	}
	slices.Sort(t.heads)
	return t
}

// Objects yields the names of all objects, each after those that it refers to:
// chunks, lists of conversations, the root, heads.
func (t *Tree) Objects() iter.Seq[string] {
	rank := func(object string) int {
		switch t.states[object].kind {
		case container.KindChunk:
			return 0
		case container.KindConversation:
			return 1
		}
		return 2
	}
	states := slices.SortedFunc(maps.Keys(t.states), func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return func(yield func(string) bool) {
		for _, object := range slices.Concat(states, t.heads) {
			if !yield(object) {
				return
			}
		}
	}
}

// Names tells whether the tree needs an object.
func (t *Tree) Names(object string) bool {
	if _, ok := t.states[object]; ok {
		return true
	}
	_, ok := slices.BinarySearch(t.heads, object)
	return ok
}

// IsHead tells whether a name is that of a head, live or not: what is copied last.
func (t *Tree) IsHead(object string) bool { return t.engine.underHeads(object) }

// Heads is the prefix of the names of heads.
func (t *Tree) Heads() string { return string(t.engine.headsKey) + "/" }

// Examine opens an object and says what it is. It makes no request.
func (t *Tree) Examine(object string, sealed []byte) Standing {
	is := t.open(object, sealed)
	if _, used := t.states[object]; !used || is != Whole {
		return is
	}
	kept, ok := t.engine.o.Cache.Blobs().Get(object)
	if ok && !bytes.Equal(kept, sealed) && t.open(object, kept) == Whole {
		return Damaged // two states of one container, alike in all that the catalogue says
	}
	return Whole
}

// open is Examine without a look at the copy that the cache holds.
func (t *Tree) open(object string, sealed []byte) Standing {
	used, ok := t.states[object]
	if !ok {
		return standing(t.engine.opens(object, sealed))
	}
	found, err := t.engine.open(used.kind, used.key, sealed)
	if err == nil && !fits(used.kind, used.state, found) {
		return Damaged
	}
	return standing(err)
}

func standing(err error) Standing {
	switch {
	case err == nil:
		return Whole
	case errors.Is(err, seal.ErrOtherKey):
		return Foreign
	case errors.Is(err, seal.ErrNewerVersion):
		return Newer
	}
	return Damaged
}

// Kept returns the bytes of an object that this device's cache holds whole.
func (t *Tree) Kept(object string) ([]byte, bool) {
	sealed, ok := t.engine.o.Cache.Blobs().Get(object)
	return sealed, ok && t.open(object, sealed) == Whole
}

// Replaced tells whether the account has let go of an object for good: a head that a
// live one stands for, or a state that one in use names as replaced, or that this
// device remembers so.
func (t *Tree) Replaced(object string) bool {
	if t.Names(object) {
		return false
	}
	_, name, _ := strings.Cut(object, "/")
	if !t.engine.underHeads(object) {
		return t.replaced[object] || t.replaced[name]
	}
	t.engine.mu.Lock()
	defer t.engine.mu.Unlock()
	return t.engine.heads[name] == nil && t.engine.covered(name)
}

// Superseded tells whether an object may go from a place where nobody writes but by
// copying: it is replaced, or a state all of whose items are in states in use, as they
// are or removed. Where that can't be told now the answer is no. What the cache lacks
// is fetched from the provider.
func (t *Tree) Superseded(ctx context.Context, object string, sealed []byte) (bool, error) {
	e := t.engine
	if t.Names(object) {
		return false, nil
	}
	if t.engine.underHeads(object) {
		return t.Replaced(object), nil
	}
	key, name, _ := strings.Cut(object, "/")
	found, err := e.identify(container.Key(key), sealed)
	if err != nil {
		return false, nil //nolint:nilerr // nothing is known of it
	}
	found.state.Name = name
	held, err := e.held(ctx, found)
	if unusable(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("engine: look for what %s holds: %w", object, err)
	}
	return held, nil
}

// Looks counts the looks at the provider's heads since the start.
func (e *Engine) Looks() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.passes
}

// Calm tells whether nothing speaks against the provider: heads were looked at after
// the given number of looks, the last pass succeeded, and no alarm lasts.
func (e *Engine) Calm(looks int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status.State == "blocked" || e.status.LastError != "" || e.passes <= looks {
		return false
	}
	for _, p := range e.problems {
		if p.Alarm {
			return false
		}
	}
	return true
}

// Ailing lists the objects that the provider lost, withholds or shows damaged, as far
// as this device noticed: what another place may help with.
func (e *Engine) Ailing() (objects []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.problems {
		if strings.Contains(p.Object, "/") && (p.Kind == "withheld" || slices.Contains(faults, p.Kind)) {
			objects = append(objects, p.Object)
		}
	}
	slices.Sort(objects)
	return slices.Compact(objects)
}

// Recheck reads objects from the provider again and takes back what was said of those
// that are whole now, or that nobody needs any more and that are gone. It waits for
// its turn between passes.
func (e *Engine) Recheck(ctx context.Context, objects ...string) error {
	if err := e.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-e.turn }()
	contacts := e.namedObjects()
	for _, object := range objects {
		name, isHead := strings.CutPrefix(object, string(e.headsKey)+"/")
		contact, used := contacts[object]
		var err error
		switch {
		case isHead && e.isShownHead(name):
			err = e.rereadHead(ctx, name)
		case used:
			err = e.rereadObject(ctx, object, contact)
		default:
			err = e.recheckUnused(ctx, object)
		}
		if err != nil {
			return err
		}
	}
	e.saveProblems()
	return nil
}

// recheckUnused ends what was said of an object that is neither in use nor there: another
// device replaced it, and had what was in it.
func (e *Engine) recheckUnused(ctx context.Context, object string) error {
	_, err := e.o.Store.Get(ctx, object)
	if absent(err) {
		e.healedAll(object, "nobody needs it any more, and it is gone")
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: look at %s: %w", object, err)
	}
	return nil
}

// Hold keeps passes waiting until release is called, once.
func (e *Engine) Hold(ctx context.Context) (release func(), err error) {
	if err := e.takeTurn(ctx); err != nil {
		return nil, err
	}
	return func() { <-e.turn }, nil
}
