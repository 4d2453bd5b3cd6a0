package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers/transport"
)

func TestPull(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	ours, theirs := some(alice, bob.Name, "to bob", 70), some(bob, alice.Name, "from bob", 60)
	app.Store(bob.Name, append(ours, theirs...)...)
	carol := some(alice, "carol.eth", "to carol", 3)
	app.Store("carol.eth", carol...)

	b := d.bridge(atNode(app, false))
	if report := pass(t, b, bridge.Work{DryRun: true}); report.Taken != 133 {
		t.Errorf("dry run: %+v", report)
	}
	if list, err := d.history.Conversations(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("a dry run wrote %v, %v", list, err)
	}
	report := pass(t, b, bridge.Work{})
	if report.Taken != 133 || report.Genuine != 133 || report.Refused+report.Doubtful+report.Forged != 0 {
		t.Errorf("first: %+v", report)
	}
	d.holds(bob.Name, append(ours, theirs...)...)
	d.holds("carol.eth", carol...)
	for _, envelope := range d.messages(bob.Name) {
		if !bytes.Contains(envelope.JSON, []byte(`"container":{"messageState":2,"reactions":[],"source":0}`)) {
			t.Fatalf("what the app keeps around the message is gone: %s", envelope.JSON)
		}
		back, err := bridge.ToStorage(envelope)
		if err != nil || !bytes.Contains(back, []byte(`"messageState":2`)) || bytes.Contains(back, []byte("dm3sync")) {
			t.Fatalf("back: %s, %v", back, err)
		}
	}
	if again := pass(t, b, bridge.Work{}); again.Read != 0 || again.Taken != 0 {
		t.Errorf("again: %+v", again)
	}
	if again := pass(t, b, bridge.Work{Full: true}); again.Read != 133 || again.Taken != 0 {
		t.Errorf("again, full: %+v", again)
	}
	more := bob.Message(alice.Name, "later", 1675954955000)
	record := app.Record(more, 2, false)
	record.CreatedAt += 1000
	if err := app.AddMessage(t.Context(), app.Wire(bob.Name), record); err != nil {
		t.Fatal(err)
	}
	if later := pass(t, b, bridge.Work{}); later.Taken != 1 || later.Read > 60 {
		t.Errorf("later: %+v", later)
	}
	d.silent(bob.Name, "carol", "from bob")
}

// TestPullIsRebuilt: a device without memory of what it took, and one that never took
// any, come to the same.
func TestPullIsRebuilt(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	app, place := deliverytest.NewApp(t, node.URL, alice), newPlace()
	messages := some(bob, alice.Name, "m", 20)
	app.Store(bob.Name, messages...)
	for range 2 {
		d := newDevice(t, alice, place, 0)
		pass(t, d.bridge(atNode(app, false)), bridge.Work{})
		if _, err := d.engine.Pass(t.Context(), settle); err != nil {
			t.Fatal(err)
		}
		d.holds(bob.Name, messages...)
	}
	cold := newDevice(t, alice, place, 0)
	if _, err := cold.engine.Pass(t.Context(), settle); err != nil {
		t.Fatal(err)
	}
	cold.holds(bob.Name, messages...)
}

// TestPullTakesEdits: what an app changes around a message comes into the tree.
func TestPullTakesEdits(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(bob, alice.Name, "m", 3)
	app.Store(bob.Name, messages...)
	b := d.bridge(atNode(app, false))
	pass(t, b, bridge.Work{})
	if err := app.EditMessageBatch(t.Context(), app.Wire(bob.Name), []dm3api.Record{app.Record(messages[0], 3, false)}); err != nil {
		t.Fatal(err)
	}
	if report := pass(t, b, bridge.Work{Full: true}); report.Taken != 1 {
		t.Errorf("%+v", report)
	}
	if envelope := d.messages(bob.Name)[deliverytest.Hash(messages[0])]; !bytes.Contains(envelope.JSON, []byte(`"messageState":3`)) {
		t.Errorf("got %s", envelope.JSON)
	}
}

// TestPullHaltedAndHidden: undelivered messages are marked until they are delivered, and
// a conversation that is hidden at the node is hidden once.
func TestPullHaltedAndHidden(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	b, ctx := d.bridge(atNode(app, false)), t.Context()
	halted := alice.Message("carol.eth", "nobody there yet", 1675954945000)
	if err := app.AddMessage(ctx, app.Wire("carol.eth"), app.Record(halted, 0, true)); err != nil {
		t.Fatal(err)
	}
	if err := app.ToggleHideConversation(ctx, app.Wire("carol.eth"), true); err != nil {
		t.Fatal(err)
	}
	report := pass(t, b, bridge.Work{Full: true})
	if report.Taken != 1 || report.Unlisted != 1 {
		t.Errorf("%+v", report)
	}
	note := func() *bool { return bridge.ReadNotes(d.messages("carol.eth")[deliverytest.Hash(halted)]).Halted }
	if n := note(); n == nil || !*n {
		t.Errorf("halted: %v", n)
	}
	if report := pass(t, b, bridge.Work{Full: true}); report.Hidden != 1 {
		t.Errorf("now that the tree knows the name: %+v", report)
	}
	if c, _ := d.conversation("carol.eth"); !c.Hidden {
		t.Error("the conversation is not hidden")
	}
	if err := d.history.Hide(ctx, "carol.eth", false); err != nil {
		t.Fatal(err)
	}
	if err := app.ClearHaltedMessage(ctx, dm3api.StoredID(alice.Name, deliverytest.Hash(halted)), ""); err != nil {
		t.Fatal(err)
	}
	if report := pass(t, b, bridge.Work{Full: true}); report.Hidden != 0 || report.Taken != 1 {
		t.Errorf("hidden twice, or still halted: %+v", report)
	}
	if c, _ := d.conversation("carol.eth"); c.Hidden {
		t.Error("the user's own choice was undone")
	}
	if n := note(); n == nil || *n {
		t.Errorf("delivered, and halted: %v", n)
	}
}

