package benchmark

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// queries are asked again and again, each the median of searchRounds.
var queries = []struct {
	name  string
	query search.Query
}{
	{"rare", search.Query{Text: `"segfaults"`}},
	{"common", search.Query{Text: `"the"`}},
	{"two", search.Query{Text: `"the" "you"`}},
	{"phrase", search.Query{Text: `"you have to"`}},
	{"prefix", search.Query{Text: "ins"}},
	{"letter", search.Query{Text: "i"}},
	{"contact", search.Query{Text: `"install"`, Contact: "friend-47.user.dm3.eth"}},
	{"none", search.Query{Text: `"zymurgical"`}},
}

const searchRounds = 15

// BenchmarkSearch indexes the corpus in 100 conversations at full speed, and asks the index: the first page of 20 hits,
// with their texts as the history has them, and beside it one hit alone.
func BenchmarkSearch(b *testing.B) {
	ctx := context.Background()
	path := corpus(b, chat.InHundred, "corpus100")
	for b.Loop() {
		folder := b.TempDir()
		account, kept := searchAccount(b, folder)
		file, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := account.Append(ctx, file, history.AppendOptions{}); err != nil {
			b.Fatal(err)
		}
		_ = file.Close()
		if _, err := account.Sync(ctx, engine.Work{Settle: true}, nil); err != nil {
			b.Fatal(err)
		}
		before, start := heap(), time.Now()
		var result search.Result
		for result.Indexed == 0 || result.Waiting > 0 {
			if result, err = account.Search(ctx, search.Query{Text: `"zymurgical"`}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(time.Since(start).Seconds(), "s-index")
		b.ReportMetric(float64(result.Indexed), "messages")
		b.ReportMetric(float64(heap()-before)/1e6, "MB-heap")
		for _, q := range queries {
			b.ReportMetric(timed(b, account, q.query), "ms-"+q.name)
			q.query.Limit = 1
			b.ReportMetric(timed(b, account, q.query), "ms-"+q.name+"-one")
		}
		if err := account.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(sizeOf(b, filepath.Join(kept, "search")))/float64(result.Indexed), "bytes/message")
	}
}

// searchAccount opens an account, and says where its cache is.
func searchAccount(b *testing.B, folder string) (opened *agent.Account, kept string) {
	b.Helper()
	account := config.Account{Name: "alice.eth", Provider: config.Provider{Kind: "memory"}}
	c := &config.Config{Data: folder, Accounts: []config.Account{account}}
	opened, err := agent.OpenAccount(context.Background(), account, agent.AccountOptions{
		Config: c,
		Open:   func(context.Context, config.Account) (providers.Store, error) { return memory.New(nil), nil },
		Unlock: func(context.Context, config.Account) ([32]byte, error) { return [32]byte{1}, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	return opened, c.Folder(&account)
}

// timed is the median time of a search, in milliseconds.
func timed(b *testing.B, account *agent.Account, q search.Query) float64 {
	b.Helper()
	var times []time.Duration
	for range searchRounds {
		start := time.Now()
		if _, err := account.Search(context.Background(), q); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return float64(times[searchRounds/2].Microseconds()) / 1000
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func sizeOf(b *testing.B, folder string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
