package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// texts reads all messages of a conversation, page by page, and returns them opened.
func (a *app) texts(contact string, size int) (list []string) {
	a.t.Helper()
	for offset := 0; ; offset++ {
		page, err := a.MessagesPage(a.t.Context(), a.contact(contact), dm3api.Page{Size: size, Offset: offset})
		if err != nil {
			a.t.Fatal(err)
		}
		if len(page) == 0 {
			return list
		}
		for _, m := range page {
			list = append(list, a.open(m.Container))
		}
	}
}

func (a *app) add(contact string, r dm3api.Record) {
	a.t.Helper()
	if err := a.AddMessage(a.t.Context(), a.contact(contact), r); err != nil {
		a.t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d\n%s\nwant %d\n%s", what, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

// TestTreeKeepsWhatAnAppStores: what an app stores is in the tree, and comes back on
// another device as it was.
func TestTreeKeepsWhatAnAppStores(t *testing.T) {
	place := memory.New(nil)
	here := openAccount(t, place)
	a := newTree(t, here, nil).app(t)
	var want []string
	for i := range 5 {
		text := content(ownName, "bob.eth", int64(1000+i), fmt.Sprint("message ", i), 2)
		a.add("bob.eth", a.record(text, int64(900_000-i))) // stored in the other order
		want = append(want, text)
	}
	equal(t, "here", a.texts("bob.eth", 2), want)
	page, err := here.Messages(t.Context(), "bob.eth", engine.Range{})
	if err != nil || len(page.Messages) != 5 || page.Messages[0].Timestamp != 1000 {
		t.Fatalf("in the tree: %d messages, %v", len(page.Messages), err)
	}
	if _, err := here.Sync(t.Context(), engine.Work{Settle: true}, nil); err != nil {
		t.Fatal(err)
	}
	there := openAccount(t, place)
	if _, err := there.Sync(t.Context(), engine.Work{}, nil); err != nil {
		t.Fatal(err)
	}
	b := newTree(t, there, nil).app(t)
	equal(t, "on another device", b.texts("bob.eth", 100), want)
	if err := b.AddMessage(t.Context(), b.contact("bob.eth"), b.record(want[0], 1)); !errors.Is(err, dm3api.ErrNotAdded) {
		t.Errorf("added twice: %v", err)
	}
}

// TestTreeEdits: whatever an app replaces a container by is what it gets back, and the
// message stays the same.
func TestTreeEdits(t *testing.T) {
	a := newTree(t, openAccount(t, memory.New(nil)), nil).app(t)
	text := content(ownName, "bob.eth", 1000, "hello", 1)
	a.add("bob.eth", a.record(text, 5000))
	edits := []string{
		strings.Replace(text, `"messageState":1`, `"messageState":3`, 1),
		strings.Replace(text, `"reactions":[]`, `"reactions":[{"a":1},{"b":2}]`, 1),
		strings.Replace(text, `"reactions":[]`, `"reactions":[{"b":2}]`, 1), // fewer: no union would show that
		strings.Replace(text, `,"source":1`, ``, 1),
		text,
	}
	for i, edit := range edits {
		for range 2 { // again is harmless
			if err := a.EditMessageBatch(t.Context(), a.contact("bob.eth"), []dm3api.Record{a.record(edit, 7)}); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, fmt.Sprint("edit ", i), a.texts("bob.eth", 10), []string{edit})
	}
	page, err := a.MessagesPage(t.Context(), a.contact("bob.eth"), dm3api.Page{Size: 10})
	if err != nil || len(page) != 1 || page[0].CreatedAt.UnixMilli() != 5000 {
		t.Errorf("after edits: %+v, %v", page, err)
	}
	other := a.record(content(ownName, "bob.eth", 1001, "another", 1), 5000)
	if err := a.EditMessageBatch(t.Context(), a.contact("bob.eth"), []dm3api.Record{other}); err != nil {
		t.Fatal(err)
	}
	if n, err := a.NumberOfMessages(t.Context(), a.contact("bob.eth")); n != 2 || err != nil {
		t.Errorf("an unknown message: %d, %v", n, err)
	}
}

// TestTreeShowsWhatComesFromElsewhere: messages that no app stored are shown as
// messages, and an app may store them afterwards.
func TestTreeShowsWhatComesFromElsewhere(t *testing.T) {
	here := openAccount(t, memory.New(nil))
	a := newTree(t, here, nil).app(t)
	line := fmt.Sprintf(`{"message":{"message":"hi","metadata":{"from":"bob.eth","timestamp":77,"to":%q,"type":"NEW"},"signature":%q}}`, ownName, signature)
	if _, err := here.Append(t.Context(), strings.NewReader(line), history.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	a.contact("bob.eth")
	page, err := a.MessagesPage(t.Context(), a.contact("bob.eth"), dm3api.Page{Size: 10})
	if err != nil || len(page) != 1 || page[0].CreatedAt.UnixMilli() != 77 || !strings.Contains(a.open(page[0].Container), `"messageState":2`) {
		t.Fatalf("%+v, %v", page, err)
	}
	text := fmt.Sprintf(`{"envelop":%s,"messageState":3}`, line)
	a.add("bob.eth", a.record(text, 99_000))
	page, err = a.MessagesPage(t.Context(), a.contact("bob.eth"), dm3api.Page{Size: 10})
	if err != nil || len(page) != 1 || page[0].CreatedAt.UnixMilli() != 99_000 || a.open(page[0].Container) != text {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestTreePagesStandStill: pages after the first show no message twice, and miss none,
// while messages arrive.
func TestTreePagesStandStill(t *testing.T) {
	a := newTree(t, openAccount(t, memory.New(nil)), nil).app(t)
	add := func(i int) {
		a.add("bob.eth", a.record(content(ownName, "bob.eth", int64(1000+i), "m", 1), int64(1000+i)))
	}
	for i := range 10 {
		add(i)
	}
	var seen []int64
	for offset := range 4 {
		page, err := a.MessagesPage(t.Context(), a.contact("bob.eth"), dm3api.Page{Size: 3, Offset: offset})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			seen = append(seen, m.CreatedAt.UnixMilli())
		}
		add(100 + offset)
	}
	want := []int64{1009, 1008, 1007, 1006, 1005, 1004, 1003, 1002, 1001, 1000}
	if !slices.Equal(seen, want) {
		t.Errorf("pages show %d", seen)
	}
	if n := len(a.texts("bob.eth", 3)); n != 14 {
		t.Errorf("%d messages afterwards", n)
	}
}

// TestTreeRefuses what can't be kept in a tree.
func TestTreeRefuses(t *testing.T) {
	here := openAccount(t, memory.New(nil))
	a := newTree(t, here, nil).app(t)
	good := a.record(content(ownName, "bob.eth", 1, "m", 1), 1)
	noMessage, err := a.codec.EncryptRecord([]byte(`{"envelop":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		contact string
		record  dm3api.Record
	}{
		"a contact that was not encrypted": {"bob.eth", good},
		"our own conversation":             {a.contact(bridge.NotesContact), good},
		"a name that can't be normalised":  {a.contact("-bob.eth"), good},
		"a container that doesn't open":    {a.contact("bob.eth"), dm3api.Record{MessageID: "1", Container: "e30="}},
		"a container without a message":    {a.contact("bob.eth"), dm3api.Record{MessageID: "1", Container: noMessage}},
	} {
		var status *dm3api.StatusError
		if err := a.AddMessage(t.Context(), c.contact, c.record); !errors.As(err, &status) || status.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.AddMessageBatch(t.Context(), c.contact, []dm3api.Record{c.record}); err == nil {
			t.Errorf("%s: a batch is called stored", name)
		}
	}
	if list, err := here.Conversations(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("something was kept: %+v, %v", list, err)
	}
}

// TestTreeConversations: empty ones, further names, hiding, on this device and another.
func TestTreeConversations(t *testing.T) {
	place := memory.New(nil)
	here := openAccount(t, place)
	a := newTree(t, here, nil).app(t)
	locations, err := a.codec.EncryptLocations([]string{"bob.xyz"})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		a.AddConversation(t.Context(), a.contact("Bob.eth"), locations),
		a.AddConversation(t.Context(), a.contact("carol.eth"), ""),
		a.ToggleHideConversation(t.Context(), a.contact("carol.eth"), true),
		a.ToggleHideConversation(t.Context(), a.contact("nobody.eth"), true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a.add("Bob.eth", a.record(content(ownName, "bob.eth", 1, "m", 1), 1))
	a.add("dave.eth", a.record(content(ownName, "dave.eth", 2, "d", 1), 2))
	a.add("carol.eth", a.record(content(ownName, "carol.eth", 3, "c", 1), 3)) // stays hidden
	check := func(a *app) {
		t.Helper()
		list, err := a.ConversationsPage(t.Context(), dm3api.Page{Size: 10})
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		bob, dave := list[0], list[1]
		if bob.Contact != a.contact("Bob.eth") || bob.ProfileLocation != locations || bob.PreviewMessage == nil || !strings.Contains(a.open(*bob.PreviewMessage), `"message":"m"`) {
			t.Errorf("bob: %+v", bob)
		}
		if dave.Contact != a.contact("dave.eth") || dave.ProfileLocation != "" {
			t.Errorf("dave: %+v", dave)
		}
		if n, err := a.NumberOfConversations(t.Context()); n != 3 || err != nil {
			t.Errorf("%d conversations, %v", n, err)
		}
	}
	check(a)
	if _, err := here.Sync(t.Context(), engine.Work{Settle: true}, nil); err != nil {
		t.Fatal(err)
	}
	there := openAccount(t, place)
	if _, err := there.Sync(t.Context(), engine.Work{}, nil); err != nil {
		t.Fatal(err)
	}
	check(newTree(t, there, nil).app(t))
}

// TestTreeHalted: halted messages are kept as such until they are cleared, and clearing
// may rename the conversation.
func TestTreeHalted(t *testing.T) {
	here := openAccount(t, memory.New(nil))
	a := newTree(t, here, nil).app(t)
	first, second := a.record(content(ownName, "bob.xyz", 1, "one", 1), 1), a.record(content(ownName, "bob.xyz", 2, "two", 1), 2)
	first.IsHalted, second.IsHalted = true, true
	a.add("bob.xyz", first)
	a.add("bob.xyz", second)
	if list, err := a.HaltedMessages(t.Context()); err != nil || len(list) != 2 || !list[0].IsHalted {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := a.ClearHaltedMessage(t.Context(), dm3api.StoredID(ownName, first.MessageID), a.contact("bob.addr.dm3.eth")); err != nil {
		t.Fatal(err)
	}
	list, err := a.HaltedMessages(t.Context())
	if err != nil || len(list) != 1 || list[0].MessageID != dm3api.StoredID(ownName, second.MessageID) {
		t.Errorf("%+v, %v", list, err)
	}
	if n := len(a.texts("bob.addr.dm3.eth", 10)); n != 2 {
		t.Errorf("%d messages under the new name", n)
	}
	if n := len(a.texts("bob.xyz", 10)); n != 0 {
		t.Errorf("%d messages under the old name", n)
	}
	if n, err := a.NumberOfConversations(t.Context()); n != 1 || err != nil {
		t.Errorf("%d conversations, %v", n, err)
	}
	if err := a.ClearHaltedMessage(t.Context(), dm3api.StoredID(ownName, first.MessageID), ""); err == nil {
		t.Error("cleared twice")
	}
}

// stumbling is an account that fails at one call of a kind, after it was done.
type stumbling struct {
	api.Account
	deletes, appends int // counted down; at 0 it fails
}

var errStumbled = errors.New("broken off")

func (s *stumbling) Delete(ctx context.Context, selection history.Selection) (history.Deletion, error) {
	deletion, err := s.Account.Delete(ctx, selection)
	if s.deletes--; s.deletes == 0 {
		return history.Deletion{}, errStumbled
	}
	return deletion, err
}

func (s *stumbling) Append(ctx context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error) {
	summary, err := s.Account.Append(ctx, r, o)
	if s.appends--; s.appends == 0 {
		return history.Summary{}, errStumbled
	}
	return summary, err
}

// TestTreeHaltedBrokenOff: clearing that breaks off anywhere can be repeated until it is
// done, and ends where it would have ended.
func TestTreeHaltedBrokenOff(t *testing.T) {
	for step := range 6 {
		account := &stumbling{Account: openAccount(t, memory.New(nil))}
		a := newTree(t, account, nil).app(t)
		r := a.record(content(ownName, "bob.xyz", 1, "one", 1), 1)
		r.IsHalted = true
		a.add("bob.xyz", r)
		if step == 0 {
			account.deletes = 1
		} else {
			account.appends = step // a note, the copy, the mark, the notes
		}
		clear := func() error {
			return a.ClearHaltedMessage(t.Context(), dm3api.StoredID(ownName, r.MessageID), a.contact("bob.addr.dm3.eth"))
		}
		err := clear()
		if broken := step < 5; (err != nil) != broken {
			t.Fatalf("step %d: %v", step, err)
		}
		if err != nil {
			err = clear()
		}
		if err != nil && (step != 4 || !errors.Is(err, dm3api.ErrNotAdded)) { // the last note was kept already
			t.Errorf("step %d: again: %v", step, err)
		}
		if list, err := a.HaltedMessages(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("step %d: %+v, %v", step, list, err)
		}
		if there, gone := len(a.texts("bob.addr.dm3.eth", 10)), len(a.texts("bob.xyz", 10)); there != 1 || gone != 0 {
			t.Errorf("step %d: %d under the new name, %d under the old one", step, there, gone)
		}
		if n, err := a.NumberOfConversations(t.Context()); n != 1 || err != nil {
			t.Errorf("step %d: %d conversations, %v", step, n, err)
		}
	}
}

// TestTreeHidesForAll: what is hidden or shown elsewhere is so for apps, whatever an app
// said before.
func TestTreeHidesForAll(t *testing.T) {
	here := openAccount(t, memory.New(nil))
	r := newTree(t, here, nil)
	a := r.app(t)
	if err := a.AddConversation(t.Context(), a.contact("bob.eth"), ""); err != nil {
		t.Fatal(err)
	}
	a.add("bob.eth", a.record(content(ownName, "bob.eth", 1, "m", 1), 1))
	for step, change := range []func() error{
		func() error { return nil },
		func() error { return here.Hide(t.Context(), "bob.eth", true) },
		func() error { return a.ToggleHideConversation(t.Context(), a.contact("bob.eth"), false) },
		func() error { return a.ToggleHideConversation(t.Context(), a.contact("bob.eth"), true) },
		func() error { return here.Hide(t.Context(), "bob.eth", false) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		r.clock.add(2 * time.Second) // so that what others did is looked for
		list, err := a.ConversationsPage(t.Context(), dm3api.Page{Size: 10})
		if hidden := step == 1 || step == 3; err != nil || (len(list) == 0) != hidden {
			t.Errorf("step %d: %+v, %v", step, list, err)
		}
	}
}
