package engine_test

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestReadersRememberAtOnce: of two readers of one chunk who write down at the same time what they saw there, neither
// drops what the other one did.
func TestReadersRememberAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place, disk := memory.New(nil), cachetest.New(rand.New(rand.NewPCG(3, 3)))
		inObjects := func(o *engine.Options) { o.Inline = 1 }
		one := &device{t: t, folder: "/cache", disk: cachetest.New(rand.New(rand.NewPCG(4, 4))).Start(), store: place, change: inObjects}
		two := &device{t: t, folder: "/cache", disk: disk.Start(), store: place, change: inObjects}
		one.open()
		defer one.close()
		// The second is far smaller, so that they stay two objects.
		items := []engine.Item{message("bob.eth", 1_700_000_000_000, strings.Repeat("early ", 500)), message("bob.eth", 1_700_000_100_000, "late")}
		for _, item := range items {
			one.append(item)
			one.settle()
		}
		two.open()
		defer two.close()
		two.pass(engine.Work{})

		var first atomic.Bool
		release := make(chan struct{})
		disk.SetHook(func(operation cachetest.Operation) cachetest.Outcome {
			if operation.Kind == cachetest.Commit && first.CompareAndSwap(false, true) {
				<-release // until nobody else can go on
			}
			return cachetest.Outcome{}
		})
		failures := make(chan error)
		for _, item := range items {
			go func() {
				at := item.Envelope.Timestamp
				page, err := two.Messages(t.Context(), item.Contact, engine.Range{From: at, To: at + 1})
				if err == nil && page.Fetched != 1 {
					t.Errorf("%d objects were fetched for one message of its own", page.Fetched)
				}
				failures <- err
			}()
		}
		synctest.Wait()
		close(release)
		for range items {
			if err := <-failures; err != nil {
				t.Error(err)
			}
		}
		for _, item := range items {
			if at, known, err := two.Locate(t.Context(), item.Contact, item.Envelope.Hash); !known || err != nil {
				t.Errorf("the message of %d was read and is not known: %d %v", item.Envelope.Timestamp, at, err)
			}
		}
	})
}
