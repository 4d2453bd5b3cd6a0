package cachetest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/cache/cachetest"
)

func newDisk() *cachetest.Disk { return cachetest.New(rand.New(rand.NewPCG(1, 1))) }

func openCache(t *testing.T, disk cache.Disk) *cache.Cache {
	t.Helper()
	kept, err := cache.Open(folder, cache.Options{Disk: disk})
	must(t, err)
	return kept
}

// A cache that was closed leaves everything to the next session; a crash ends the
// first one and drops its lock.
func TestSessions(t *testing.T) {
	disk := newDisk()
	first := disk.Start()
	kept := openCache(t, first)
	if _, err := cache.Open(folder, cache.Options{Disk: disk.Start()}); !errors.Is(err, cache.ErrInUse) {
		t.Fatalf("a second process: %v", err)
	}
	_, err := kept.Journal().Append(t.Context(), []byte("entry"))
	must(t, errors.Join(err, kept.Blobs().Put("blob", []byte("body"), true),
		kept.Records().Update(func(tx *cache.Tx) error { return tx.Put("b", "k", []byte("record")) }), kept.Close()))

	kept = openCache(t, disk.Start())
	entry, err := kept.Journal().Read(nil, 1)
	body, _ := kept.Blobs().Get("blob")
	record, _, recordErr := kept.Records().Get("b", "k")
	if got := fmt.Sprintf("%s %s %s", entry, body, record); got != "entry body record" || err != nil || recordErr != nil {
		t.Fatal(got, err, recordErr)
	}
	disk.Crash(nil)
	_, appendErr := kept.Journal().Append(t.Context(), []byte("late"))
	_, _, getErr := kept.Records().Get("b", "k")
	for doing, err := range map[string]error{
		"append": appendErr, "get": getErr, "put": kept.Blobs().Put("b", nil, false), "close": kept.Close(),
		"update": kept.Records().Update(func(*cache.Tx) error { return nil }), "stat": second(first.Stat("/")),
		"make folder": first.MakeFolder("/new"), "sync folder": first.SyncFolder("/"), "remove": first.RemoveAll("/home"),
	} {
		if !errors.Is(err, cachetest.ErrCrashed) {
			t.Errorf("%s after a crash: %v", doing, err)
		}
	}
	must(t, openCache(t, disk.Start()).Close())
}

func second(_ fs.FileInfo, err error) error { return err }

// Kill ends sessions and loses nothing.
func TestKillLosesNothing(t *testing.T) {
	disk := newDisk()
	s := disk.Start()
	writeAt(t, open(t, s, "/f"), "abc", 0)
	disk.Kill()
	if _, err := s.ReadFile("/f"); !errors.Is(err, cachetest.ErrCrashed) {
		t.Errorf("the session goes on: %v", err)
	}
	if data, err := disk.Start().ReadFile("/f"); err != nil || string(data) != "abc" {
		t.Errorf("%q %v", data, err)
	}
}

// What the hook answers is what happens.
func TestHook(t *testing.T) {
	tests := []struct {
		name    string
		outcome cachetest.Outcome
		err     error
		want    string // of the file; it said "old"
		ended   bool
	}{
		{"go on", cachetest.Outcome{}, nil, "new text", false},
		{"fail", cachetest.Fail(syscall.EROFS), syscall.EROFS, "old", false},
		{"fail after some bytes", cachetest.FailAfter(2, syscall.EIO), syscall.EIO, "ned", false},
		{"crash before", cachetest.CrashBefore(), cachetest.ErrCrashed, "old", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			disk := newDisk()
			s := disk.Start()
			f := open(t, s, "/f")
			writeAt(t, f, "old", 0)
			must(t, errors.Join(f.Sync(), s.SyncFolder("/")))
			before := disk.Changes()
			var asked []cachetest.Operation
			disk.SetHook(func(o cachetest.Operation) cachetest.Outcome {
				asked = append(asked, o)
				return test.outcome
			})
			if _, err := f.WriteAt([]byte("new text"), 0); !errors.Is(err, test.err) {
				t.Errorf("%v, want %v", err, test.err)
			}
			want := cachetest.Operation{Kind: cachetest.Write, Path: "/f", Bytes: 8, Number: before + 1}
			if !slices.Equal(asked, []cachetest.Operation{want}) || disk.Changes() != before+1 {
				t.Errorf("asked %v, want %v", asked, want)
			}
			if _, err := s.Stat("/f"); (err != nil) != test.ended {
				t.Errorf("the session afterwards: %v", err)
			}
			if data, err := disk.Start().ReadFile("/f"); err != nil || string(data) != test.want {
				t.Errorf("%q %v, want %q", data, err, test.want)
			}
		})
	}
	disk := newDisk()
	s := disk.Start()
	f := open(t, s, "/f")
	writeAt(t, f, "abc", 0)
	must(t, s.SyncFolder("/"))
	failOnce(s, cachetest.Sync, cachetest.CrashAfter())
	if err := f.Sync(); !errors.Is(err, cachetest.ErrCrashed) {
		t.Errorf("crash after: %v", err)
	}
	if data, err := disk.Start().ReadFile("/f"); err != nil || string(data) != "abc" {
		t.Errorf("after a sync and a crash: %q %v", data, err)
	}
}

