package cachetest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/cache/cachetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, s *cachetest.Session, path string) cache.SegmentFile {
	t.Helper()
	file, err := s.OpenSegment(path)
	must(t, err)
	return file
}

func writeAt(t *testing.T, file cache.SegmentFile, text string, at int64) {
	t.Helper()
	if n, err := file.WriteAt([]byte(text), at); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

// outcomes runs a story on many disks, each of which then loses power, and counts
// what the file /f says afterwards; "-" is no file.
func outcomes(t *testing.T, story func(s *cachetest.Session)) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for seed := range uint64(500) {
		disk := cachetest.New(rand.New(rand.NewPCG(seed, 0)))
		story(disk.Start())
		disk.Crash(nil)
		data, err := disk.Start().ReadFile("/f")
		if errors.Is(err, fs.ErrNotExist) {
			data, err = []byte("-"), nil
		}
		must(t, err)
		seen[string(data)]++
	}
	return seen
}

// What a loss of power may leave of a file, and what it must not.
func TestCrashLeavesOfFiles(t *testing.T) {
	tests := []struct {
		name  string
		story func(s *cachetest.Session)
		want  []string // all that may be seen, and is
	}{
		{"written, synced, folder synced", func(s *cachetest.Session) {
			f := open(t, s, "/f")
			writeAt(t, f, "abc", 0)
			must(t, errors.Join(f.Sync(), s.SyncFolder("/")))
		}, []string{"abc"}},
		{"folder not synced", func(s *cachetest.Session) {
			f := open(t, s, "/f")
			writeAt(t, f, "abc", 0)
			must(t, f.Sync())
		}, []string{"-", "abc"}},
		{"not synced", func(s *cachetest.Session) {
			writeAt(t, open(t, s, "/f"), "abc", 0)
			must(t, s.SyncFolder("/"))
		}, []string{"", "a", "ab", "abc", "\x00bc", "a\x00c", "ab\x00", "\x00\x00c", "a\x00\x00", "\x00\x00\x00"}},
		{"each write on its own", func(s *cachetest.Session) {
			f := open(t, s, "/f")
			writeAt(t, f, "a", 0)
			writeAt(t, f, "b", 1)
			must(t, s.SyncFolder("/"))
		}, []string{"", "a", "\x00", "ab", "\x00b", "a\x00", "\x00\x00"}},
		{"what was synced stays", func(s *cachetest.Session) {
			f := open(t, s, "/f")
			writeAt(t, f, "abc", 0)
			must(t, errors.Join(f.Sync(), s.SyncFolder("/")))
			writeAt(t, f, "d", 3)
		}, []string{"abc", "abcd", "abc\x00"}},
		{"a cut", func(s *cachetest.Session) {
			f := open(t, s, "/f")
			writeAt(t, f, "abc", 0)
			must(t, errors.Join(f.Sync(), s.SyncFolder("/"), f.Truncate(1)))
		}, []string{"abc", "a"}},
		{"a whole file", func(s *cachetest.Session) {
			must(t, errors.Join(s.WriteFile("/f", []byte("ab")), s.SyncFolder("/")))
		}, []string{"", "a", "ab", "\x00b", "a\x00", "\x00\x00"}},
		{"renamed", func(s *cachetest.Session) {
			f := open(t, s, "/g")
			writeAt(t, f, "abc", 0)
			must(t, errors.Join(f.Sync(), s.Rename("/g", "/f")))
		}, []string{"-", "abc"}},
		{"removed", func(s *cachetest.Session) {
			f := open(t, s, "/f")
			writeAt(t, f, "abc", 0)
			must(t, errors.Join(f.Sync(), s.SyncFolder("/"), s.Remove("/f")))
		}, []string{"-", "abc"}},
		{"removed, folder synced", func(s *cachetest.Session) {
			writeAt(t, open(t, s, "/f"), "abc", 0)
			must(t, errors.Join(s.Remove("/f"), s.SyncFolder("/")))
		}, []string{"-"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen := outcomes(t, test.story)
			for text, times := range seen {
				if !slices.Contains(test.want, text) {
					t.Errorf("%q, %d times", text, times)
				}
			}
			for _, text := range test.want {
				if seen[text] == 0 {
					t.Errorf("never %q", text)
				}
			}
		})
	}
}

