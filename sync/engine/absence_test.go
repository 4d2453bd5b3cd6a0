package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// TestAbsenceIsNotDeletion shows a chunk without an item that this device saw
// in it: the loss is named, and appending the message again uploads it again.
func TestAbsenceIsNotDeletion(t *testing.T) {
	ctx := context.Background()
	kept, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	sealer, err := seal.New([32]byte{9}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(ctx, Options{Account: "alice.eth", Root: container.RootKey("absence"), Sealer: sealer, Store: memory.New(nil), Cache: kept})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var items []Item
	for i := range 3 {
		signature := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i)}, 64))
		envelope, _, err := container.ParseEnvelope(fmt.Appendf(nil,
			`{"message":{"metadata":{"from":"alice.eth","timestamp":%d,"to":"bob.eth","type":"NEW"},"signature":%q}}`, 1000+i, signature))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, Item{Contact: "bob.eth", Envelope: envelope})
	}
	if err := e.Append(ctx, items...); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Pass(ctx, Work{Settle: true}); err != nil {
		t.Fatal(err)
	}
	again := func() int {
		if err := e.Append(ctx, items[1]); err != nil {
			t.Fatal(err)
		}
		report, err := e.Pass(ctx, Work{Settle: true})
		if err != nil {
			t.Fatal(err)
		}
		return report.Pushed
	}
	if n := again(); n != 0 {
		t.Fatalf("what is there was uploaded again: %d", n)
	}
	whole := &container.Chunk{Contact: "bob.eth", Identifier: container.ChunkIdentifier{Timestamp: 1000},
		Messages: []container.Envelope{items[0].Envelope, items[2].Envelope}}
	if err := e.offerAgain(ctx, whole); err != nil {
		t.Fatal(err)
	}
	if problems := e.Status().Problems; len(problems) != 1 || problems[0].Kind != "lost" {
		t.Errorf("problems %+v", problems)
	}
	if n := again(); n != 1 {
		t.Errorf("what is missing was not uploaded again: %d", n)
	}
	if status := e.Status(); len(status.Problems) != 0 || len(status.Healed) != 1 || status.Alarms.Healed["lost"] != 1 {
		t.Errorf("it is there again, and still: %+v; healed %+v", status.Problems, status.Healed)
	}
}
