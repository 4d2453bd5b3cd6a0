package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// shelf is an engine with one conversation, which forgets what is removed.
type shelf struct {
	fakeEngine
	messages []container.Envelope
	largest  int // messages on one page
}

func newShelf(t *testing.T, timestamps ...int) *shelf {
	t.Helper()
	s := &shelf{}
	for i, timestamp := range timestamps {
		parsed, _, err := container.ParseEnvelope([]byte(envelope("alice.eth", "bob.eth", timestamp, fmt.Sprint("message ", i))))
		if err != nil {
			t.Fatal(err)
		}
		s.messages = append(s.messages, parsed)
	}
	slices.SortFunc(s.messages, container.Envelope.Compare)
	return s
}

func (s *shelf) Messages(_ context.Context, contact string, r engine.Range) (engine.Page, error) {
	page := engine.Page{Provisional: s.page.Provisional, Reasons: s.page.Reasons}
	if contact != "bob.eth" {
		return page, s.fail
	}
	for _, message := range s.messages {
		if message.Timestamp >= r.From && (r.To == 0 || message.Timestamp < r.To) {
			page.Messages = append(page.Messages, message)
		}
	}
	if r.Last > 0 && len(page.Messages) > r.Last {
		page.Messages = page.Messages[len(page.Messages)-r.Last:]
	}
	s.largest = max(s.largest, len(page.Messages))
	return page, s.fail
}

func (s *shelf) Remove(_ context.Context, _ string, tombstones ...container.Tombstone) error {
	s.calls++
	for _, tombstone := range tombstones {
		s.messages = slices.DeleteFunc(s.messages, func(m container.Envelope) bool { return m.Hash == tombstone.Hash })
	}
	s.removed = append(s.removed, tombstones...)
	return s.fail
}

// spread are n timestamps of which several are the same.
func spread(n, same int) (timestamps []int) {
	for i := range n {
		timestamps = append(timestamps, 1000+i/same)
	}
	return timestamps
}

// TestDeleteRange deletes conversations of many pages, one of them with more
// messages of one timestamp than a page holds.
func TestDeleteRange(t *testing.T) {
	for _, c := range []struct {
		name       string
		timestamps []int
		selection  Selection
		want       Deletion
	}{
		{"one", []int{5}, Selection{All: true}, Deletion{Messages: 1, First: 5, Last: 5}},
		{"none", nil, Selection{All: true}, Deletion{}},
		{"many pages", spread(3000, 3), Selection{All: true}, Deletion{Messages: 3000, First: 1000, Last: 1999}},
		{"one timestamp", spread(1500, 1500), Selection{All: true}, Deletion{Messages: 1500, First: 1000, Last: 1000}},
		{"a page, exactly", spread(512, 1), Selection{All: true}, Deletion{Messages: 512, First: 1000, Last: 1511}},
		{"a range", spread(3000, 3), Selection{From: 1100, To: 1900}, Deletion{Messages: 2400, First: 1100, Last: 1899}},
		{"from", spread(30, 3), Selection{From: 1009}, Deletion{Messages: 3, First: 1009, Last: 1009}},
	} {
		for _, dry := range []bool{true, false} {
			fake := newShelf(t, c.timestamps...)
			c.selection.Contact, c.selection.DryRun = "Bob.eth", dry
			got, err := New(fake, []string{"alice.eth"}).Delete(t.Context(), c.selection)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s, dry run %v: %v\n%s", c.name, dry, err, diff)
			}
			gone := len(c.timestamps) - len(fake.messages)
			if dry && (gone > 0 || fake.calls > 0) || !dry && gone != c.want.Messages {
				t.Errorf("%s, dry run %v: %d messages are gone", c.name, dry, gone)
			}
			if c.name == "many pages" && fake.largest > pageMessages {
				t.Errorf("%s: %d messages at once", c.name, fake.largest)
			}
		}
	}
}

func TestDeleteHashes(t *testing.T) {
	fake := newShelf(t, spread(2000, 2)...)
	wanted := []container.MessageHash{fake.messages[3].Hash, fake.messages[1700].Hash}
	stranger := container.MessageHash{1}
	h := New(fake, []string{"alice.eth"})
	got, err := h.Delete(t.Context(), Selection{Contact: "bob.eth", Hashes: append(slices.Clone(wanted), stranger)})
	if err != nil || len(got.Unknown) != 1 || got.Unknown[0] != stranger || len(fake.removed) > 0 {
		t.Errorf("with one that is unknown: %+v, %v, %d removed", got, err, len(fake.removed))
	}
	got, err = h.Delete(t.Context(), Selection{Contact: "bob.eth", Hashes: wanted})
	if err != nil || got.Messages != 2 || len(fake.messages) != 1998 || fake.calls != 1 || len(fake.removed) != 2 {
		t.Errorf("%+v, %v, %d left", got, err, len(fake.messages))
	}
	for _, tombstone := range fake.removed {
		if !slices.Contains(wanted, tombstone.Hash) {
			t.Errorf("removed %v", tombstone)
		}
	}
}

func TestDeleteFails(t *testing.T) {
	fake := newShelf(t, 5)
	fake.page = engine.Page{Provisional: true, Reasons: []string{"why"}}
	h := New(fake, []string{"alice.eth"})
	if got, err := h.Delete(t.Context(), Selection{Contact: "bob.eth", All: true}); err != nil || !got.Provisional || len(got.Reasons) != 1 {
		t.Errorf("provisional: %+v, %v", got, err)
	}
	if _, err := h.Delete(t.Context(), Selection{Contact: "-bob.eth", All: true}); !errors.Is(err, ErrName) {
		t.Errorf("no name: %v", err)
	}
	if _, err := h.Delete(t.Context(), Selection{Contact: "bob.eth"}); !errors.Is(err, ErrSelection) {
		t.Errorf("nothing selected: %v", err)
	}
	if err := h.Hide(t.Context(), "", true); !errors.Is(err, ErrName) {
		t.Errorf("no name: %v", err)
	}
	if err := h.Hide(t.Context(), "BOB.eth", true); err != nil || fake.asked != "bob.eth true" {
		t.Errorf("hide: %q, %v", fake.asked, err)
	}
	fake.fail = errors.New("disk")
	if _, err := h.Delete(t.Context(), Selection{Contact: "bob.eth", All: true}); !errors.Is(err, fake.fail) {
		t.Errorf("disk: %v", err)
	}
}