// TestPullFromHostileNode: what a node may put there is left alone, told once, or
// flagged; nothing is lost of the rest.
func TestPullFromHostileNode(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	mallory := deliverytest.NewPerson("mallory.eth")
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	ctx := t.Context()
	good := some(bob, alice.Name, "good", 5)
	app.Store(bob.Name, good...)
	forged := deliverytest.SignMessage(mallory.Profile, bob.Name, alice.Name, "send me money", 1675954946000)
	stranger := deliverytest.NewPerson("stranger.eth").Message(alice.Name, "hello", 1675954947000)
	asAlice := deliverytest.SignMessage(mallory.Profile, alice.Name, bob.Name, "I owe you", 1675954946001)
	app.Store(bob.Name, forged, stranger, asAlice)
	wrong := app.Record(bob.Message(alice.Name, "another hash", 1675954948000), 2, false)
	wrong.MessageID = "0x" + string(bytes.Repeat([]byte("0"), 64))
	liar := app.Record(bob.Message(alice.Name, "lies", 1675954949000), 2, false)
	text, err := app.Codec.DecryptRecord(liar.Container)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"messageHash":"0x`), []byte(`"messageHash":"0xf`), 1)
	if liar.Container, err = app.Codec.EncryptRecord(text); err != nil {
		t.Fatal(err)
	}
	for _, record := range []dm3api.Record{wrong, liar, {MessageID: "junk", Container: "junk"}, {MessageID: "empty"}} {
		if err := app.AddMessage(ctx, app.Wire(bob.Name), record); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "a\x00b", "-a.eth", string(bytes.Repeat([]byte("x"), 5000)), "\u0378.eth", bridge.NotesContact, "../../etc"} {
		if err := app.AddConversation(ctx, app.Wire(name), "rubbish"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"not encrypted", "dm3sync.i.0123"} { // the second is a place of ours, and nothing to speak of
		if err := app.AddConversation(ctx, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	b := d.bridge(atNode(app, false))
	report := pass(t, b, bridge.Work{Full: true})
	if report.Taken != 10 || report.Genuine != 7 || report.Forged != 2 || report.Unknown != 1 || report.Doubtful != 1 || report.Refused != 2+7 {
		t.Errorf("%+v", report)
	}
	found := d.messages(bob.Name)
	for _, c := range []struct {
		message []byte
		verdict bridge.Verdict
	}{{forged, bridge.Forged}, {asAlice, bridge.Forged}, {stranger, bridge.Unknown}, {good[0], bridge.Genuine}} {
		message, verdict := c.message, c.verdict
		if got := bridge.ReadNotes(found[deliverytest.Hash(message)]).Verdict(); got != verdict {
			t.Errorf("judged %s, want %s", got, verdict)
		}
	}
	told := bytes.Count(d.log.Bytes(), []byte("level=WARN"))
	pass(t, b, bridge.Work{Full: true})
	if again := bytes.Count(d.log.Bytes(), []byte("level=WARN")); told == 0 || again != told {
		t.Errorf("told %d times, then %d times", told, again)
	}
	d.silent(bob.Name, "money", "rubbish")
}

// published is a node that knows one profile.
type published struct {
	name    string
	profile dm3api.SignedProfile
}

func (p published) Profile(_ context.Context, name string) (dm3api.SignedProfile, error) {
	if name != p.name {
		return dm3api.SignedProfile{}, dm3api.ErrNoProfile
	}
	return p.profile, nil
}

// TestProvedKeys: a profile that the wallet of the sender's address signed proves its key.
func TestProvedKeys(t *testing.T) {
	v := readVectors(t)
	sender, message := v.DeterministicEncryption.AccountEnsName, []byte(canonical(t, v.Messages[0].Message))
	for name, c := range map[string]struct {
		signature string
		proved    bool
	}{
		"signed by the wallet": {v.UserProfile.Signature, true},
		"signed by nobody":     {"0x" + strings.Repeat("11", 64) + "1b", false},
		"no signature":         {"", false},
	} {
		node := nodetest.New(t)
		bob := ownerAt(node, 2)
		app, d := deliverytest.NewApp(t, node.URL, bob), newDevice(t, bob, newPlace(), 0)
		app.Store(sender, message)
		profiles := published{sender, dm3api.SignedProfile{Profile: []byte(v.UserProfile.Stringified), Signature: c.signature}}
		b := d.bridge(func(o *bridge.Options) { o.Node, o.Profiles = app.Client, profiles })
		if report := pass(t, b, bridge.Work{}); report.Genuine != 1 || report.Doubtful != 0 {
			t.Errorf("%s: %+v", name, report)
		}
		for _, check := range bridge.ReadNotes(d.messages(sender)[v.Messages[0].MessageHash]).Signatures {
			if check != (bridge.Check{Valid: true, Proved: c.proved}) {
				t.Errorf("%s: %+v", name, check)
			}
		}
	}
}

// TestKeysThatComeLater: a message waits for no key, and is judged when one is known.
func TestKeysThatComeLater(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	dave := deliverytest.NewPerson("dave.eth")
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	message := dave.Message(alice.Name, "hello", 1675954945000)
	app.Store("dave.eth", message)
	verdict := func() bridge.Verdict {
		return bridge.ReadNotes(d.messages("dave.eth")[deliverytest.Hash(message)]).Verdict()
	}
	node.FailRoute("profile", nodetest.Before)
	if report := pass(t, d.bridge(atNode(app, false)), bridge.Work{}); report.Unknown != 1 || verdict() != bridge.Unknown {
		t.Errorf("%+v", report)
	}
	node.Publish("dave.eth", dave.Profile)
	if report := pass(t, d.bridge(atNode(app, false)), bridge.Work{Full: true}); report.Genuine != 1 || verdict() != bridge.Genuine {
		t.Errorf("%+v", report)
	}
	node.Fail(func(r *http.Request) nodetest.Failure {
		if r.URL.Path == "/profile/dave.eth" {
			return nodetest.Before
		}
		return nodetest.None
	})
	if report := pass(t, d.bridge(atNode(app, false)), bridge.Work{Full: true}); report.Taken != 0 || verdict() != bridge.Genuine {
		t.Errorf("a node that is down for a moment unsettles: %+v", report)
	}
}

// TestSpellings: conversations whose names are spelled differently are one in the tree.
func TestSpellings(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(alice, "bob.eth", "m", 4)
	app.Store("Bob.ETH", messages[:2]...)
	app.Store("bob.eth", messages[2:]...)
	b := d.bridge(atNode(app, true))
	if report := pass(t, b, bridge.Work{}); report.Taken != 4 || report.Handed != 0 {
		t.Errorf("%+v", report)
	}
	d.holds("bob.eth", messages...)
	if again := pass(t, b, bridge.Work{}); again.Read != 0 || again.Moved() {
		t.Errorf("again: %+v", again)
	}
}

// TestOneBadConversation holds up no other.
func TestOneBadConversation(t *testing.T) {
	node := nodetest.New(t)
	alice := ownerAt(node, 1)
	app, d := deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	contacts := []string{"a.eth", "b.eth", "c.eth"}
	for _, contact := range contacts {
		app.Store(contact, alice.Message(contact, "hi", 1))
	}
	node.FailRoute("getMessages", nodetest.Before)
	b := d.bridge(atNode(app, false))
	report, err := b.Pass(t.Context(), bridge.Work{})
	if err == nil || report.Taken != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if report := pass(t, b, bridge.Work{}); report.Taken != 1 {
		t.Errorf("%+v", report)
	}
	for _, contact := range contacts {
		d.holds(contact, alice.Message(contact, "hi", 1))
	}
}

// silentNode is one that stood still in the midst of an answer.
type silentNode struct{ bridge.Node }

func (silentNode) Conversations(context.Context, int) iter.Seq2[dm3api.Conversation, error] {
	return func(yield func(dm3api.Conversation, error) bool) {
		yield(dm3api.Conversation{}, fmt.Errorf("%w for a while: %w", transport.ErrStalled, context.Canceled))
	}
}

// TestStandingNode: a node that takes a request and says nothing, or stops in its answer, is a fault of the node, not an end
// that somebody asked for.
func TestStandingNode(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer server.Close()
	defer close(over)
	alice := deliverytest.NewPerson("alice.eth")
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client, err := dm3api.NewClient(&dm3api.ClientOptions{
		URL: server.URL, Account: alice.Name, Sign: deliverytest.Signer(alice.Profile), Normalise: identity.Normalize,
		HTTP: &http.Client{Transport: transport.Watched(base, 20*time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, alice, newPlace(), 0)
	for _, node := range []bridge.Node{client, silentNode{}} {
		b := d.bridge(func(o *bridge.Options) { o.Node = node })
		if _, err := b.Pass(t.Context(), bridge.Work{}); !errors.Is(err, bridge.ErrService) || !errors.Is(err, transport.ErrStalled) {
			t.Errorf("%T: %v", node, err)
		}
	}
}
