package bridge_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers"
)

// served is a service of our own, and an app at it.
func served(t *testing.T, owner deliverytest.Person, backend dm3api.Backend, key func(context.Context, string) ([32]byte, error), profiles func(*storage.Login) dm3api.Profiles) *deliverytest.App {
	t.Helper()
	login, err := storage.NewLogin(storage.LoginOptions{
		Secret: bytes.Repeat([]byte("s"), storage.MinSecret), Claims: newPlace(), SigningKey: key, Now: time.Now, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(storage.NewHandler(storage.Options{
		Backend: backend, Login: login, Profiles: profiles(login),
		Guard: storage.GuardOptions{MaxBody: 20 << 20, Log: slog.New(slog.DiscardHandler), Now: time.Now},
	}))
	t.Cleanup(server.Close)
	return deliverytest.NewApp(t, server.URL, owner)
}

// atRecords is a service of opaque records.
func atRecords(t *testing.T, owner deliverytest.Person) *deliverytest.App {
	t.Helper()
	place := newPlace()
	records, err := storage.NewRecords(storage.RecordsOptions{Store: place, Now: time.Now, Log: slog.New(slog.DiscardHandler), PackAt: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	register := storage.NewRegister(storage.RegisterOptions{Store: place, Fixed: map[string][32]byte{owner.Name: owner.Profile.SigningPublic()}})
	return served(t, owner, records, register.SigningKey, register.Profiles)
}

// atTree is a service of another tree of the same account.
func atTree(t *testing.T, owner deliverytest.Person) *deliverytest.App {
	t.Helper()
	app, _ := atTreeOn(t, owner, newPlace())
	return app
}

// atTreeOn is a service of the tree at a place, and the account that it serves.
func atTreeOn(t *testing.T, owner deliverytest.Person, place providers.Store) (*deliverytest.App, *agent.Account) {
	t.Helper()
	account, err := agent.OpenAccount(t.Context(), config.Account{Name: owner.Name, Provider: config.Provider{Kind: config.KindMemory}}, agent.AccountOptions{
		Config: &config.Config{Data: t.TempDir()},
		Open:   func(context.Context, config.Account) (providers.Store, error) { return place, nil },
		Unlock: func(context.Context, config.Account) ([32]byte, error) { return owner.Profile.StorageKey(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	tree, err := storage.NewTree(storage.TreeOptions{
		Accounts:  []storage.TreeAccount{{Account: account, Names: []string{owner.Name}, Profile: owner.Profile}},
		Positions: 1000, Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return served(t, owner, tree, tree.SigningKey, tree.Profiles), account
}

// TestBothWaysAtOurService: a service of our own is a node for a bridge, whatever keeps
// its records.
func TestBothWaysAtOurService(t *testing.T) {
	people := nodetest.New(t)
	alice, bob := ownerAt(people, 1), ownerAt(people, 2)
	for name, service := range map[string]func(*testing.T, deliverytest.Person) *deliverytest.App{"records": atRecords, "tree": atTree} {
		t.Run(name, func(t *testing.T) {
			app, d := service(t, alice), newDevice(t, alice, newPlace(), 0)
			theirs, ours := some(bob, alice.Name, "app's", 30), some(alice, bob.Name, "tree's", 40)
			app.Store(bob.Name, theirs...)
			d.append(bob.Name, ours...)
			b := d.bridge(func(o *bridge.Options) { o.Node, o.Push = app.Client, true })
			if report := pass(t, b, bridge.Work{}); report.Taken != 30 || report.Handed != 40 || report.Unfit > 0 {
				t.Errorf("first: %+v", report)
			}
			all := append(slices.Clone(theirs), ours...)
			checkNode(t, app, bob.Name, all...)
			d.holds(bob.Name, all...)
			if again := pass(t, b, bridge.Work{}); again.Moved() {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// TestNotesStay: what an account keeps about its apps is handed to no node.
func TestNotesStay(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	d.append(bridge.NotesContact, some(alice, bridge.NotesContact, "note", 3)...)
	d.append("bob.eth", some(alice, "bob.eth", "message", 2)...)
	if report := pass(t, d.bridge(atNode(app, true)), bridge.Work{}); report.Handed != 2 {
		t.Errorf("%+v", report)
	}
	if visible := node.Visible(alice.Name); len(visible) != 1 || visible[0] != app.Wire("bob.eth") {
		t.Errorf("the node shows %d conversations", len(visible))
	}
}

// TestHaltedMeet: what the bridges of two devices found halted at a node and what an app
// said is halted is one list, each message once, and clearing ends both for good.
func TestHaltedMeet(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	place := newPlace()
	atNodesApp, desk, phone := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, place, 0), newDevice(t, alice, place, 0)
	here, account := atTreeOn(t, alice, place)
	ctx := t.Context()
	sync := func() {
		t.Helper()
		for range 2 {
			for _, d := range []*device{desk, phone} {
				if _, err := d.engine.Pass(ctx, settle); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := account.Sync(ctx, settle, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	halted := func(at *deliverytest.App, want ...[]byte) (ids []string) {
		t.Helper()
		list, err := at.HaltedMessages(ctx)
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[string]bool)
		for _, m := range list {
			envelope, _, err := at.Codec.Open(m.Container)
			if err != nil {
				t.Fatal(err)
			}
			found[envelope.Hash.String()] = true
			ids = append(ids, m.MessageID)
		}
		for i, message := range want {
			if !found[deliverytest.Hash(message)] {
				t.Errorf("message %d is not halted", i)
			}
		}
		if len(list) != len(want) {
			t.Errorf("%d are halted, want %d", len(list), len(want))
		}
		return ids
	}
	add := func(at *deliverytest.App, r dm3api.Record) {
		t.Helper()
		if err := at.AddMessage(ctx, at.Wire(bob.Name), r); err != nil {
			t.Fatal(err)
		}
	}

	messages := some(alice, bob.Name, "halted", 3)
	add(atNodesApp, atNodesApp.Record(messages[0], 0, true))
	add(atNodesApp, atNodesApp.Record(messages[1], 0, true))
	for _, d := range []*device{desk, phone} {
		if report := pass(t, d.bridge(atNode(atNodesApp, false)), bridge.Work{Full: true}); report.Taken != 2 {
			t.Errorf("%+v", report)
		}
	}
	sync()
	if c, ok := desk.conversation(bridge.NotesContact); !ok || !c.Hidden || len(desk.messages(bridge.NotesContact)) != 2 {
		t.Errorf("the notes: %+v", c)
	}
	halted(here, messages[:2]...)

	known := here.Record(messages[1], 0, true) // by its app's own identifier, too
	known.MessageID = "0x1234"
	add(here, known)
	add(here, here.Record(messages[2], 0, true))
	ids := halted(here, messages...)
	sync()
	if report := pass(t, desk.bridge(atNode(atNodesApp, true)), bridge.Work{}); report.Handed != 1 {
		t.Errorf("%+v", report)
	}
	halted(atNodesApp, messages...)

	if err := atNodesApp.ClearHaltedMessage(ctx, dm3api.StoredID(alice.Name, deliverytest.Hash(messages[0])), ""); err != nil { // delivered by that one
		t.Fatal(err)
	}
	pass(t, desk.bridge(atNode(atNodesApp, true)), bridge.Work{Full: true})
	sync()
	halted(here, messages[1:]...)

	for _, id := range ids {
		if err := here.ClearHaltedMessage(ctx, id, ""); err != nil {
			t.Error(err)
		}
	}
	halted(here)
	sync()
	late := newDevice(t, alice, place, 0) // reads at the node that they are halted
	pass(t, late.bridge(atNode(atNodesApp, false)), bridge.Work{Full: true})
	if _, err := late.engine.Pass(ctx, settle); err != nil {
		t.Fatal(err)
	}
	sync()
	halted(here)
	for _, message := range messages {
		if n := bridge.ReadNotes(desk.messages(bob.Name)[deliverytest.Hash(message)]).Halted; n == nil || *n {
			t.Errorf("delivered, and marked %v", n)
		}
	}
	for message, err := range here.Messages(ctx, here.Wire(bob.Name), 10) {
		if err != nil || message.IsHalted {
			t.Errorf("shown as halted: %v, %v", message.IsHalted, err)
		}
	}
}

// TestEditsReachTheNode: what an app put in the place of a container is what the node is
// given, and what comes back from there does not undo it.
func TestEditsReachTheNode(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	place := newPlace()
	atNodesApp, desk := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, place, 0)
	here, account := atTreeOn(t, alice, place)
	ctx := t.Context()
	message := alice.Message(bob.Name, "hello", 1675954945000)
	containerOf := func(at *deliverytest.App) string {
		t.Helper()
		for m, err := range at.Messages(ctx, at.Wire(bob.Name), 10) {
			if err != nil {
				t.Fatal(err)
			}
			text, err := at.Codec.DecryptRecord(m.Container)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		return ""
	}
	first := here.Record(message, 3, false)
	if err := here.AddMessage(ctx, here.Wire(bob.Name), first); err != nil {
		t.Fatal(err)
	}
	if err := here.EditMessageBatch(ctx, here.Wire(bob.Name), []dm3api.Record{here.Record(message, 1, false)}); err != nil { // no join would show that
		t.Fatal(err)
	}
	want := containerOf(here)
	if !strings.Contains(want, `"messageState":1`) {
		t.Fatal(want)
	}
	both := func(d *device) {
		t.Helper()
		for range 2 {
			if _, err := account.Sync(ctx, settle, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := d.engine.Pass(ctx, settle); err != nil {
				t.Fatal(err)
			}
		}
	}
	both(desk)
	b := desk.bridge(atNode(atNodesApp, true))
	if report := pass(t, b, bridge.Work{}); report.Handed != 1 {
		t.Errorf("%+v", report)
	}
	if got := containerOf(atNodesApp); got != want {
		t.Errorf("the node has\n%s\nwant\n%s", got, want)
	}
	if report := pass(t, b, bridge.Work{Full: true}); report.Moved() {
		t.Errorf("again: %+v", report)
	}
	phone := newDevice(t, alice, place, 0)
	pass(t, phone.bridge(atNode(atNodesApp, false)), bridge.Work{Full: true})
	both(phone)
	if got := containerOf(here); got != want {
		t.Errorf("after it came back the app sees\n%s\nwant\n%s", got, want)
	}
}
