package agent

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// spareMemory is how much memory that can be given back, in bytes, work may leave behind before it is.
	spareMemory = 4 << 20
	// spareLook is how often an agent looks whether what programs and people read left that much.
	spareLook = 20 * time.Second
)

// keepSmall gives memory back now and then, until ctx ends.
func keepSmall(ctx context.Context) {
	ticker := time.NewTicker(spareLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			giveBack()
		}
	}
}

// giveBack gives memory back to the system where the work that just ended left much of it behind: an agent that rests for
// hours should not hold what an import, a start or an index took. What lies in gaps between what is in use can't be given
// back, and is not counted. Looking through all that is in use has its price, so the more that is, the more may be left
// behind. It may be called from many goroutines.
func giveBack() {
	sample := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(sample)
	var held [3]uint64
	for i := range sample {
		if sample[i].Value.Kind() != metrics.KindUint64 {
			return // a later Go calls it otherwise
		}
		held[i] = sample[i].Value.Uint64()
	}
	if live := held[2]; held[0]+held[1] > live+max(spareMemory, live/8) {
		debug.FreeOSMemory()
	}
}
