package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestListsAreCompared gives a device that has no copy another list of the same size, as a place may that mixes up two states:
// heads name a chunk that the list lacks, and a scrub writes the list anew.
func TestListsAreCompared(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, inPieces)
	one.append(many(31, 1, 300)...)
	one.settle()
	one.settle()
	one.wantClean()
	lists := sealedOf(t, place, container.KindConversation)
	if len(lists) != 1 {
		t.Fatalf("%d lists", len(lists))
	}
	sealer := sealerOf(t)
	name, _, _ := strings.Cut(lists[0], "/")
	key := container.Key(name)
	plain, err := sealer.Open(nil, container.KindConversation, key, get(t, place, lists[0]))
	if err != nil {
		t.Fatal(err)
	}
	list, err := container.DecodeConversation(plain)
	if err != nil || len(list.Chunks) < 2 {
		t.Fatalf("%d chunks, %v", len(list.Chunks), err)
	}
	first := list.Chunks[0]
	list.Chunks[0].Timestamp++
	other := list.AppendJSON(nil)
	if len(other) != len(plain) {
		t.Fatalf("%d bytes for %d", len(other), len(plain))
	}
	sealed, err := sealer.Seal(nil, container.KindConversation, key, other)
	if err != nil {
		t.Fatal(err)
	}
	put(t, place, lists[0], sealed)

	two := newDevice(t, place, inPieces)
	two.pass(engine.Work{Restore: true})
	if !two.lacks(first) {
		t.Fatal("verify does not see that the list lacks a chunk")
	}
	for range 3 {
		two.pass(engine.Work{Scrub: true, Settle: true})
	}
	if two.lacks(first) {
		t.Error("the list still lacks a chunk")
	}
}

// lacks tells whether a list lacks a chunk, which heads name.
func (d *device) lacks(chunk container.ChunkIdentifier) bool {
	d.t.Helper()
	found, err := d.Verify(d.t.Context(), engine.VerifyOptions{Deep: true})
	if err != nil {
		d.t.Fatal(err)
	}
	return slices.ContainsFunc(found.Problems, func(p engine.Problem) bool {
		return p.Kind == "unlisted" && strings.HasSuffix(p.Detail, fmt.Sprintf("chunk %d", chunk.ID))
	})
}
