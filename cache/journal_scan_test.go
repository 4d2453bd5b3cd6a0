package cache

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// testFrame is one frame of a segment built by hand.
type testFrame struct {
	id      uint64
	kind    frameType
	payload string
	synced  bool // the frame knows that all before it was synced
}

func entry(id uint64, payload string) testFrame {
	return testFrame{id: id, kind: frameEntry, payload: payload, synced: true}
}

// joined is an entry in one batch with the frame before it.
func joined(id uint64, payload string) testFrame {
	return testFrame{id: id, kind: frameEntry, payload: payload}
}

// buildSegment returns a segment whose first number is 1, and where each frame
// begins.
func buildSegment(frames ...testFrame) (data []byte, offsets []int) {
	data = segmentHeader(1)
	durable := segmentHeaderSize
	for _, f := range frames {
		if f.synced {
			durable = len(data)
		}
		offsets = append(offsets, len(data))
		payload := []byte(f.payload)
		data = appendFrame(data, frame{id: f.id, durable: uint32(durable), kind: f.kind, payload: payload}, checksum(payload))
	}
	return data, offsets
}

func slotIDs(s scan) (ids []uint64) {
	for _, entry := range s.slots {
		ids = append(ids, entry.id)
	}
	return ids
}

func TestScanSegment(t *testing.T) {
	three := []testFrame{entry(1, "one"), entry(2, "two"), entry(3, "three")}
	batch := []testFrame{entry(1, "one"), entry(2, "two"), joined(3, "three"), joined(4, "four")}
	flip := func(frame, at int) func([]byte, []int) []byte {
		return func(data []byte, offsets []int) []byte {
			data[offsets[frame]+at] ^= 4
			return data
		}
	}
	cut := func(frame, at int) func([]byte, []int) []byte {
		return func(data []byte, offsets []int) []byte { return data[:offsets[frame]+at] }
	}
	zero := func(from, to int) func([]byte, []int) []byte {
		return func(data []byte, offsets []int) []byte {
			clear(data[offsets[from]:offsets[to]])
			return data
		}
	}
	tests := []struct {
		name     string
		frames   []testFrame
		spoil    func(data []byte, offsets []int) []byte
		complete bool
		ids      []uint64
		damaged  int
		torn     int
		tail     bool
	}{
		{name: "whole", frames: three, ids: []uint64{1, 2, 3}},
		{name: "whole, complete", frames: three, complete: true, ids: []uint64{1, 2, 3}},
		{name: "empty", ids: nil},
		{name: "reserved space behind", frames: three, spoil: func(d []byte, _ []int) []byte { return append(d, make([]byte, 5000)...) }, ids: []uint64{1, 2, 3}},
		{name: "payload flipped in the middle", frames: three, spoil: flip(1, frameHeaderSize), ids: []uint64{1, 3}, damaged: 1},
		{name: "length flipped in the middle", frames: three, spoil: flip(1, 0), ids: []uint64{1, 3}, damaged: 1},
		{name: "length flipped to huge", frames: three, spoil: flip(1, 3), ids: []uint64{1, 3}, damaged: 1},
		{name: "checksum flipped", frames: three, spoil: flip(0, 5), ids: []uint64{2, 3}, damaged: 1},
		{name: "number flipped", frames: three, spoil: flip(1, 9), ids: []uint64{1, 3}, damaged: 1},
		{name: "magic flipped", frames: three, spoil: flip(1, 22), ids: []uint64{1, 3}, damaged: 1},
		{name: "two frames zeroed", frames: three, spoil: zero(0, 2), ids: []uint64{3}, damaged: 2},
		{name: "last frame flipped, unfinished", frames: three, spoil: flip(2, frameHeaderSize), ids: []uint64{1, 2}, tail: true},
		{name: "last frame flipped, complete", frames: three, spoil: flip(2, frameHeaderSize), complete: true, ids: []uint64{1, 2}, damaged: 1, tail: true},
		{name: "last frame flipped, closed after it", frames: append(slices.Clone(three), testFrame{id: 4, kind: frameClosed, synced: true}), spoil: flip(2, frameHeaderSize), ids: []uint64{1, 2}, damaged: 1},
		{name: "cut in a payload", frames: three, spoil: cut(2, frameHeaderSize+2), ids: []uint64{1, 2}, tail: true},
		{name: "cut in a header", frames: three, spoil: cut(2, 7), ids: []uint64{1, 2}, tail: true},
		{name: "cut between frames", frames: three, spoil: cut(2, 0), ids: []uint64{1, 2}},
		{name: "unfinished batch, its first frame torn", frames: batch, spoil: zero(1, 2), ids: []uint64{1, 3, 4}, torn: 1},
		{name: "unfinished batch, its second frame torn", frames: batch, spoil: zero(2, 3), ids: []uint64{1, 2, 4}, torn: 1},
		{name: "batch torn, but complete", frames: batch, spoil: zero(2, 3), complete: true, ids: []uint64{1, 2, 4}, damaged: 1},
		{name: "batch torn, but a frame before it too", frames: batch, spoil: zero(0, 1), ids: []uint64{2, 3, 4}, damaged: 1},
		{name: "header flipped", frames: three, spoil: func(d []byte, _ []int) []byte { d[3] ^= 1; return d }, ids: []uint64{1, 2, 3}, damaged: 1},
		{name: "header never written", frames: three, spoil: func(d []byte, _ []int) []byte { return d[:11] }},
		{name: "blank", spoil: func([]byte, []int) []byte { return make([]byte, 4096) }},
		{name: "blank, but complete", spoil: func([]byte, []int) []byte { return nil }, complete: true, damaged: 1},
		{name: "a number twice", frames: []testFrame{entry(1, "a"), entry(1, "b"), entry(2, "c")}, ids: []uint64{1, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data, offsets := buildSegment(test.frames...)
			if test.spoil != nil {
				data = test.spoil(data, offsets)
			}
			got := scanSegment(data, 1, test.complete)
			if !slices.Equal(slotIDs(got), test.ids) || got.damaged != test.damaged || len(got.torn) != test.torn || got.tail > 0 != test.tail {
				t.Errorf("entries %v, damaged %d, torn %v, tail %d", slotIDs(got), got.damaged, got.torn, got.tail)
			}
		})
	}
}

