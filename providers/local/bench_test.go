package local_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// BenchmarkManyFolders is the shape of a large account: one small object in each of very many folders, eight writers.
// Use -benchtime=45000x; the listing reports nanoseconds an object.
func BenchmarkManyFolders(b *testing.B) {
	for _, what := range []string{"put", "list"} {
		b.Run(what, func(b *testing.B) {
			store, _ := open(b, nil)
			data := make([]byte, 2100)
			if what == "list" {
				fill(b, store.Put, b.N, data)
				b.ResetTimer()
				count := 0
				for range store.List(context.Background(), "") {
					count++
				}
				if count != b.N {
					b.Fatalf("%d of %d", count, b.N)
				}
				return
			}
			fill(b, store.Put, b.N, data)
		})
	}
}

func fill(b *testing.B, put func(context.Context, string, []byte) error, n int, data []byte) {
	b.Helper()
	numbers := make(chan int)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range numbers {
				if err := put(context.Background(), fmt.Sprintf("0x%064x/%016x", i, i), data); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	group.Wait()
}

func BenchmarkGet(b *testing.B) {
	store, _ := open(b, nil)
	fill(b, store.Put, 1000, make([]byte, 2100))
	for i := 0; b.Loop(); i++ {
		if _, err := store.Get(context.Background(), fmt.Sprintf("0x%064x/%016x", i%1000, i%1000)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkListOneFolder is the regular look at the heads, beside many other folders.
func BenchmarkListOneFolder(b *testing.B) {
	store, _ := open(b, nil)
	fill(b, store.Put, 3000, nil)
	for i := range 10 {
		if err := store.Put(context.Background(), fmt.Sprintf("heads/%d", i), nil); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for _, err := range store.List(context.Background(), "heads/") {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
