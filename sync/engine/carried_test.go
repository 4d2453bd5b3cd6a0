package engine_test

import (
	"context"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// carried is a folder that another program replicates, seen by one device.
type carried struct {
	providers.Store
	removed []string
}

func (c *carried) Properties() providers.Properties {
	properties := c.Store.Properties()
	properties.Carried, properties.CurrentListings = true, false
	return properties
}

func (c *carried) Delete(ctx context.Context, names ...string) error {
	c.removed = append(c.removed, names...)
	return c.Store.Delete(ctx, names...)
}

// TestCarriedFolder lets two devices write through a folder that is carried.
// What a device replaced, only the other one removes: it has the replacement.
// In the end nothing that was replaced is left.
func TestCarriedFolder(t *testing.T) {
	place := memory.New(nil)
	mine, theirs := &carried{Store: place}, &carried{Store: place}
	one, two := newDevice(t, mine, inPieces), newDevice(t, theirs, inPieces)
	items := many(21, 3, 600)
	one.append(items[:50]...)
	one.settle()
	two.append(items[50:100]...)
	two.settle()
	one.pass(engine.Work{})
	written := make(map[string]*carried)
	note := func(by *carried) {
		for _, name := range slices.Concat(objects(t, place, false), objects(t, place, true)) {
			if written[name] == nil {
				written[name] = by
			}
		}
	}
	for i := 100; i < len(items); i += 50 {
		note(nil)
		mine.removed, theirs.removed = nil, nil
		one.append(items[i : i+25]...)
		one.settle()
		for _, name := range mine.removed {
			if written[name] == mine {
				t.Logf("%s was removed by its writer", name)
			}
		}
		note(mine)
		two.append(items[i+25 : i+50]...)
		two.settle()
		note(theirs)
	}
	for range 4 {
		one.settle()
		two.settle()
	}
	same(t, "one", one.holds(), hashes(items))
	same(t, "two", two.holds(), hashes(items))
	two.wantClean() // names what no head does, and strays
	for _, d := range []*device{one, two} {
		if problems := d.Status().Problems; len(problems) > 0 {
			t.Errorf("problems %+v", problems)
		}
	}
}

// TestCarriedFolderAfterRestart starts a device again that knew another one: it
// must not take itself for the only one and remove what the other still needs.
func TestCarriedFolderAfterRestart(t *testing.T) {
	place := memory.New(nil)
	mine := &carried{Store: place}
	one, two := newDevice(t, mine, inPieces), newDevice(t, &carried{Store: place}, inPieces)
	items := many(22, 1, 200)
	one.append(items[:50]...)
	one.settle()
	two.append(items[50:100]...)
	two.settle()
	one.pass(engine.Work{})
	one.reopen()
	mine.removed = nil
	one.append(items[100:]...)
	one.settle()
	one.settle()
	if len(mine.removed) > 0 {
		t.Errorf("a device that knew another one removed %d objects that only it had replaced", len(mine.removed))
	}
}
