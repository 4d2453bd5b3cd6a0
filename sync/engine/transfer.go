package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Inventory is what an account consists of, by what this device knows at one moment.
type Inventory struct {
	// Objects are the names of all objects in use, states before heads: whoever has copied them in this order has nothing
	// that is named and not there.
	Objects []string `json:"objects"`
	// Containers are the keys of all containers, that of the heads first: what has another key before its name is not of
	// this account.
	Containers []string `json:"containers"`
}

// Look reads the heads that are new at the provider, and writes nothing there but for what other passes left over.
func (e *Engine) Look(ctx context.Context) error {
	if err := e.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-e.turn }()
	_, err := e.pull(ctx)
	return err
}

// Inventory lists what the last look showed; nothing is asked of the provider.
func (e *Engine) Inventory() Inventory {
	e.mu.Lock()
	heads := slices.Sorted(maps.Keys(e.heads))
	found := Inventory{Containers: []string{string(e.headsKey), string(e.o.Root)}}
	for contact, conversation := range e.catalogue.Conversations {
		found.Containers = append(found.Containers, string(e.conversationKey(contact)))
		for i := range conversation.Chunks {
			found.Containers = append(found.Containers, string(e.chunkKey(contact, conversation.Chunks[i].Identifier)))
		}
	}
	named := e.objectsOf(&e.catalogue)
	e.mu.Unlock()
	found.Objects = append(slices.Sorted(maps.Keys(named)), prefixed(string(e.headsKey), heads)...)
	return found
}

// objectsOf are the objects that a catalogue names, with their contacts. The caller holds e.mu where it is the engine's.
func (e *Engine) objectsOf(catalogue *reconcile.Catalogue) map[string]string {
	named := make(map[string]string)
	catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		if !state.Inline() {
			_, key := e.locate(contact, identifier)
			named[string(key)+"/"+state.Name] = contact
		}
		return true
	})
	return named
}

// Object returns the sealed bytes of an object, from the cache or else, unless only the cache shall be asked, from the
// provider, when they open as what their name says. What is not there matches providers.ErrNotFound.
func (e *Engine) Object(ctx context.Context, object string, cached bool) ([]byte, error) {
	if sealed, ok := e.sound(object); ok {
		return sealed, nil
	}
	if cached {
		return nil, fmt.Errorf("engine: copy %s: not in the cache: %w", object, providers.ErrNotFound)
	}
	sealed, err := e.o.Store.Get(ctx, object)
	if err == nil {
		err = e.opens(object, sealed)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: copy %s: %w", object, err)
	}
	return sealed, nil
}

// opens tells why sealed bytes are not an object of that name.
func (e *Engine) opens(object string, sealed []byte) error {
	key, name, _ := strings.Cut(object, "/")
	if e.underHeads(object) {
		_, err := e.openNamed(name, sealed)
		return err
	}
	_, err := e.identify(container.Key(key), sealed)
	return err
}

// Lacking lists the objects that are to be put back, states before heads, so that the provider has all that heads from
// elsewhere say, united with what it has: what they name or the catalogue names and a listing does not show, what is known
// to be damaged, and those of the heads for which no other one stands. heads are sealed, by their objects' names; one that
// can't be opened is left out. That the provider shows nothing of the account any more is no error here.
func (e *Engine) Lacking(ctx context.Context, heads map[string][]byte) ([]string, error) {
	if err := e.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-e.turn }()
	if _, err := e.pull(ctx); err != nil && !errors.Is(err, ErrBlocked) {
		return nil, err
	}
	opened := make(map[string]*container.Head)
	for object, sealed := range heads {
		name := strings.TrimPrefix(object, string(e.headsKey)+"/")
		if head, err := e.openNamed(name, sealed); err == nil {
			opened[name] = head
		}
	}
	states, live := e.unitedWith(opened)
	wanted := make(map[string]bool)
	for object := range states {
		wanted[object] = true
	}
	for _, name := range live {
		wanted[e.headObject(name)] = true
	}
	for object, err := range e.o.Store.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("engine: list objects: %w", err)
		}
		if wanted[object.Name] && !e.ill(object.Name) {
			delete(wanted, object.Name)
		}
	}
	return e.statesFirst(wanted), nil
}

// unitedWith are the objects of the states in use when these heads are united with the catalogue, and those of the heads
// that are live then.
func (e *Engine) unitedWith(opened map[string]*container.Head) (states map[string]string, live []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	united := &reconcile.Catalogue{}
	united.Unite(&e.catalogue)
	names := slices.Collect(maps.Keys(opened))
	for name, head := range opened {
		incarnation, sequence, _ := container.ParseHeadName(name)
		stands := func(other string) bool {
			return other != name && (&liveHead{covers: opened[other].Covers}).stands(incarnation, sequence)
		}
		if e.covered(name) || slices.ContainsFunc(names, stands) {
			continue
		}
		live = append(live, name)
		united.Add(name, head)
	}
	united.DropAll(func(state string) bool { _, gone := e.gone[state]; return gone })
	return e.objectsOf(united), live
}

// ill tells whether an object at the provider is known to be other than it should be.
func (e *Engine) ill(object string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.problems {
		if p.Object == object {
			return true
		}
	}
	for _, s := range e.suspicions {
		if s.problem.Object == object {
			return true
		}
	}
	return false
}

func (e *Engine) statesFirst(objects map[string]bool) []string {
	list := slices.Sorted(maps.Keys(objects))
	slices.SortStableFunc(list, func(a, b string) int {
		switch one, other := e.underHeads(a), e.underHeads(b); {
		case one == other:
			return 0
		case one:
			return 1
		}
		return -1
	})
	return list
}

// PutBack writes an object to the provider, under its own name, when it opens as one of this account, and reads it back.
// The next pass takes it in.
func (e *Engine) PutBack(ctx context.Context, object string, sealed []byte) error {
	if err := e.opens(object, sealed); err != nil {
		return fmt.Errorf("engine: put %s back: %w", object, err)
	}
	return e.putWhole(ctx, object, sealed, true)
}
