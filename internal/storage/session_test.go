package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// session is an app's work from its login on, and what it was answered.
type session struct {
	*app
	clock *clock
	told  []string
}

func (s *session) tell(format string, values ...any) {
	s.told = append(s.told, fmt.Sprintf(format, values...))
}

// did notes how a request ended.
func (s *session) did(what string, err error) {
	s.clock.add(time.Second) // so that no two things happen at one time
	var status *dm3api.StatusError
	switch {
	case err == nil:
		s.tell("%s: done", what)
	case errors.As(err, &status):
		s.tell("%s: %d %s", what, status.Status, status.Reason)
	default:
		s.t.Fatalf("%s: %v", what, err)
	}
}

// look notes all that can be asked for about some contacts.
func (s *session) look(ctx context.Context, when string, contacts ...string) {
	s.t.Helper()
	for _, page := range []dm3api.Page{{Size: 10}, {Size: 1, Offset: 1}, {Size: 0}} {
		list, err := s.ConversationsPage(ctx, page)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, c := range list {
			preview := "nothing"
			if c.PreviewMessage != nil {
				preview = s.open(*c.PreviewMessage)
			}
			name, err := s.codec.DecryptName(c.Contact)
			s.tell("%s: page %v: %s (%v), locations %s, preview %s", when, page, name, err, c.ProfileLocation, preview)
		}
	}
	number, err := s.NumberOfConversations(ctx)
	s.tell("%s: %d conversations (%v)", when, number, err)
	for _, contact := range contacts {
		for _, page := range []dm3api.Page{{Size: 100}, {Size: 2}, {Size: 2, Offset: 1}, {Size: 2, Offset: 9}, {}} {
			list, err := s.MessagesPage(ctx, s.contact(contact), page)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, m := range list {
				s.tell("%s: %s: page %v: %s of %s at %s, halted %v, mine %v, there %v: %s", when, contact, page, m.ID, m.OwnerID, m.CreatedAt, m.IsHalted,
					m.OwnerID == ownName, m.Contact == s.contact(contact), s.open(m.Container))
			}
		}
		number, err := s.NumberOfMessages(ctx, s.contact(contact))
		s.tell("%s: %s: %d messages (%v)", when, contact, number, err)
	}
	halted, err := s.HaltedMessages(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range halted {
		s.tell("%s: halted %s at %s, %v: %s", when, m.MessageID, m.CreatedAt, m.IsHalted, s.open(m.Container))
	}
}

// message is a record of a message of now.
func (s *session) message(contact, said string) (text string, r dm3api.Record) {
	s.clock.add(time.Millisecond)
	at := s.clock.now().UnixMilli()
	text = content(ownName, contact, at, said, 1)
	return text, s.record(text, at)
}

// run is the session.
func (s *session) run(ctx context.Context) []string {
	s.look(ctx, "at first", "bob.eth")
	locations, err := s.codec.EncryptLocations([]string{"bob.xyz"})
	if err != nil {
		s.t.Fatal(err)
	}
	bob, carol, dave := s.contact("bob.eth"), s.contact("carol.eth"), s.contact("dave.xyz")
	s.did("add bob", s.AddConversation(ctx, bob, locations))
	s.did("add carol", s.AddConversation(ctx, carol, ""))
	s.did("add nobody", s.AddConversation(ctx, "", ""))
	s.look(ctx, "with two", "bob.eth", "carol.eth")

	var batch []dm3api.Record
	var texts []string
	for i := range 5 {
		text, r := s.message("bob.eth", fmt.Sprint("message <", i, "> é"))
		texts, batch = append(texts, text), append(batch, r)
	}
	s.did("batch", s.AddMessageBatch(ctx, bob, append(batch, batch[0])))
	s.look(ctx, "after the batch", "bob.eth")
	s.did("add again", s.AddMessage(ctx, bob, batch[3]))
	_, single := s.message("bob.eth", "single")
	s.did("add", s.AddMessage(ctx, bob, single))
	late := single
	late.CreatedAt = 1 << 60
	s.did("add without a date", s.AddMessage(ctx, bob, late))
	s.look(ctx, "after adding", "bob.eth", "carol.eth")

	edit := s.record(strings.Replace(texts[2], `"messageState":1`, `"messageState":3`, 1), 77)
	_, unknown := s.message("bob.eth", "unknown to edit")
	s.did("edit", s.EditMessageBatch(ctx, bob, []dm3api.Record{edit}))
	s.look(ctx, "after editing", "bob.eth")
	unknown.IsHalted = true
	before := s.clock.now()
	s.did("edit unknown", s.EditMessageBatch(ctx, bob, []dm3api.Record{unknown}))
	page, err := s.MessagesPage(ctx, bob, dm3api.Page{Size: 1})
	s.tell("edit unknown: %d, %v", len(page), err)
	s.tell("edit unknown: now %v, %v", !page[0].CreatedAt.Before(before), page[0].IsHalted)

	s.did("hide", s.ToggleHideConversation(ctx, carol, true))
	s.did("hide nobody", s.ToggleHideConversation(ctx, s.contact("nobody.eth"), true))
	_, r := s.message("carol.eth", "psst")
	s.did("add to hidden", s.AddMessage(ctx, carol, r))
	s.did("clear locations", s.AddConversation(ctx, bob, ""))
	s.look(ctx, "with one hidden", "carol.eth")
	s.did("show", s.ToggleHideConversation(ctx, carol, false))
	s.halt(ctx, dave)
	return s.told
}

func (s *session) halt(ctx context.Context, dave string) {
	_, r := s.message("dave.xyz", "are you there?")
	r.IsHalted = true
	s.did("halt", s.AddMessage(ctx, dave, r))
	s.look(ctx, "halted", "dave.xyz")
	s.did("clear nothing", s.ClearHaltedMessage(ctx, "0x00", ""))
	s.did("clear", s.ClearHaltedMessage(ctx, dm3api.StoredID(ownName, r.MessageID), s.contact("dave.addr.dm3.eth")))
	s.look(ctx, "cleared", "dave.xyz", "dave.addr.dm3.eth")
}

// TestSessionsAreAlike: an app is answered the same by the double of a stock node, by
// the tree, and by the records of many accounts. Where we do better on purpose is left
// out here, and tried by other tests.
func TestSessionsAreAlike(t *testing.T) {
	clocks := map[string]*clock{}
	for _, name := range []string{"the double", "the tree", "records", "records, packed"} {
		clocks[name] = newClock() // which all go alike
	}
	node := nodetest.New(t)
	node.SetClock(clocks["the double"].now)
	if a := node.Account(0xa1); a.Name != ownName || a.Profile.SigningPublic() != ownProfile().SigningPublic() {
		t.Fatal("the double's account is another one")
	}
	told := map[string][]string{}
	for name, url := range map[string]string{
		"the double":      node.URL,
		"the tree":        serveTree(t, clocks["the tree"], openAccount(t, memory.New(nil)), nil).URL,
		"records":         newRecords(t, clocks["records"], memory.New(nil), 0, nil).URL,
		"records, packed": newRecords(t, clocks["records, packed"], memory.New(nil), 2, nil).URL,
	} {
		s := &session{app: newApp(t, url, ownName, ownProfile(), clocks[name].now, nil), clock: clocks[name]}
		told[name] = s.run(t.Context())
	}
	for name, text := range told {
		if diff := cmp.Diff(told["the double"], text); diff != "" {
			t.Errorf("%s answers otherwise than the double (-):\n%s", name, diff)
		}
	}
	if n := len(told["the double"]); n < 100 {
		t.Errorf("the session tells %d answers", n)
	}
}
