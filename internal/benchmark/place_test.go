package benchmark

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const account = "alice.eth"

// corpus returns the path of an NDJSON file with the envelopes of the corpus.
func corpus(tb testing.TB, grouping chat.Grouping, name string) string {
	tb.Helper()
	path, whole, err := chat.CorpusFile(account, grouping, name)
	if err != nil {
		tb.Fatal(err)
	}
	if !whole {
		tb.Log("the corpus is not here; the embedded sample takes its place")
	}
	return path
}

// device is a history on an engine with a cache of its own.
type device struct {
	*engine.Engine
	*history.History
	cache *cache.Cache
}

func open(tb testing.TB, store providers.Store, folder string, change func(*engine.Options)) *device {
	tb.Helper()
	kept, err := cache.Open(folder, cache.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	sealer, err := seal.New([32]byte{1}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	options := engine.Options{Account: account, Root: container.RootKey("benchmark"), Sealer: sealer, Store: store, Cache: kept}
	if change != nil {
		change(&options)
	}
	opened, err := engine.Open(context.Background(), options)
	if err != nil {
		tb.Fatal(err)
	}
	return &device{Engine: opened, History: history.New(opened, []string{account}), cache: kept}
}

func (d *device) close(tb testing.TB) {
	tb.Helper()
	if err := errors.Join(d.Engine.Close(), d.cache.Close()); err != nil {
		tb.Fatal(err)
	}
}

// folder is a counted plain folder.
func folder(tb testing.TB) *providers.Counter {
	tb.Helper()
	path := tb.TempDir()
	if err := local.Create(path); err != nil {
		tb.Fatal(err)
	}
	store, err := local.New(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return providers.Count(store)
}

// processor returns the processor time that this process used so far.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// slurp reads a file whole.
func slurp(tb testing.TB, path string) []byte {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func split(text []byte) [][]byte {
	parts := bytes.Split(text, []byte("\n"))
	return slices.DeleteFunc(parts, func(line []byte) bool { return len(line) == 0 })
}
