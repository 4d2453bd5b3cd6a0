package engine_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestConfirmedIsKnownAfterPowerLoss: of what the journal has forgotten, the base knows, whatever power takes from the
// disk; so a place that lost it too is never taken for a new one.
func TestConfirmedIsKnownAfterPowerLoss(t *testing.T) {
	missed := 0
	for seed := range uint64(60) {
		disk := cachetest.New(rand.New(rand.NewPCG(seed, 0)))
		one := &device{t: t, folder: "/cache", disk: disk.Start(), store: memory.New(nil)}
		one.open()
		one.append(many(seed, 2, 5)...)
		if report := one.settle(); report.Pending != 0 {
			t.Fatalf("after settling: %+v", report)
		}
		disk.Crash(nil)
		_ = errors.Join(one.Close(), one.cache.Close()) // what it does from here on reaches no disk

		one.disk, one.store = disk.Start(), memory.New(nil)
		one.open()
		pending := one.Status().Pending
		_, err := one.Pass(context.Background(), engine.Work{})
		switch {
		case errors.Is(err, engine.ErrBlocked):
			missed++
		case err != nil:
			t.Fatal(err)
		case pending != 5:
			t.Errorf("seed %d: a place that lost everything is taken for a new one, and %d of 5 messages are in the journal", seed, pending)
		}
		one.close()
	}
	if missed == 0 {
		t.Error("no power loss left the journal without what was confirmed")
	}
}

// TestRottenCopiesAreNotWrittenAgain: what a place lost is written again from the cache, but never what the cache's own
// disk has spoilt.
func TestRottenCopiesAreNotWrittenAgain(t *testing.T) {
	place := memory.New(nil)
	one, two := newDevice(t, place, smallChunks), newDevice(t, place, smallChunks)
	items := many(61, 2, 300)
	one.append(items...)
	one.settle()
	two.settle()
	two.read("friend0.eth", engine.Range{})
	rot(t, two.folder)
	wipe(t, place)
	for _, work := range []engine.Work{{}, {}, {Restore: true}} {
		if _, err := two.Pass(context.Background(), work); !errors.Is(err, engine.ErrBlocked) {
			t.Fatal(err)
		}
	}
	for _, name := range append(objects(t, place, true), objects(t, place, false)...) {
		t.Errorf("%s was written again from a spoilt copy", name)
	}
	one.pass(engine.Work{Restore: true})
	one.settle()
	same(t, "one", one.holds(), hashes(items))
}

// rot flips a bit in every body that a cache holds.
func rot(t *testing.T, folder string) {
	t.Helper()
	spoilt := 0
	err := filepath.WalkDir(filepath.Join(folder, "blobs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) == 0 {
			return err
		}
		data[len(data)/2] ^= 1
		spoilt++
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil || spoilt == 0 {
		t.Fatalf("%d bodies spoilt, %v", spoilt, err)
	}
}
