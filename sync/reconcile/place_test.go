package reconcile_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
	"pgregory.net/rapid"
)

// chunks makes extents of empty chunks that begin at the timestamps given.
func chunks(timestamps ...int64) []reconcile.Extent {
	extents := make([]reconcile.Extent, len(timestamps))
	for i, timestamp := range timestamps {
		extents[i].Identifier = container.ChunkIdentifier{ID: int64(i), Timestamp: timestamp}
	}
	return extents
}

func TestCovering(t *testing.T) {
	cases := []struct {
		name      string
		chunks    []reconcile.Extent
		timestamp int64
		want      int
	}{
		{"no chunk", nil, 5, -1},
		{"at the only one", chunks(10), 10, 0},
		{"after the only one", chunks(10), 99, 0},
		{"before the first", chunks(10, 20), 5, 0},
		{"at the first", chunks(10, 20), 10, 0},
		{"just before the second", chunks(10, 20), 19, 0},
		{"at the second", chunks(10, 20), 20, 1},
		{"after the last", chunks(10, 20, 30), math.MaxInt64, 2},
		{"before all time", chunks(10, 20), math.MinInt64, 0},
		{"at two of one timestamp", chunks(10, 20, 20, 30), 20, 2},
		{"after two of one timestamp", chunks(10, 20, 20, 30), 25, 2},
		{"before two of one timestamp", chunks(10, 20, 20, 30), 19, 0},
		{"before two first of one timestamp", chunks(10, 10), 9, 0},
		{"at two first of one timestamp", chunks(10, 10), 10, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := reconcile.Covering(c.chunks, c.timestamp); got != c.want {
				t.Errorf("chunk %d, want %d", got, c.want)
			}
		})
	}
}

// TestCoversAgreesWithCovering: the ranges part time, and each is what
// Covering says.
func TestCoversAgreesWithCovering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		timestamps := rapid.SliceOfN(rapid.Int64Range(0, 20), 1, 8).Draw(t, "chunks")
		slices.Sort(timestamps)
		extents := chunks(timestamps...)
		conversation := make([]reconcile.Chunk, len(extents))
		for i := range extents {
			conversation[i].Identifier = extents[i].Identifier
		}
		timestamp := rapid.Int64Range(0, 22).Draw(t, "timestamp")
		at := reconcile.Covering(extents, timestamp)
		for i := range conversation {
			from, to := reconcile.Covers(conversation, i)
			if inside := from <= timestamp && timestamp < to; inside != (i == at) {
				t.Fatalf("chunk %d covers [%d, %d), Covering(%d) is %d", i, from, to, timestamp, at)
			}
		}
	})
}

const limit = 10_000

func extent(id, timestamp, size, last int64) reconcile.Extent {
	return reconcile.Extent{Identifier: container.ChunkIdentifier{ID: id, Timestamp: timestamp}, Size: size, Last: last}
}

// items makes items of 1,000 bytes.
func items(timestamps ...int64) []reconcile.Measure {
	measures := make([]reconcile.Measure, len(timestamps))
	for i, timestamp := range timestamps {
		measures[i] = reconcile.Measure{Timestamp: timestamp, Size: 1000}
	}
	return measures
}

