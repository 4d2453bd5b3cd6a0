package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// checkNode compares the hashes at a node with messages; each must be there once.
func checkNode(t *testing.T, app *deliverytest.App, contact string, messages ...[]byte) {
	t.Helper()
	found := app.Read(contact)
	for i, message := range messages {
		if !slices.Contains(found, deliverytest.Hash(message)) {
			t.Errorf("message %d is not at the node", i)
		}
	}
	if len(found) != len(messages) {
		t.Errorf("the node holds %d messages, want %d", len(found), len(messages))
	}
}

func TestPush(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	atNodeFirst, inTree := some(bob, alice.Name, "node's", 10), some(alice, bob.Name, "tree's", 130)
	app.Store(bob.Name, atNodeFirst...)
	d.append(bob.Name, inTree...)
	b := d.bridge(atNode(app, true))
	if report := pass(t, b, bridge.Work{DryRun: true}); report.Handed != 130 || report.Taken != 10 {
		t.Errorf("dry run: %+v", report)
	}
	checkNode(t, app, bob.Name, atNodeFirst...)
	if report := pass(t, b, bridge.Work{}); report.Handed != 130 || report.Taken != 10 || report.Unfit+report.Present != 0 {
		t.Errorf("first: %+v", report)
	}
	all := append(slices.Clone(atNodeFirst), inTree...)
	checkNode(t, app, bob.Name, all...)
	d.holds(bob.Name, all...)

	before := node.Requests("")
	if again := pass(t, b, bridge.Work{}); again.Moved() {
		t.Errorf("again: %+v", again)
	}
	if asked := node.Requests("") - before; asked > 12 {
		t.Errorf("an idle pass asks %d times", asked)
	}
	late := alice.Message(bob.Name, "one more", 5)
	d.append(bob.Name, late)
	if report := pass(t, b, bridge.Work{}); report.Handed != 1 {
		t.Errorf("one more: %+v", report)
	}
	checkNode(t, app, bob.Name, append(all, late)...)
	if again := pass(t, b, bridge.Work{Full: true}); again.Moved() || again.Present+again.Unfit != 0 {
		t.Errorf("again, full: %+v", again)
	}
	d.silent(bob.Name, "tree's")
}

// TestPushOrder: an app shows what was handed over by the time of the messages.
func TestPushOrder(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(alice, "bob.eth", "m", 30)
	d.append("bob.eth", messages...)
	pass(t, d.bridge(atNode(app, true)), bridge.Work{})
	found := app.Read("bob.eth")
	slices.Reverse(found)
	for i, hash := range found {
		if hash != deliverytest.Hash(messages[i]) {
			t.Fatalf("message %d stands elsewhere", i)
		}
	}
}

// TestPushOneMoment: any number of messages may bear one time.
func TestPushOneMoment(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	var messages [][]byte
	for i := range 200 {
		messages = append(messages, alice.Message("bob.eth", fmt.Sprint(i), 1<<53-1))
	}
	d.append("bob.eth", messages...)
	if report := pass(t, d.bridge(atNode(app, true)), bridge.Work{}); report.Handed != 200 {
		t.Errorf("%+v", report)
	}
	checkNode(t, app, "bob.eth", messages...)
}

// TestPushDroppedBatch: a batch that was answered 200 and dropped is noticed, and its
// records are sent one by one.
func TestPushDroppedBatch(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(alice, "bob.eth", "m", 40)
	d.append("bob.eth", messages...)
	// The app stores one of them between our look and the batch.
	stored := false
	spy := &spyNode{Client: app.Client, beforeBatch: func() {
		if !stored {
			stored = true
			app.Store("bob.eth", messages[7])
		}
	}}
	b := d.bridge(func(o *bridge.Options) { o.Node, o.Profiles, o.Push = spy, app.Client, true })
	if report := pass(t, b, bridge.Work{}); report.Handed != 40 || report.Unfit != 0 {
		t.Errorf("%+v", report)
	}
	checkNode(t, app, "bob.eth", messages...)
	if again := pass(t, b, bridge.Work{Full: true}); again.Moved() {
		t.Errorf("again: %+v", again)
	}
}