func TestScanNewerVersion(t *testing.T) {
	data := segmentHeader(1)
	data[7] = segmentVersion + 1
	if scanSegment(data, 1, false).newer {
		t.Error("a flipped version byte was taken for a newer version")
	}
	sum := checksum(data[:16])
	data[16], data[17], data[18], data[19] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	if !scanSegment(data, 1, false).newer {
		t.Error("a newer version was not recognised")
	}
}

// Wherever a crash cuts the last segment, exactly the whole frames before the
// cut are there, nothing counts as damage, and writing goes on.
func TestJournalCutAnywhere(t *testing.T) {
	data, offsets := buildSegment(entry(1, "one"), entry(2, strings.Repeat("2", 40)), entry(3, "three"))
	for cut := range len(data) {
		folder := t.TempDir()
		if err := os.WriteFile(segmentPath(folder, 1), data[:cut], fileMode); err != nil {
			t.Fatal(err)
		}
		whole := 0
		for i := range offsets {
			if end := append(offsets, len(data))[i+1]; end <= cut {
				whole++
			}
		}
		j := mustOpenJournal(t, folder, Options{})
		if got := j.Stats(); got.Entries != whole || got.DamagedFrames != 0 {
			t.Fatalf("cut at %d: %+v, want %d entries", cut, got, whole)
		}
		id := appendText(t, j, "next")
		crash(t, j)
		j = mustOpenJournal(t, folder, Options{})
		if got := replayed(t, j); len(got) != whole+1 || got[id] != "next" || j.Stats().DamagedFrames != 0 {
			t.Fatalf("cut at %d: then %v, %+v", cut, got, j.Stats())
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A torn batch is mended: it is no damage now, nor once later segments exist.
func TestJournalMendsTornBatch(t *testing.T) {
	folder := t.TempDir()
	data, offsets := buildSegment(entry(1, "one"), entry(2, "two"), joined(3, "three"), joined(4, "four"))
	clear(data[offsets[2]+5 : offsets[3]])
	if err := os.WriteFile(segmentPath(folder, 1), data, fileMode); err != nil {
		t.Fatal(err)
	}
	options := Options{SegmentSize: int64(len(data))}
	for range 3 {
		j := mustOpenJournal(t, folder, options)
		got := replayed(t, j)
		if got[1] != "one" || got[2] != "two" || got[4] != "four" || j.Stats().DamagedFrames != 0 {
			t.Fatalf("%v, %+v", got, j.Stats())
		}
		if id := appendText(t, j, "more"); id < 5 {
			t.Fatalf("entry %d was given out twice", id)
		}
		crash(t, j)
	}
	if len(segmentFiles(t, folder)) < 2 {
		t.Error("no later segment, so nothing was tested")
	}
}

// Damage in the middle is counted, copied aside once, and what follows is read.
func TestJournalSetsDamageAside(t *testing.T) {
	folder := t.TempDir()
	data, offsets := buildSegment(entry(1, "one"), entry(2, "two"), entry(3, "three"))
	data[offsets[1]+frameHeaderSize] ^= 1
	path := segmentPath(folder, 1)
	if err := os.WriteFile(path, data, fileMode); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j := mustOpenJournal(t, folder, Options{})
		if got := replayed(t, j); fmt.Sprint(got) != "map[1:one 3:three]" || j.Stats().DamagedFrames != 1 {
			t.Errorf("%v, %+v", got, j.Stats())
		}
		crash(t, j)
	}
	copied, err := os.ReadFile(path + damagedSuffix)
	if err != nil || !bytes.Equal(copied, data) {
		t.Errorf("the copy differs: %v", err)
	}
}

// Damage that comes while the journal is open is told by Read, and passed over
// by Replay.
func TestJournalDamageWhileOpen(t *testing.T) {
	folder := t.TempDir()
	j := mustOpenJournal(t, folder, Options{})
	appendText(t, j, "one", "two", "three")
	file, err := os.OpenFile(segmentPath(folder, 1), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	at := int64(j.segments[0].slots[1].offset) + frameHeaderSize
	if _, err := file.WriteAt([]byte("T"), at); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Read(nil, 2); !isErr(err, ErrDamaged) {
		t.Errorf("Read: %v", err)
	}
	if got := replayed(t, j); fmt.Sprint(got) != "map[1:one 3:three]" || j.Stats().DamagedFrames != 1 {
		t.Errorf("%v, %+v", got, j.Stats())
	}
	if err := j.Forget(2); err != nil {
		t.Error(err)
	}
}

// addScanSeeds gives a fuzz target whole, torn and spoilt segments.
func addScanSeeds(f *testing.F) {
	data, offsets := buildSegment(entry(1, "one"), entry(2, "two"), joined(3, "three"),
		testFrame{id: 4, kind: frameForget, payload: string(appendRanges(nil, []idRange{{1, 1}}))},
		testFrame{id: 4, kind: frameClosed, synced: true}, entry(9, "nine"))
	f.Add(data)
	f.Add(append(slices.Clone(data), make([]byte, 100)...))
	f.Add([]byte{})
	for _, at := range offsets {
		f.Add(data[:at+3])
		spoilt := slices.Clone(data)
		spoilt[at+2] ^= 0x10
		f.Add(spoilt)
	}
}

// FuzzScanSegment asks that any bytes are read without panic, that every entry
// is a whole frame and numbers ascend, that gaps are in order and within the
// data, and that a later segment changes only what is called damage.
func FuzzScanSegment(f *testing.F) {
	addScanSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		found := scanSegment(data, 1, false)
		last := uint64(0)
		for _, s := range found.slots {
			parsed, ok := parseFrame(data[s.offset:])
			if !ok || parsed.id != s.id || s.id <= last || s.id > found.last {
				t.Fatalf("slot %+v after %d", s, last)
			}
			last = s.id
		}
		at := segmentHeaderSize
		for _, g := range found.torn {
			if g.start < at || g.end-g.start < frameHeaderSize || g.end > found.end {
				t.Fatalf("gap %+v after %d", g, at)
			}
			at = g.end
		}
		complete := scanSegment(data, 1, true)
		if !slices.Equal(complete.slots, found.slots) || complete.damaged < found.damaged+len(found.torn) || len(complete.torn) > 0 {
			t.Fatalf("last %+v, complete %+v", found, complete)
		}
	})
}

// FuzzOpenJournal asks that a journal opens on any segment, mends it, writes on,
// and then finds the same entries, the new one, and no more damage than before.
func FuzzOpenJournal(f *testing.F) {
	addScanSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if found := scanSegment(data, 1, false); found.newer || found.last > 1<<63 && len(found.slots) > 0 {
			return // numbers near their end come from hand-made frames only
		}
		folder := t.TempDir()
		if err := os.WriteFile(segmentPath(folder, 1), data, fileMode); err != nil {
			t.Fatal(err)
		}
		j := mustOpenJournal(t, folder, Options{})
		before, damaged := replayed(t, j), j.Stats().DamagedFrames
		id := appendText(t, j, "next")
		if _, twice := before[id]; twice {
			t.Fatalf("entry %d was given out twice", id)
		}
		crash(t, j)
		j = mustOpenJournal(t, folder, Options{})
		after := replayed(t, j)
		if after[id] != "next" || len(after) != len(before)+1 || j.Stats().DamagedFrames > damaged {
			t.Fatalf("entries %d then %d, damage %d then %d", len(before), len(after), damaged, j.Stats().DamagedFrames)
		}
	})
}
