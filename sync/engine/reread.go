package engine

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
)

// A scrub reads a random part of all objects again: one of samplePart, at least
// sampleLeast. Drawn at random, so that a provider that knows which objects were
// read lately learns nothing about which come next.
const (
	samplePart  = 100
	sampleLeast = 64
)

// rereadSome reads a random sample of the objects in use. One that is not what it
// should be is written again when the cache holds it whole, else named.
func (e *Engine) rereadSome(ctx context.Context) error {
	named := e.namedObjects()
	objects := slices.Sorted(maps.Keys(named))
	count := min(max(sampleLeast, (len(objects)+samplePart-1)/samplePart), len(objects))
	random, err := e.dice()
	if err != nil {
		return err
	}
	for i := range count {
		at := i + random.IntN(len(objects)-i)
		objects[i], objects[at] = objects[at], objects[i]
		e.progress("reread", int64(i), int64(count), "objects")
		if err := e.rereadObject(ctx, objects[i], named[objects[i]]); err != nil {
			return err
		}
	}
	return nil
}

// dice are seeded from the engine's randomness.
func (e *Engine) dice() (*rand.Rand, error) {
	var seed [32]byte
	if _, err := io.ReadFull(e.o.Random, seed[:]); err != nil {
		return nil, fmt.Errorf("engine: draw a sample: %w", err)
	}
	return rand.New(rand.NewChaCha8(seed)), nil
}

func (e *Engine) rereadObject(ctx context.Context, object, contact string) error {
	kind, key, state, ok := e.inUse(object)
	if !ok {
		return nil // replaced meanwhile
	}
	err := e.reread(ctx, kind, key, object, state)
	if err == nil {
		e.readable(object)
		return nil
	}
	if !unusable(err) {
		return fmt.Errorf("engine: read %s again: %w", object, err)
	}
	mended, mendErr := e.care(ctx, kind, object, contact, state, err)
	if mendErr == nil && !mended && absent(err) {
		e.dangling[contact] = e.passes // the next look tells whether it was replaced
	}
	return mendErr
}
