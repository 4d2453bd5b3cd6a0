package engine

import (
	"context"
	"slices"
)

// A pass that fails between its objects and its head leaves objects that no head
// names. The next pass takes them in first, by their names; a crash leaves only
// the mark that setDirty writes, and a scrub looks for them.

// loosen notes an object that no head names yet.
func (e *Engine) loosen(object string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loose = append(e.loose, object)
}

// fasten notes that a head names all that was loose.
func (e *Engine) fasten() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loose = nil
}

// adoptLoose names what a failed pass left, in the order in which it was put: chunks
// before the lists that name them.
func (e *Engine) adoptLoose(ctx context.Context) error {
	e.mu.Lock()
	objects := e.loose
	e.loose = nil
	e.mu.Unlock()
	seen := make(map[string]bool)
	objects = slices.DeleteFunc(objects, func(object string) bool {
		before := seen[object]
		seen[object] = true
		return before
	})
	defer func() { e.unnamed = false }()
	for len(objects) > 0 {
		n := min(e.bounds.objects, len(objects))
		e.unnamed = n < len(objects)
		if err := e.adoptUnnamed(ctx, objects[:n]); err != nil {
			e.bounds.failedAdoption(n)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.loose = slices.Concat(objects, e.loose)
			return err
		}
		objects = objects[n:]
	}
	return nil
}
