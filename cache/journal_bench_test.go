package cache

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	benchEntry  = 1024
	benchRounds = 9
	// benchCallerWork is what the layers above the journal spend on an entry.
	benchCallerWork = 8 * time.Microsecond
)

// BenchmarkJournal measures in one run, in turns, what the disk does with a write
// and an fsync for each entry, and what Append does with one writer and with
// sixteen, both bare and with the callers' own work between appends. The disk's
// speed changes from second to second, so the ratios are of neighbours in time.
//
//	go test -run '^$' -bench 'BenchmarkJournal$' -benchtime 1x ./cache/
func BenchmarkJournal(b *testing.B) {
	for range b.N {
		var sum struct{ bare, one, many, oneWork, manyWork float64 }
		for range benchRounds {
			sum.bare += bareRate(b)
			sum.one += appendRate(b, 1, 0)
			sum.many += appendRate(b, 16, 0)
			sum.oneWork += appendRate(b, 1, benchCallerWork)
			sum.manyWork += appendRate(b, 16, benchCallerWork)
		}
		b.ReportMetric(sum.bare/benchRounds, "bare/s")
		b.ReportMetric(sum.one/sum.bare, "one/bare")
		b.ReportMetric(sum.many/sum.one, "16/one")
		b.ReportMetric(sum.oneWork/sum.bare, "one+work/bare")
		b.ReportMetric(sum.manyWork/sum.oneWork, "16+work/one+work")
		b.ReportMetric(sum.manyWork/benchRounds, "16+work/s")
	}
}

const benchTime = 300 * time.Millisecond

func bareRate(b *testing.B) float64 {
	file, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	data := bytes.Repeat([]byte{7}, benchEntry)
	begin, count := time.Now(), 0
	for time.Since(begin) < benchTime {
		if _, err := file.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		count++
	}
	return float64(count) / time.Since(begin).Seconds()
}

func appendRate(b *testing.B, writers int, work time.Duration) float64 {
	j, err := openJournal(b.TempDir(), Options{JournalLimit: 1 << 40}.withDefaults())
	if err != nil {
		b.Fatal(err)
	}
	defer j.close()
	var group sync.WaitGroup
	var count atomic.Int64
	var stop atomic.Bool
	spin := spinner(work)
	begin := time.Now()
	for range writers {
		group.Go(func() {
			data := bytes.Repeat([]byte{7}, benchEntry)
			for !stop.Load() {
				if _, err := j.Append(context.Background(), data); err != nil {
					b.Error(err)
					return
				}
				count.Add(1)
				spin()
			}
		})
	}
	time.Sleep(benchTime)
	stop.Store(true)
	elapsed := time.Since(begin)
	done := count.Load()
	group.Wait()
	return float64(done) / elapsed.Seconds()
}

// spinner returns a function that keeps a processor busy for about work.
func spinner(work time.Duration) func() {
	if work == 0 {
		return func() {}
	}
	const loops = 1 << 20
	begin := time.Now()
	spinSink.Add(spin(loops))
	need := int(float64(loops) * float64(work) / float64(time.Since(begin)))
	return func() { spinSink.Add(spin(need)) }
}

var spinSink atomic.Uint64

//go:noinline
func spin(loops int) (x uint64) {
	for i := range loops {
		x = x*6364136223846793005 + uint64(i)
	}
	return x
}
