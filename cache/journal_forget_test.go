package cache

import (
	"maps"
	"strings"
	"testing"
)

// What a segment says about entries of older ones outlives the segment, wherever
// the process dies: its file goes only when that is written anew.
func TestJournalForgetsOutliveTheirSegment(t *testing.T) {
	folder, options := t.TempDir(), Options{SegmentSize: 200}
	long := strings.Repeat("x", 200)
	j := mustOpenJournal(t, folder, options)
	want := map[EntryID]string{appendText(t, j, "stuck"): "stuck"}
	forgotten := appendText(t, j, long)
	second := appendText(t, j, long[:150]) // leaves room for what follows
	if err := j.Forget(second, forgotten); err != nil {
		t.Fatal(err)
	}
	want[appendText(t, j, "third")] = "third" // whose first batch leaves the second segment without a live entry
	for _, when := range []string{"after a crash", "after another"} {
		crash(t, j)
		j = mustOpenJournal(t, folder, options)
		if got := replayed(t, j); !maps.Equal(got, want) {
			t.Errorf("%s: replayed %v, want %v", when, got, want)
		}
	}
	want[appendText(t, j, "next")] = "next"
	if files := segmentFiles(t, folder); len(files) != 2 {
		t.Errorf("segments %v remain, want the first and the last", files)
	}
	crash(t, j)
	if got := replayed(t, mustOpenJournal(t, folder, options)); !maps.Equal(got, want) {
		t.Errorf("at last: replayed %v, want %v", got, want)
	}
}

// The last segment is what keeps numbers from being given out twice, so it stays
// until there is another, even when nothing in it is wanted.
func TestJournalLastSegmentStaysUntilTheNext(t *testing.T) {
	disk := &failingDisk{Disk: systemDisk{}}
	folder, options := t.TempDir(), Options{SegmentSize: 200, Disk: disk}
	j := mustOpenJournal(t, folder, options)
	id := appendText(t, j, strings.Repeat("x", 200))
	disk.set(&disk.open, true)
	if err := j.Forget(id); !isErr(err, errDisk) {
		t.Errorf("forgetting without a next segment: %v", err)
	}
	disk.set(&disk.open, false)
	crash(t, j)
	j = mustOpenJournal(t, folder, options)
	if next := appendText(t, j, "next"); next <= id {
		t.Errorf("entry %d was given out after %d", next, id)
	}
}

// What could not be written anew is tried again with the next batch.
func TestJournalForgetsOutliveAFailedWrite(t *testing.T) {
	disk := &failingDisk{Disk: systemDisk{}}
	folder, options := t.TempDir(), Options{SegmentSize: 200, Disk: disk}
	long := strings.Repeat("x", 200)
	j := mustOpenJournal(t, folder, options)
	want := map[EntryID]string{appendText(t, j, "stuck"): "stuck"}
	first, second := appendText(t, j, long), appendText(t, j, "second")
	if err := j.Forget(first); err != nil {
		t.Fatal(err)
	}
	appendText(t, j, long) // fills the second segment
	third := appendText(t, j, "third")
	want[third] = "third"
	disk.set(&disk.write, true)
	if err := j.Forget(second, second+1); !isErr(err, errDisk) {
		t.Errorf("forgetting on a failing disk: %v", err)
	}
	disk.set(&disk.write, false)
	if files := segmentFiles(t, folder); len(files) != 3 {
		t.Errorf("after the failure there are segments %v, want all three", files)
	}
	want[appendText(t, j, "next")] = "next"
	if files := segmentFiles(t, folder); len(files) != 3 {
		t.Errorf("segments %v remain, want the first and the last two", files)
	}
	crash(t, j)
	if got := replayed(t, mustOpenJournal(t, folder, options)); !maps.Equal(got, want) {
		t.Errorf("replayed %v, want %v", got, want)
	}
}

// An entry that is being read keeps its segment, and is forgotten for good all the same.
func TestJournalForgottenWhileRead(t *testing.T) {
	folder, options := t.TempDir(), Options{SegmentSize: 200}
	long := strings.Repeat("x", 200)
	j := mustOpenJournal(t, folder, options)
	id := appendText(t, j, long)
	want := map[EntryID]string{appendText(t, j, "next"): "next"}
	err := j.ReadEach([]EntryID{id}, func(EntryID, []byte, error) error {
		err := j.Forget(id)
		crash(t, j)
		if got := replayed(t, mustOpenJournal(t, folder, options)); !maps.Equal(got, want) {
			t.Errorf("replayed %v, want %v", got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files := segmentFiles(t, folder); len(files) != 1 {
		t.Errorf("segments %v remain, want the last", files)
	}
}
