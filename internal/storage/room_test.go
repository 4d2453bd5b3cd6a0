package storage_test

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// TestAnswersAreBounded: however large the records are that an account keeps, no answer
// takes more memory than its bound: a page is refused, conversations lack previews, halted
// messages come a part at a time.
func TestAnswersAreBounded(t *testing.T) {
	const bound, large = 10_000, 4_000
	c := newClock()
	records, err := storage.NewRecords(storage.RecordsOptions{Store: memory.New(nil), Now: c.now, Log: slog.New(slog.DiscardHandler), PageBytes: bound})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	opaque := func(id string, created int64, halted bool) dm3api.Record {
		return dm3api.Record{CreatedAt: created, MessageID: id, Container: strings.Repeat("x", large), IsHalted: halted}
	}
	for i, contact := range []string{"a", "b", "c", "d"} {
		err := records.AddMessageBatch(t.Context(), ownName, contact, []dm3api.Record{
			opaque(contact+"1", int64(10-i), true), opaque(contact+"2", 20, false), opaque(contact+"3", 20, false),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := records.Messages(t.Context(), ownName, "a", dm3api.Page{Size: 3}); !errors.Is(err, dm3api.ErrInvalid) {
		t.Errorf("a page of 12 kB: %v", err)
	}
	if list, err := records.Messages(t.Context(), ownName, "a", dm3api.Page{Size: 2}); err != nil || len(list) != 2 {
		t.Errorf("a page of 8 kB: %d, %v", len(list), err)
	}
	wantPreviews(t, records)
	// The oldest first; when they are cleared, the others.
	for _, want := range [][]string{{"c1", "d1"}, {"a1", "b1"}, {}} {
		list, err := records.HaltedMessages(t.Context(), ownName)
		if err != nil || len(list) != len(want) {
			t.Fatalf("%d halted messages, want %q: %v", len(list), want, err)
		}
		for _, id := range want {
			if err := records.ClearHaltedMessage(t.Context(), ownName, dm3api.StoredID(ownName, id), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wantPreviews wants two of four conversations to have one.
func wantPreviews(t *testing.T, backend dm3api.Backend) {
	t.Helper()
	list, err := backend.Conversations(t.Context(), ownName, dm3api.Page{Size: 10})
	previews := 0
	for _, conversation := range list {
		if conversation.PreviewMessage != nil {
			previews++
		}
	}
	if err != nil || len(list) != 4 || previews != 2 {
		t.Errorf("%d conversations, %d with a preview, %v", len(list), previews, err)
	}
}

// TestTreeAnswersAreBounded: the same for what is in an account's own tree, where others write.
func TestTreeAnswersAreBounded(t *testing.T) {
	c, account := newClock(), openAccount(t, memory.New(nil))
	tree, err := storage.NewTree(storage.TreeOptions{
		Accounts:  []storage.TreeAccount{{Account: account, Names: []string{ownName}, Profile: ownProfile()}},
		Positions: 1000, PageBytes: 10_000, Now: c.now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(t, "http://127.0.0.1", ownName, ownProfile(), c.now, nil)
	for i, contact := range []string{"a.eth", "b.eth", "c.eth", "d.eth"} {
		for at := range int64(3) {
			text := content(contact, ownName, 10*at+int64(i), strings.Repeat("x", 4_000), 1)
			if err := tree.AddMessage(t.Context(), ownName, a.contact(contact), a.record(text, at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantPreviews(t, tree)
	if _, err := tree.Messages(t.Context(), ownName, a.contact("a.eth"), dm3api.Page{Size: 3}); !errors.Is(err, dm3api.ErrInvalid) {
		t.Errorf("a page of 12 kB: %v", err)
	}
	if list, err := tree.Messages(t.Context(), ownName, a.contact("a.eth"), dm3api.Page{Size: 2}); err != nil || len(list) != 2 {
		t.Errorf("a page of 8 kB: %d, %v", len(list), err)
	}
}