// The same chance and the same calls give the same disk.
func TestSameChanceSameDisk(t *testing.T) {
	story := func() string {
		l := newLife(7)
		for range 5 {
			if err := l.run(t); err != nil {
				t.Fatal(err)
			}
			l.disk.Crash(nil)
		}
		text := fmt.Sprint(l.disk.Files(), l.disk.Changes(), l.disk.Used())
		for _, file := range l.disk.Files() {
			if data, err := l.disk.Start().ReadFile(file.Path); err == nil && file.Path != folder+"/lock.pid" {
				text += string(data)
			}
		}
		return text
	}
	if first, again := story(), story(); first != again {
		t.Error("two disks differ")
	}
}

// A full disk takes what fits, says so, and works again once there is room.
func TestLimit(t *testing.T) {
	disk := newDisk()
	s := disk.Start()
	disk.SetLimit(2 * 512)
	must(t, s.WriteFile("/a", make([]byte, 300)))
	if err := s.WriteFile("/b", make([]byte, 600)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full: %v", err)
	}
	if info, err := s.Stat("/b"); err != nil || info.Size() != 512 || disk.Used() != 1024 {
		t.Errorf("%v %v, used %d", info, err, disk.Used())
	}
	store, err := s.OpenRecords("/r", false)
	must(t, err)
	put := func() error {
		tx, err := store.Begin()
		must(t, err)
		must(t, tx.Put("b", "k", []byte("v")))
		return tx.Commit()
	}
	if err := put(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a transaction on a full disk: %v", err)
	}
	must(t, s.Remove("/b"))
	must(t, put())
	disk.SetLimit(0)
	must(t, s.WriteFile("/b", make([]byte, 6000)))
}

// Rot is found by whoever verifies; a copy knows nothing of what comes after it.
func TestRotAndClone(t *testing.T) {
	disk := newDisk()
	kept := openCache(t, disk.Start())
	_, err := kept.Journal().Append(t.Context(), make([]byte, 5000))
	must(t, errors.Join(err, kept.Records().Update(func(tx *cache.Tx) error { return tx.Put("b", "k", nil) }), kept.Close()))
	segment := folder + "/journal/0000000000000001.journal"
	clone := disk.Clone(rand.New(rand.NewPCG(2, 2)))
	must(t, errors.Join(disk.Flip(segment, 1, rand.New(rand.NewPCG(3, 3))), disk.Flip(folder+"/records.db", 1, nil)))
	must(t, disk.Start().WriteFile(folder+"/lock.pid", nil)) // an unclean end, so that records are looked at thoroughly
	kept = openCache(t, disk.Start())
	if kept.Journal().Stats().DamagedFrames == 0 || !kept.Rebuilt() {
		t.Errorf("damage went unnoticed: %+v, rebuilt %v", kept.Journal().Stats(), kept.Rebuilt())
	}
	must(t, kept.Close())
	must(t, clone.Lose(folder+"/records.db"))
	clone.Crash(nil)
	kept = openCache(t, clone.Start())
	if stats := kept.Journal().Stats(); stats.Entries != 1 || stats.DamagedFrames != 0 || !kept.Rebuilt() {
		t.Errorf("the clone: %+v, rebuilt %v", stats, kept.Rebuilt())
	}
	must(t, kept.Close())
	if err := clone.Lose("/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("losing nothing: %v", err)
	}
}

// Simulated time goes on while calls wait in the hook, whatever the cache's other
// callers wait for, and a clock that stands still holds up no append.
func TestWaitingHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		disk.SetClock(time.Now)
		kept := openCache(t, disk.Start())
		disk.SetHook(func(cachetest.Operation) cachetest.Outcome {
			time.Sleep(20 * time.Millisecond)
			return cachetest.Outcome{}
		})
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for range 4 {
					id, err := kept.Journal().Append(t.Context(), make([]byte, 100))
					put := func(tx *cache.Tx) error { return tx.Put("b", fmt.Sprint(i), nil) }
					name := fmt.Sprint(i % 3)
					err = errors.Join(err, kept.Journal().Forget(id), kept.Records().Update(put),
						kept.Blobs().Put(name, []byte("x"), false), kept.Blobs().Pin(name), kept.Blobs().Unpin(name))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		must(t, kept.Close())
	})
}