func TestPlace(t *testing.T) {
	nine := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	cases := []struct {
		name   string
		chunks []reconcile.Extent
		items  []reconcile.Measure
		want   string // id@timestamp[from,to), + for new
	}{
		{"nothing into nothing", nil, nil, ""},
		{"the first message opens the first chunk", nil, items(7), "+0@7[0,1)"},
		{"a chunk takes what fits, the next takes the rest", nil, items(nine...), "+0@1[0,8) +1@9[8,9)"},
		{"an open chunk goes on", chunks(1), items(2, 3), "0@1[0,2)"},
		{"a full chunk is followed by a new one", []reconcile.Extent{extent(4, 1, 9500, 50)}, items(60), "+5@60[0,1)"},
		{"a full chunk still takes its last timestamp", []reconcile.Extent{extent(4, 1, 9500, 50)}, items(50, 50, 60), "4@1[0,2) +5@60[2,3)"},
		{"a full chunk still takes what is older", []reconcile.Extent{extent(4, 1, 9500, 50)}, items(30), "4@1[0,1)"},
		{"an old chunk grows beyond the limit", []reconcile.Extent{extent(0, 1, 9999, 50), extent(1, 60, 10, 60)}, items(2, 55), "0@1[0,2)"},
		{"what is older than all goes to the first", []reconcile.Extent{extent(0, 10, 9999, 10), extent(1, 60, 10, 60)}, items(2), "0@10[0,1)"},
		{"items go to three chunks", []reconcile.Extent{extent(0, 10, 5000, 15), extent(1, 20, 9500, 30)}, items(11, 20, 31), "0@10[0,1) 1@20[1,2) +2@31[2,3)"},
		{"identifiers follow the largest, not the last", []reconcile.Extent{extent(9, 10, 9000, 15), extent(3, 20, 9500, 30)}, items(40), "+10@40[0,1)"},
		{"one timestamp stays together", nil, items(5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6), "+0@5[0,11) +1@6[11,12)"},
		{"an item above the limit has a chunk of its own", nil, []reconcile.Measure{{Timestamp: 1, Size: 10}, {Timestamp: 2, Size: 20_000}, {Timestamp: 3, Size: 10}}, "+0@1[0,1) +1@2[1,2) +2@3[2,3)"},
		{"the first of two of one timestamp takes nothing new", []reconcile.Extent{extent(0, 10, 9999, 10), extent(1, 10, 2000, 12)}, items(10), "1@10[0,1)"},
		{"no new chunk before an only one that lost its first item", []reconcile.Extent{extent(0, 100, 9999, 30)}, items(50, 100, 101), "0@100[0,2) +1@101[2,3)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range reconcile.Place(c.chunks, c.items, limit) {
				got = append(got, fmt.Sprintf("%s%d@%d[%d,%d)", map[bool]string{true: "+"}[p.New], p.Identifier.ID, p.Identifier.Timestamp, p.From, p.To))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func drawItems(t *rapid.T) []reconcile.Measure {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) reconcile.Measure {
		return reconcile.Measure{Timestamp: rapid.Int64Range(0, 60).Draw(t, "timestamp"), Size: rapid.Int64Range(1, limit*5/4).Draw(t, "size")}
	}), 0, 40).Draw(t, "items")
	slices.SortFunc(list, func(a, b reconcile.Measure) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	return list
}

func drawExtents(t *rapid.T) []reconcile.Extent {
	timestamps := rapid.SliceOfN(rapid.Int64Range(0, 50), 0, 5).Draw(t, "chunks")
	slices.Sort(timestamps)
	extents := chunks(timestamps...)
	for i := range extents {
		extents[i].Size = rapid.Int64Range(0, limit*5/4).Draw(t, "size")
		extents[i].Last = rapid.Int64Range(0, 60).Draw(t, "last")
	}
	return extents
}

func TestPlaceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		extents, list := drawExtents(t), drawItems(t)
		before := slices.Clone(extents)
		placements := reconcile.Place(extents, list, limit)
		if !slices.Equal(extents, before) {
			t.Fatal("the chunks were changed")
		}
		all := slices.Clone(extents)
		next := 0
		for _, placement := range placements {
			if placement.From != next || placement.To <= placement.From {
				t.Fatalf("items [%d, %d) after %d", placement.From, placement.To, next)
			}
			next = placement.To
			known := slices.ContainsFunc(extents, func(e reconcile.Extent) bool { return e.Identifier == placement.Identifier })
			if known == placement.New {
				t.Fatalf("%+v: known is %v", placement, known)
			}
			if placement.New {
				checkNew(t, all, placement, list)
				all = append(all, reconcile.Extent{Identifier: placement.Identifier, Last: math.MaxInt64})
			}
		}
		if next != len(list) {
			t.Fatalf("%d of %d items have a place", next, len(list))
		}
		for _, placement := range placements {
			for _, item := range list[placement.From:placement.To] {
				if covering := all[reconcile.Covering(all, item.Timestamp)].Identifier; covering != placement.Identifier {
					t.Fatalf("%d is in %+v and covered by %+v", item.Timestamp, placement.Identifier, covering)
				}
			}
		}
	})
}

// checkNew checks a new chunk against all that were there before it: it stands
// at the end with an identifier of its own, covers nothing that the newest one
// held, and is within the limit up to its last timestamp.
func checkNew(t *rapid.T, all []reconcile.Extent, placement reconcile.Placement, list []reconcile.Measure) {
	for i, chunk := range all {
		if chunk.Identifier.ID >= placement.Identifier.ID || chunk.Identifier.Timestamp >= placement.Identifier.Timestamp {
			t.Fatalf("%+v after %+v", placement.Identifier, chunk.Identifier)
		}
		if i == len(all)-1 && chunk.Last != math.MaxInt64 && chunk.Last >= placement.Identifier.Timestamp {
			t.Fatalf("%+v covers an item at %d of the chunk before", placement.Identifier, chunk.Last)
		}
	}
	own := list[placement.From:placement.To]
	if own[0].Timestamp != placement.Identifier.Timestamp {
		t.Fatalf("begins at %d, not at its first item %d", placement.Identifier.Timestamp, own[0].Timestamp)
	}
	last, size := own[len(own)-1].Timestamp, int64(reconcile.Overhead)
	for i, item := range own {
		size += item.Size + 1
		if i > 0 && size > limit && item.Timestamp != own[i-1].Timestamp {
			t.Fatalf("%d bytes with an item that could have gone on, last %d", size, last)
		}
	}
}

