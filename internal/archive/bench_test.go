package archive

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// BenchmarkFile: writing 45,000 objects of 2 kB at a stroke, opening that file from its end and from its front, and puts that
// are durable each, by one writer and by sixteen.
func BenchmarkFile(b *testing.B) {
	const objects = 45_000
	path := b.TempDir() + "/file"
	data := make([]byte, 2048+49)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			os.Remove(path)
			if err := Create(path); err != nil {
				b.Fatal(err)
			}
			store, err := Open(path, &Options{Relaxed: true})
			if err != nil {
				b.Fatal(err)
			}
			for i := range objects {
				if err := store.Put(b.Context(), fmt.Sprintf("0x%064x/%024d", i/2, i), data); err != nil {
					b.Fatal(err)
				}
			}
			if err := store.Close(); err != nil {
				b.Fatal(err)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/float64(objects*len(data)), "size/objects")
	})
	opening := func(b *testing.B, cut int64) {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-cut); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			store, err := Open(path, &Options{ReadOnly: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := store.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("open", func(b *testing.B) { opening(b, 0) })
	b.Run("open torn", func(b *testing.B) { opening(b, 1) })
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("put by %d", writers), func(b *testing.B) {
			store, err := Open(path, nil)
			if err != nil {
				b.Fatal(err)
			}
			turns := make(chan int)
			var group sync.WaitGroup
			for range writers {
				group.Go(func() {
					for i := range turns {
						if err := store.Put(b.Context(), fmt.Sprintf("put/%d-%d-%d", writers, b.N, i), data); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ResetTimer()
			for i := range b.N {
				turns <- i
			}
			close(turns)
			group.Wait()
			b.StopTimer()
			if err := store.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
