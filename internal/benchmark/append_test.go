package benchmark

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/chat"
)

// appendFor is how long each way of appending is watched, in turn.
const appendFor = 400 * time.Millisecond

// BenchmarkAppend compares acknowledged appends of single envelopes, the whole
// way from text to the synced journal, with what the disk does with a write of
// 1 kB and a sync each. The three ways take turns, so that a disk whose speed
// drifts does so for all of them.
func BenchmarkAppend(b *testing.B) {
	lines := split(slurp(b, corpus(b, chat.InHundred, "corpus100")))
	d := open(b, folder(b), b.TempDir(), nil)
	defer d.close(b)
	bare, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	var next atomic.Int64
	kilobyte := make([]byte, 1024)
	var disk, one, sixteen float64
	for b.Loop() {
		disk += rate(1, func() error {
			if _, err := bare.Write(kilobyte); err != nil {
				return err
			}
			return bare.Sync()
		})
		add := func() error { return d.History.AppendOne(context.Background(), lines[int(next.Add(1))%len(lines)], "") }
		one += rate(1, add)
		sixteen += rate(16, add)
	}
	b.ReportMetric(disk/float64(b.N), "disk/s")
	b.ReportMetric(one/float64(b.N), "one/s")
	b.ReportMetric(sixteen/float64(b.N), "sixteen/s")
	b.ReportMetric(one/disk, "one/disk")
	b.ReportMetric(sixteen/one, "sixteen/one")
}

// rate calls do from writers goroutines for a while and returns calls a second.
func rate(writers int, do func() error) float64 {
	var group sync.WaitGroup
	counts := make([]int, writers)
	start := time.Now()
	for w := range writers {
		group.Go(func() {
			for time.Since(start) < appendFor {
				if do() != nil {
					return
				}
				counts[w]++
			}
		})
	}
	group.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	return float64(total) / time.Since(start).Seconds()
}