// TestBothWaysAnyhow cuts requests off at random, in every way that a node has, and
// forgets what was remembered now and then: in the end both sides hold everything once.
func TestBothWaysAnyhow(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			node := nodetest.New(t)
			alice, bob := ownerAt(node, 1), ownerAt(node, 2)
			app, place := deliverytest.NewApp(t, node.URL, alice), newPlace()
			ours, theirs := some(alice, bob.Name, "tree's", 30), some(bob, alice.Name, "node's", 30)
			app.Store(bob.Name, theirs...)
			d := newDevice(t, alice, place, 0)
			d.append(bob.Name, ours...)
			both := append(slices.Clone(ours), theirs[:10]...) // some are on both sides
			d.append(bob.Name, theirs[:10]...)
			both = append(both, theirs[10:]...)
			calm := false
			tree := brittleTree{d.history, func() bool { return !calm && random.IntN(8) == 0 }}
			connect := func(place string) *bridge.Bridge {
				return d.bridge(func(o *bridge.Options) { atNode(app, true)(o); o.Tree, o.Place = tree, place })
			}
			b := connect("test")
			for round := range 12 {
				ways := []nodetest.Failure{nodetest.Before, nodetest.After, nodetest.Cut, nodetest.Refuse}
				way, at := ways[random.IntN(len(ways))], random.IntN(12)
				node.Fail(func(*http.Request) nodetest.Failure {
					if at--; at < 0 {
						return way
					}
					return nodetest.None
				})
				_, err := b.Pass(t.Context(), bridge.Work{Full: random.IntN(2) == 0})
				t.Logf("round %d: %v", round, err)
				if random.IntN(4) == 0 {
					b = connect(fmt.Sprint("forgotten ", round))
				}
			}
			calm = true
			for range 14 { // what is still to fail fails meanwhile
				_, _ = b.Pass(t.Context(), bridge.Work{})
			}
			pass(t, b, bridge.Work{Full: true})
			if last := pass(t, b, bridge.Work{Full: true}); last.Moved() {
				t.Errorf("it doesn't come to rest: %+v", last)
			}
			d.holds(bob.Name, both...)
			checkNode(t, app, bob.Name, both...)
		})
	}
}

// TestPushOneBadMessage: one that the node fails at holds up no other.
func TestPushOneBadMessage(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(alice, "bob.eth", "m", 30)
	d.append("bob.eth", messages...)
	bad := deliverytest.Hash(messages[3])
	spy := &spyNode{Client: app.Client, refuses: func(r dm3api.Record) bool { return r.MessageID == bad }, beforeBatch: func() {}}
	b := d.bridge(func(o *bridge.Options) { o.Node, o.Push = spy, true })
	for range 2 {
		if _, err := b.Pass(t.Context(), bridge.Work{}); !errors.Is(err, bridge.ErrService) {
			t.Error(err)
		}
		checkNode(t, app, "bob.eth", append(slices.Clone(messages[:3]), messages[4:]...)...)
	}
	spy.refuses = nil
	if report := pass(t, b, bridge.Work{}); report.Handed != 1 {
		t.Errorf("%+v", report)
	}
	checkNode(t, app, "bob.eth", messages...)
}

// TestPushNames: a name that the node could not bear is not sent there.
func TestPushNames(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	long := string(slices.Repeat([]byte("x"), 1100)) + ".eth"
	d.append(long, alice.Message(long, "hi", 1))
	d.append("ctl\x01.eth", alice.Message("ctl\x01.eth", "hi", 1))
	d.append(bridge.NotesContact, alice.Message(bridge.NotesContact, "a note", 1))
	d.append("bob.eth", alice.Message("bob.eth", "hi", 1))
	if report := pass(t, d.bridge(atNode(app, true)), bridge.Work{}); report.Handed != 1 {
		t.Errorf("%+v", report)
	}
	if names := node.Visible(alice.Name); len(names) != 1 {
		t.Errorf("the node has %d conversations", len(names))
	}
	d.silent("xxx", "ctl")
}

// countingTree counts the messages that are read.
type countingTree struct {
	bridge.Tree
	read int
}

