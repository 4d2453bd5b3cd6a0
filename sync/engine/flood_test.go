package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestPlantedObjectsHideNoAlarm floods the place with objects that are each worth
// a word, more than are remembered, and then damages a state: the alarm must not
// drown in them.
func TestPlantedObjectsHideNoAlarm(t *testing.T) {
	ctx := context.Background()
	place := memory.New(nil)
	d := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 200_000 })
	d.append(many(11, 1, 1500)...)
	d.settle()
	name := chunkObject(t, place)
	for i := range 1100 {
		planted := fmt.Sprintf("%s/planted%d", container.RootKey("nobody's"), i)
		if err := place.Put(ctx, planted, []byte{2}); err != nil { // says that a newer program wrote it
			t.Fatal(err)
		}
	}
	d.pass(engine.Work{Scrub: true})
	planted := len(d.Status().Problems)
	if planted < 500 || planted > 1000 {
		t.Fatalf("%d problems of planted objects", planted)
	}
	put(t, place, name, []byte{1, 2, 3})
	if _, err := d.Verify(ctx, engine.VerifyOptions{Deep: true}); err != nil {
		t.Fatal(err)
	}
	alarm := func(p engine.Problem) bool { return p.Alarm && p.Object == name }
	for range 2 {
		status := d.Status()
		if !slices.ContainsFunc(status.Problems, alarm) {
			t.Errorf("no alarm among %d problems", len(status.Problems))
		}
		if len(status.Problems) > 1000 {
			t.Errorf("%d problems are remembered", len(status.Problems))
		}
		d.reopen() // and it is kept
	}
}
