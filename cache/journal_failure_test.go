package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
)

func isErr(err, want error) bool { return errors.Is(err, want) }

var errDisk = errors.New("disk failed")

// failingDisk makes the files of a journal fail on demand.
type failingDisk struct {
	Disk
	mu                       sync.Mutex
	open, write, short, sync bool
}

func (d *failingDisk) fails(flag *bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return *flag
}

func (d *failingDisk) set(flag *bool, to bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*flag = to
}

func (d *failingDisk) OpenSegment(path string) (SegmentFile, error) {
	if d.fails(&d.open) {
		return nil, errDisk
	}
	file, err := d.Disk.OpenSegment(path)
	return &failingFile{SegmentFile: file, disk: d}, err
}

type failingFile struct {
	SegmentFile
	disk *failingDisk
}

func (f *failingFile) WriteAt(data []byte, offset int64) (int, error) {
	if f.disk.fails(&f.disk.short) { // as a full disk does
		n, _ := f.SegmentFile.WriteAt(data[:len(data)/2], offset)
		return n, errDisk
	}
	if f.disk.fails(&f.disk.write) {
		return 0, errDisk
	}
	return f.SegmentFile.WriteAt(data, offset)
}

func (f *failingFile) Sync() error {
	if f.disk.fails(&f.disk.sync) {
		return errDisk
	}
	return f.SegmentFile.Sync()
}

// An error of the disk reaches the caller, earlier entries stay, and the journal
// works again as soon as the disk does.
func TestJournalDiskErrors(t *testing.T) {
	disk := &failingDisk{Disk: systemDisk{}}
	for name, flag := range map[string]*bool{
		"open": &disk.open, "write": &disk.write, "short write": &disk.short, "sync": &disk.sync,
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			options := Options{Disk: disk, SegmentSize: 60}
			j := mustOpenJournal(t, folder, options)
			want := map[EntryID]string{}
			last := EntryID(0)
			for round := range 4 {
				for range 3 {
					last = appendText(t, j, "good")
					want[last] = "good"
				}
				disk.set(flag, true)
				for range 2 {
					_, err := j.Append(context.Background(), []byte("failed"))
					// Only a new segment opens a file.
					if err == nil && name == "open" {
						last++
						want[last] = "failed"
					} else if !errors.Is(err, errDisk) {
						t.Fatalf("round %d: %v", round, err)
					}
				}
				disk.set(flag, false)
			}
			if got := replayed(t, j); !maps.Equal(got, want) {
				t.Errorf("replayed %v, want %v", got, want)
			}
			crash(t, j)
			j = mustOpenJournal(t, folder, options)
			got := replayed(t, j)
			for id, text := range want {
				if got[id] != text {
					t.Errorf("after a crash: entry %d is %q", id, got[id])
				}
			}
			if damaged := j.Stats().DamagedFrames; damaged != 0 {
				t.Errorf("after a crash: %d damaged frames", damaged)
			}
		})
	}
}

// Under many writers, too, an error reaches exactly those whose entries are in
// question, and nobody hangs.
func TestJournalDiskErrorsConcurrently(t *testing.T) {
	disk := &failingDisk{Disk: systemDisk{}}
	folder := t.TempDir()
	options := Options{Disk: disk, SegmentSize: 5000}
	j := mustOpenJournal(t, folder, options)
	var group, breaker sync.WaitGroup
	var mu sync.Mutex
	want, failures := map[EntryID]string{}, 0
	stop := make(chan struct{})
	breaker.Go(func() {
		for flag := true; ; flag = !flag {
			select {
			case <-stop:
				disk.set(&disk.sync, false)
				return
			default:
				disk.set(&disk.sync, flag)
			}
		}
	})
	for w := range 16 {
		group.Go(func() {
			for i := range 150 {
				text := fmt.Sprintf("%d/%d", w, i)
				id, err := j.Append(context.Background(), []byte(text))
				mu.Lock()
				if err == nil {
					want[id] = text
				} else if failures++; !errors.Is(err, errDisk) {
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	close(stop)
	breaker.Wait()
	if got := replayed(t, j); !maps.Equal(got, want) {
		t.Errorf("replayed %d entries, want %d", len(got), len(want))
	}
	crash(t, j)
	j = mustOpenJournal(t, folder, options)
	got := replayed(t, j)
	for id, text := range want {
		if got[id] != text {
			t.Fatalf("after a crash: entry %d is %q, want %q", id, got[id], text)
		}
	}
	t.Logf("%d acknowledged, %d failed", len(want), failures)
}
