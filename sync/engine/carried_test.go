package engine_test

import (
	"context"
	"fmt"
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

// TestCarriedFolder lets devices write through a folder that is carried. What
// one replaced another one removes, once it has the replacement; in the end
// nothing that was replaced is left, and nobody waits for anything.
func TestCarriedFolder(t *testing.T) {
	for _, size := range []int{2, 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			place := memory.New(nil)
			counters := make([]*providers.Counter, size)
			devices := make([]*device, size)
			for i := range devices {
				counters[i] = providers.Count(&carried{Store: place})
				devices[i] = newDevice(t, counters[i], inPieces)
			}
			items := many(21, 2, 900)
			for i := 0; i < len(items); i += 30 {
				writer := devices[i/30%size]
				writer.append(items[i : i+30]...)
				writer.settle()
			}
			for range 4 {
				for _, d := range devices {
					d.settle()
				}
			}
			for i, d := range devices {
				before := counters[i].Counts()
				d.pass(engine.Work{})
				if n := counters[i].Counts().Requests() - before.Requests(); n != 1 {
					t.Errorf("device %d: an idle pass costs %d requests", i, n)
				}
				same(t, "a device", d.holds(), hashes(items))
				if found := d.wantClean(); found.Leftovers > 0 {
					t.Errorf("device %d: %d replaced objects are left", i, found.Leftovers)
				}
				if problems := d.Status().Problems; len(problems) > 0 {
					t.Errorf("device %d: %+v", i, problems)
				}
			}
		})
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
