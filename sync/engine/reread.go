package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
)

// A scrub reads a part of all objects again, in turn, so that each is looked at
// about once in rereadTurns scrubs, and a small account whole each time.
const (
	rereadTurns = 30
	rereadLeast = 64
)

// rereadSome reads the next objects in turn from the provider. One that is not
// what it should be is written again when the cache holds it whole, else named
// in the status.
func (e *Engine) rereadSome(ctx context.Context) error {
	named := e.namedObjects()
	objects := slices.Sorted(maps.Keys(named))
	cursor, _, err := e.record("meta", "reread")
	if err != nil {
		return err
	}
	from, _ := slices.BinarySearch(objects, string(cursor)+"\x00")
	count := min(max(rereadLeast, len(objects)/rereadTurns), len(objects))
	for i := range count {
		object := objects[(from+i)%len(objects)]
		e.progress("reread", int64(i), int64(count), "objects")
		if err := e.rereadObject(ctx, object, named[object]); err != nil {
			return err
		}
		cursor = []byte(object)
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putRecord(tx, "meta", "reread", cursor) })
}

func (e *Engine) rereadObject(ctx context.Context, object, contact string) error {
	kind, key, state, ok := e.inUse(object)
	if !ok {
		return nil // replaced meanwhile
	}
	err := e.reread(ctx, kind, key, object, state.Size)
	if err == nil {
		e.readable(object)
		return nil
	}
	if !unusable(err) {
		return fmt.Errorf("engine: read %s again: %w", object, err)
	}
	mended, mendErr := e.mend(ctx, kind, key, object, state.Size)
	if mendErr != nil {
		return mendErr
	}
	switch {
	case mended:
	case absent(err):
		e.problem(Problem{Kind: "missing", Object: object, Contact: contact, Detail: "the provider no longer has this object, and this device holds no copy; another device may"})
	default:
		e.unreadable(object, err)
	}
	return nil
}
