package ipfs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

// faults are what the nodes may do while the devices work; round counts the passes of a device.
var faults = map[string]func(nodes []*kubotest.Node, device, round int){
	"nothing": func([]*kubotest.Node, int, int) {},
	"refusing": func(nodes []*kubotest.Node, device, round int) {
		if round > 0 {
			return
		}
		chance := rand.New(rand.NewPCG(uint64(device), 7)) // the double asks for one call at a time
		statuses := []int{http.StatusInternalServerError, -http.StatusInternalServerError, http.StatusTooManyRequests, -http.StatusBadGateway}
		nodes[device].Refuse(func(string) int {
			if chance.IntN(25) > 0 {
				return 0
			}
			return statuses[chance.IntN(len(statuses))]
		})
	},
	"cut off":    func(nodes []*kubotest.Node, device, round int) { nodes[device].Cut((round+device)%3 == 1) },
	"collecting": func(nodes []*kubotest.Node, device, _ int) { nodes[device].Collect() },
}

// TestTwoWriters: two devices write at once, whatever their nodes do; in the end each has all, and so has a third, cold one.
func TestTwoWriters(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			nodes := network(t, 2)
			var stores []*ipfs.Store
			var devices []*enginetest.Counter
			for i, node := range nodes {
				store := open(t, hasty(t, node, i+1, 3))
				stores = append(stores, store)
				calm := providers.Retry(store, &providers.RetryOptions{Attempts: 6, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
				devices = append(devices, enginetest.NewCounter(t, calm, 1))
			}
			const rounds, each = 6, 6
			var group sync.WaitGroup
			for i, d := range devices {
				group.Go(func() {
					for round := range rounds {
						fault(nodes, i, round)
						d.Write(1+(2*round+i)*each, each)
						_ = d.Try(engine.Work{}) // the next one goes on
						ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
						_ = stores[i].Tend(ctx) // as above
						cancel()
					}
				})
			}
			group.Wait()
			for _, node := range nodes {
				node.Refuse(nil)
				node.Cut(false)
			}
			const all = 2 * rounds * each
			enginetest.Settle(t, devices, all)
			for i, d := range devices {
				d.Holds(fmt.Sprint("device ", i+1), all)
				names(t, stores[i], "") // publishes the last removals
			}
			cold := enginetest.NewCounter(t, open(t, at(t, nodes[0], 3, 3)), 1)
			if err := cold.Try(engine.Work{}); err != nil {
				t.Error(err)
			}
			cold.Holds("a cold device", all)
			found, err := cold.Verify(t.Context(), engine.VerifyOptions{Deep: true})
			if err != nil || len(found.Problems) > 0 {
				t.Errorf("%d problems, %v: %+v", len(found.Problems), err, found.Problems)
			}
		})
	}
}
