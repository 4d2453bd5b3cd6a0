package engine

import (
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// compareList looks whether a container's lists name what heads name, after one of them was read again, so that they are
// written anew where they do not: a place may have given an older list for one to a device that had no copy. It goes by what
// this device holds.
func (e *Engine) compareList(kind container.Kind, key container.Key, state *reconcile.State, found *content) {
	switch kind {
	case container.KindConversation:
		e.compareConversation(key, state, found)
	case container.KindRoot:
		e.compareRoot(key, state, found)
	}
}

func (e *Engine) compareConversation(key container.Key, state *reconcile.State, found *content) {
	var contact string
	named := make(map[container.ChunkIdentifier]bool)
	read := func(plain []byte) error {
		list, err := container.DecodeConversation(plain)
		if err != nil {
			return err
		}
		contact = list.Contact
		for _, chunk := range list.Chunks {
			named[chunk] = true
		}
		return nil
	}
	if read(found.plain) != nil {
		return // whoever needs it says so
	}
	conversation := e.snapshot(contact)
	if conversation == nil || !e.eachOther(container.KindConversation, key, conversation.States, state, read) {
		return
	}
	for _, chunk := range conversation.Chunks {
		if !named[chunk.Identifier] {
			e.short[conversation.Contact], e.touched[conversation.Contact] = true, true
		}
	}
}

func (e *Engine) compareRoot(key container.Key, state *reconcile.State, found *content) {
	named, listed := make(map[string]bool), make(map[string]bool)
	read := func(plain []byte) error {
		root, err := container.DecodeRoot(plain)
		if err != nil {
			return err
		}
		for _, contact := range root.Names {
			named[contact] = true
		}
		for _, contact := range root.Conversations {
			named[contact], listed[contact] = true, true
		}
		return nil
	}
	e.mu.Lock()
	states := slices.Clone(e.catalogue.Root)
	e.mu.Unlock()
	if read(found.plain) != nil || !e.eachOther(container.KindRoot, key, states, state, read) {
		return
	}
	for _, contact := range e.contacts() {
		e.short[""] = e.short[""] || !named[contact] || !listed[contact] && e.isLiving(contact)
	}
}

// eachOther visits the states of a list beside one, from the cache; false when one is not there.
func (e *Engine) eachOther(kind container.Kind, key container.Key, states []reconcile.State, one *reconcile.State, visit func(plain []byte) error) bool {
	bodies := make(map[string]map[string][]byte)
	for _, state := range states {
		if state.Name == one.Name {
			continue
		}
		plain, ok := e.peekPlain(kind, key, &state, bodies)
		if !ok || visit(plain) != nil {
			return false
		}
	}
	return true
}
