package engine

import "context"

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

// adoptLoose names what a failed pass left.
func (e *Engine) adoptLoose(ctx context.Context) error {
	e.mu.Lock()
	objects := distinct(e.loose)
	e.loose = nil
	e.mu.Unlock()
	if len(objects) == 0 {
		return nil
	}
	err := e.adoptUnnamed(ctx, objects)
	if err != nil {
		for _, object := range objects {
			e.loosen(object)
		}
	}
	return err
}