// TestPlaceFlushByFlush: whatever comes in whatever portions, chunks are well
// filled and none is opened for nothing.
func TestPlaceFlushByFlush(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const many = 300
		var extents []reconcile.Extent
		for done := int64(0); done < many; {
			count := min(rapid.Int64Range(1, 40).Draw(t, "flush"), many-done)
			var list []reconcile.Measure
			for i := range count {
				list = append(list, reconcile.Measure{Timestamp: done + i, Size: 999})
			}
			done += count
			for _, placement := range reconcile.Place(extents, list, limit) {
				if placement.New {
					extents = append(extents, extent(placement.Identifier.ID, placement.Identifier.Timestamp, reconcile.Overhead, 0))
				}
				chunk := &extents[len(extents)-1]
				if chunk.Identifier != placement.Identifier {
					t.Fatalf("placed in %+v", placement.Identifier)
				}
				chunk.Size += 1000 * int64(placement.To-placement.From)
				chunk.Last = list[placement.To-1].Timestamp
			}
		}
		if len(extents) != (many+7)/8 {
			t.Fatalf("%d chunks of 8 items for %d", len(extents), many)
		}
	})
}

// TestOverhead: what a state holds beside its messages stays below the bound,
// with the longest of names and numbers.
func TestOverhead(t *testing.T) {
	chunk := container.Chunk{Contact: strings.Repeat("x", 255), Identifier: container.ChunkIdentifier{ID: container.MaxInteger, Timestamp: container.MaxInteger}}
	for range reconcile.ManyStates + 2 {
		chunk.Replaces = append(chunk.Replaces, strings.Repeat("x", 26))
	}
	if size := chunk.Size(); size > reconcile.Overhead {
		t.Errorf("%d bytes, bound %d", size, reconcile.Overhead)
	}
}

func TestExtents(t *testing.T) {
	conversation := reconcile.Conversation{Chunks: []reconcile.Chunk{
		{Identifier: container.ChunkIdentifier{ID: 1, Timestamp: 10}, States: []reconcile.State{span("a", 10, 40, 100), span("b", 5, 20, 23)}},
		{Identifier: container.ChunkIdentifier{ID: 2, Timestamp: 50}},
	}}
	want := []reconcile.Extent{extent(1, 10, 123, 40), extent(2, 50, 0, 0)}
	if got := conversation.Extents(); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// span is a state of one chunk.
func span(name string, first, last, size int64) reconcile.State {
	return reconcile.State{StateRef: container.StateRef{Name: name, First: first, Last: last, Items: 2, Size: size}}
}

func TestSplit(t *testing.T) {
	cases := []struct {
		name  string
		items []reconcile.Measure
		limit int64
		want  []int64
	}{
		{"nothing", nil, limit, nil},
		{"not too large", items(1, 2, 3), limit, nil},
		{"just not too large", items(1, 2), reconcile.Overhead + 2002, nil},
		{"just too large", items(1, 2), reconcile.Overhead + 2001, []int64{2}},
		{"one timestamp", items(5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5), limit, nil},
		{"in two", items(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), limit, []int64{7}},
		{"in three", items(1, 2, 3, 4, 5, 6), reconcile.Overhead + 2500, []int64{3, 5}},
		{"equal ones stay together", items(1, 2, 2, 2, 2, 2, 2, 2, 2, 3), limit, []int64{2, 3}},
		{"equal ones above the limit stand alone", items(1, 2, 2, 2, 3), reconcile.Overhead + 1500, []int64{2, 3}},
		{"one item larger than the limit", []reconcile.Measure{{Timestamp: 1, Size: 9}, {Timestamp: 2, Size: 20_000}}, limit, []int64{2}},
		{"no room at all", items(1, 2, 3), 1, []int64{2, 3}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := reconcile.Split(c.items, c.limit); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawItems(t)
		cuts := reconcile.Split(list, limit)
		if !slices.IsSorted(cuts) || len(slices.Compact(slices.Clone(cuts))) != len(cuts) {
			t.Fatalf("cuts %v", cuts)
		}
		sizes, kinds := make([]int64, len(cuts)+1), make([]map[int64]bool, len(cuts)+1)
		total := int64(reconcile.Overhead)
		for _, item := range list {
			at, found := slices.BinarySearch(cuts, item.Timestamp)
			if found {
				at++
			}
			if kinds[at] == nil {
				kinds[at] = make(map[int64]bool)
			}
			sizes[at] += item.Size + 1
			kinds[at][item.Timestamp] = true
			total += item.Size + 1
		}
		for i, size := range sizes {
			if len(cuts) > 0 && size == 0 {
				t.Fatalf("piece %d is empty", i)
			}
			if size+reconcile.Overhead > limit && len(kinds[i]) > 1 {
				t.Fatalf("piece %d of %d bytes can be cut", i, size)
			}
		}
		if total <= limit && len(cuts) > 0 {
			t.Fatal("cut without need")
		}
		if fewest := total / (limit - reconcile.Overhead); int64(len(cuts)) > 2*fewest+2 {
			t.Fatalf("%d cuts for %d bytes", len(cuts), total)
		}
	})
}