func (c *countingTree) Page(ctx context.Context, contact string, r engine.Range) (engine.Page, error) {
	page, err := c.Tree.Page(ctx, contact, r)
	c.read += len(page.Messages)
	return page, err
}

// TestPushLooksAtWhatIsNew: a new message does not cost a walk through the history, and
// one that is older than all is found nevertheless.
func TestPushLooksAtWhatIsNew(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(alice, bob.Name, "m", 250)
	d.append(bob.Name, messages...)
	tree := &countingTree{Tree: d.history}
	b := d.bridge(func(o *bridge.Options) { atNode(app, true)(o); o.Tree = tree })
	pass(t, b, bridge.Work{})
	for i, c := range []struct {
		timestamp int64
		least     bool
	}{{1675955000000, true}, {5, false}, {1675955000001, true}} {
		tree.read = 0
		messages = append(messages, alice.Message(bob.Name, fmt.Sprint("new ", i), c.timestamp))
		d.append(bob.Name, messages[len(messages)-1])
		if report := pass(t, b, bridge.Work{Push: true}); report.Handed != 1 || c.least && tree.read > 200 {
			t.Errorf("%d: %+v, %d messages read", i, report, tree.read)
		}
	}
	theirs := some(bob, alice.Name, "from bob", 20)
	app.Store(bob.Name, theirs...)
	tree.read = 0
	if report := pass(t, b, bridge.Work{}); report.Taken != 20 || report.Handed != 0 || tree.read > 200 {
		t.Errorf("%+v, %d messages read", report, tree.read)
	}
	checkNode(t, app, bob.Name, append(messages, theirs...)...)
}

// TestTwoDevicesAtOneNode: both bridge the same account, and come to rest with
// everything everywhere once.
func TestTwoDevicesAtOneNode(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	app, place := deliverytest.NewApp(t, node.URL, alice), newPlace()
	post := newPost(t, alice)
	var all [][]byte
	devices := []*device{newDevice(t, alice, place, 0), newDevice(t, alice, place, 0)}
	var bridges []*bridge.Bridge
	for _, d := range devices {
		bridges = append(bridges, d.bridge(func(o *bridge.Options) { atNode(app, true)(o); o.Delivery = post.client }))
	}
	for round := range 4 {
		stored, waiting := bob.Message(alice.Name, fmt.Sprint("stored ", round), int64(round)), bob.Message(alice.Name, fmt.Sprint("waiting ", round), int64(round))
		app.Store(bob.Name, stored)
		post.send(bob, waiting)
		all = append(all, stored, waiting)
		for i, d := range devices {
			own := alice.Message(bob.Name, fmt.Sprint("own ", i, round), int64(round))
			d.append(bob.Name, own)
			all = append(all, own)
			pass(t, bridges[i], bridge.Work{Full: round%2 == 1})
			if _, err := d.engine.Pass(t.Context(), settle); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, d := range devices {
		if _, err := d.engine.Pass(t.Context(), settle); err != nil {
			t.Fatal(err)
		}
		pass(t, bridges[i], bridge.Work{Full: true})
	}
	for i, d := range devices {
		if report := pass(t, bridges[i], bridge.Work{Full: true}); report.Moved() {
			t.Errorf("device %d does not come to rest: %+v", i, report)
		}
		d.holds(bob.Name, all...)
	}
	checkNode(t, app, bob.Name, all...)
}

// spyNode is a node where something happens between two requests.
type spyNode struct {
	*dm3api.Client
	beforeBatch func()
	refuses     func(dm3api.Record) bool // fails inside at such; nil is at none
}

func (s *spyNode) AddMessage(ctx context.Context, contact string, record dm3api.Record) error {
	if s.refuses != nil && s.refuses(record) {
		return &dm3api.StatusError{Route: "addMessage", Status: http.StatusNotFound}
	}
	return s.Client.AddMessage(ctx, contact, record)
}

func (s *spyNode) AddMessageBatch(ctx context.Context, contact string, records []dm3api.Record) error {
	s.beforeBatch()
	if s.refuses != nil && slices.ContainsFunc(records, s.refuses) {
		return &dm3api.StatusError{Route: "addMessageBatch", Status: http.StatusNotFound}
	}
	return s.Client.AddMessageBatch(ctx, contact, records)
}