// Names survive in the order in which they were made, and none without its folder.
func TestCrashLeavesAPrefixOfNames(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint64(300) {
		disk := cachetest.New(rand.New(rand.NewPCG(seed, 0)))
		s := disk.Start()
		must(t, s.MakeFolder("/a"))
		for _, name := range []string{"/a/1", "/a/2", "/a/3"} {
			must(t, s.WriteFile(name, nil))
		}
		must(t, s.Remove("/a/1"))
		disk.Crash(nil)
		var names []string
		for _, file := range disk.Files() {
			names = append(names, strings.ReplaceAll(file.Path, `\`, "/"))
		}
		seen[fmt.Sprint(names)] = true
	}
	want := map[string]bool{"[]": true, "[/a/1]": true, "[/a/1 /a/2]": true, "[/a/1 /a/2 /a/3]": true, "[/a/2 /a/3]": true}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}

// After a failed sync a later one does not bring back what the disk dropped.
func TestFailedSyncDropsWrites(t *testing.T) {
	seen := outcomes(t, func(s *cachetest.Session) {
		f := open(t, s, "/f")
		must(t, s.SyncFolder("/"))
		writeAt(t, f, "a", 0)
		failOnce(s, cachetest.Sync, cachetest.Fail(syscall.EIO))
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		if data, err := s.ReadFile("/f"); err != nil || string(data) != "a" {
			t.Fatalf("before the crash: %q %v", data, err)
		}
		must(t, f.Sync())
	})
	for _, text := range []string{"", "a", "\x00"} {
		if seen[text] == 0 {
			t.Errorf("never %q: %v", text, seen)
		}
	}
}

// Of transactions a crash takes the last ones, whole; a sync or a close makes them durable.
func TestCrashTakesTheLastTransactions(t *testing.T) {
	for _, kept := range []string{"", "synced", "closed"} {
		seen := make(map[int]bool)
		for seed := range uint64(300) {
			disk := cachetest.New(rand.New(rand.NewPCG(seed, 0)))
			s := disk.Start()
			store, err := s.OpenRecords("/r", false)
			must(t, errors.Join(err, s.SyncFolder("/")))
			for i := range 4 {
				tx, err := store.Begin()
				must(t, err)
				must(t, errors.Join(tx.Put("b", "first", fmt.Append(nil, i)), tx.Delete("b", fmt.Sprint(i-1)),
					tx.Put("b", fmt.Sprint(i), []byte("x")), tx.Put("b", "last", fmt.Append(nil, i)), tx.Commit(), tx.Rollback()))
			}
			switch kept {
			case "synced":
				must(t, store.Sync())
			case "closed":
				must(t, store.Close())
			}
			disk.Crash(nil)
			store, err = disk.Start().OpenRecords("/r", true)
			must(t, err)
			page, more, err := store.Page("b", "", 10, 1000)
			if err != nil || more || len(page) != 3 && len(page) != 0 {
				t.Fatal(page, more, err)
			}
			seen[len(page)] = true
			if len(page) == 3 && (page[0].Key != string(page[1].Value) || !bytes.Equal(page[1].Value, page[2].Value)) {
				t.Fatalf("a part of a transaction: %v", page)
			}
			if len(page) == 3 {
				seen[10+int(page[1].Value[0]-'0')] = true
			}
		}
		if (kept != "") != (len(seen) == 2) || !seen[13] {
			t.Errorf("%q: saw %v", kept, seen)
		}
	}
}

// failOnce gives the next call of a kind an outcome.
func failOnce(s *cachetest.Session, kind cachetest.Kind, outcome cachetest.Outcome) {
	done := false
	cachetest.DiskOf(s).SetHook(func(o cachetest.Operation) cachetest.Outcome {
		if done || o.Kind != kind {
			return cachetest.Outcome{}
		}
		done = true
		return outcome
	})
}
