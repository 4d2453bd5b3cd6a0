package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// unconfirmed is what the journal hands out above a number, as hashes, tombstones too.
func (d *device) unconfirmed(after uint64) (hashes []container.MessageHash, last uint64) {
	d.t.Helper()
	last = after
	err := d.Unconfirmed(context.Background(), after, func(number uint64, contact string, items *container.Chunk) error {
		if number <= last || contact != "friend0.eth" {
			d.t.Errorf("entry %d of %s after %d", number, contact, last)
		}
		last = number
		for _, m := range items.Messages {
			hashes = append(hashes, m.Hash)
		}
		for _, s := range items.Tombstones {
			hashes = append(hashes, s.Hash)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return hashes, last
}

// pieceHashes reads all pieces of friend0.eth.
func (d *device) pieceHashes(fetch bool) (hashes []container.MessageHash) {
	d.t.Helper()
	for _, p := range d.Pieces("friend0.eth") {
		chunk, err := d.ReadPiece(context.Background(), p, fetch)
		if err != nil {
			d.t.Fatal(err)
		}
		if int64(len(chunk.Messages)) != p.Messages || int64(len(chunk.Messages)+len(chunk.Tombstones)) != p.Items {
			d.t.Errorf("%+v holds %d messages and %d tombstones", p, len(chunk.Messages), len(chunk.Tombstones))
		}
		for _, m := range chunk.Messages {
			if m.Timestamp < p.First || m.Timestamp > p.Last {
				d.t.Errorf("%+v holds a message of %d", p, m.Timestamp)
			}
			hashes = append(hashes, m.Hash)
		}
	}
	return hashes
}

func sorted(hashes []container.MessageHash) []container.MessageHash {
	slices.SortFunc(hashes, func(a, b container.MessageHash) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(hashes)
}

// TestPieces: whoever sees each piece and each entry of the journal once has seen all messages; what is not here is said, and is
// not kept when it is fetched.
func TestPieces(t *testing.T) {
	store := memory.New(nil)
	one := newDevice(t, store, inPieces)
	items := many(11, 1, 600)
	var want []container.MessageHash
	for _, item := range items {
		want = append(want, item.Envelope.Hash)
	}
	want = sorted(want)
	one.append(items[:500]...)
	first, last := one.unconfirmed(0)
	one.append(items[500:]...)
	second, last := one.unconfirmed(last)
	if !slices.Equal(sorted(append(first, second...)), want) {
		t.Errorf("the journal hands out %d and %d messages", len(first), len(second))
	}
	if list := one.Pieces("friend0.eth"); len(list) != 0 {
		t.Errorf("%d pieces of what nobody wrote", len(list))
	}
	one.settle()
	if left, _ := one.unconfirmed(0); len(left) != 0 {
		t.Errorf("%d entries are confirmed, and handed out", len(left))
	}
	if got := sorted(one.pieceHashes(false)); !slices.Equal(got, want) {
		t.Errorf("the pieces have %d messages", len(got))
	}
	if err := one.Remove(t.Context(), "friend0.eth", container.Tombstone{Hash: items[3].Envelope.Hash, Timestamp: items[3].Envelope.Timestamp}); err != nil {
		t.Fatal(err)
	}
	if third, _ := one.unconfirmed(last); len(third) != 1 || third[0] != items[3].Envelope.Hash {
		t.Errorf("a deletion hands out %d entries", len(third))
	}
	one.settle()

	two := newDevice(t, store, inPieces)
	two.settle()
	far := 0
	for _, p := range two.Pieces("friend0.eth") {
		if p.Here {
			continue
		}
		far++
		if _, err := two.ReadPiece(t.Context(), p, false); !errors.Is(err, engine.ErrNotHere) {
			t.Errorf("reading what is not here: %v", err)
		}
	}
	if far == 0 {
		t.Fatal("all is here")
	}
	got := sorted(two.pieceHashes(true))
	if len(got) < len(want)-1 {
		t.Errorf("%d messages were fetched", len(got))
	}
	for _, p := range two.Pieces("friend0.eth") {
		if p.Here {
			far--
		}
	}
	if far <= 0 {
		t.Error("what was fetched for a look is kept")
	}
	names := map[[16]byte]bool{}
	for _, p := range append(one.Pieces("friend0.eth"), two.Pieces("friend0.eth")...) {
		names[p.ID] = true
	}
	if len(names) != len(one.Pieces("friend0.eth")) {
		t.Error("two devices call a piece by two names")
	}
}
