package engine_test

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// slowDice are dice that everybody who throws them waits for, once they are held.
type slowDice struct {
	thrown atomic.Int64
	held   chan struct{} // nil: not held
}

func (d *slowDice) Read(into []byte) (int, error) {
	if d.held != nil {
		d.thrown.Add(1)
		<-d.held
	}
	return rand.Read(into)
}

// TestHeadsOfACopyAtOnce: a device that reads many heads of a copy of its cache side by side takes one new name, not one
// for each of them.
func TestHeadsOfACopyAtOnce(t *testing.T) {
	const heads = 12 // fewer than the place takes requests side by side
	synctest.Test(t, func(t *testing.T) {
		place, disk, dice := memory.New(nil), cachetest.New(mathrand.New(mathrand.NewPCG(1, 1))), &slowDice{}
		one := &device{t: t, folder: "/cache", disk: disk.Start(), store: place, change: func(o *engine.Options) { o.Random = dice }}
		one.open()
		defer one.close()
		one.append(message("bob.eth", 1_700_000_000_000, "before"))
		one.settle()
		one.close()
		two := &device{t: t, folder: "/cache", disk: disk.Clone(mathrand.New(mathrand.NewPCG(2, 2))).Start(), store: place}
		one.open()
		two.open()
		defer two.close()
		for i := range heads {
			two.append(message("bob.eth", 1_700_000_000_001+int64(i), fmt.Sprint("later ", i)))
			two.pass(engine.Work{Flush: true})
		}
		dice.held = make(chan struct{})
		var report engine.Report
		var failure error
		done := make(chan struct{})
		go func() {
			defer close(done)
			report, failure = one.Pass(t.Context(), engine.Work{})
		}()
		synctest.Wait()
		if thrown := dice.thrown.Load(); thrown != 1 {
			t.Errorf("%d names are drawn for one device", thrown)
		}
		close(dice.held)
		<-done
		if failure != nil || report.Pulled != heads {
			t.Errorf("%d heads were read, want %d at once; %v", report.Pulled, heads, failure)
		}
		if devices := one.Status().Devices; devices != 2 {
			t.Errorf("there are %d devices, want this one and the copy", devices)
		}
	})
}
