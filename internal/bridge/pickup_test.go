package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// post is a delivery service with a receiver.
type post struct {
	*deliverytest.Server
	t        *testing.T
	service  identity.Profile
	receiver deliverytest.Person
	client   *dm3api.Client
}

func newPost(t *testing.T, receiver deliverytest.Person) *post {
	t.Helper()
	p := &post{Server: deliverytest.New(t), t: t, service: identity.FromStorageKey([32]byte{9}), receiver: receiver}
	p.Register(receiver.Name, receiver.Profile)
	var err error
	if p.client, err = p.Client(receiver.Name, receiver.Profile); err != nil {
		t.Fatal(err)
	}
	return p
}

// letter is a message from a person to the receiver.
func (p *post) letter(from deliverytest.Person, message []byte) deliverytest.Letter {
	return deliverytest.Letter{Message: message, From: from.Name, To: p.receiver.Name, Receiver: p.receiver, Service: p.service, Received: 1675954946000}
}

// send lets messages from a person wait.
func (p *post) send(from deliverytest.Person, messages ...[]byte) {
	for _, message := range messages {
		p.Submit(p.receiver.Name, p.letter(from, message).Envelope())
	}
}

func atPost(p *post, node *nodetest.Server) func(*bridge.Options) {
	return func(o *bridge.Options) {
		o.Delivery = p.client
		if node != nil {
			o.Profiles = deliverytest.NewApp(p.t, node.URL, p.receiver).Client
		}
	}
}

func TestPickUp(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	p, d := newPost(t, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(bob, alice.Name, "m", 150)
	p.send(bob, messages...)
	p.send(bob, messages[:5]...) // submitted again
	b := d.bridge(atPost(p, node))
	if report := pass(t, b, bridge.Work{DryRun: true}); report.Fetched != 155 || report.Acknowledged != 0 || p.Waiting(alice.Name) != 155 {
		t.Errorf("dry run: %+v", report)
	}
	report := pass(t, b, bridge.Work{})
	if report.Waiting != 155 || report.Fetched != 155 || report.Acknowledged != 155 || report.Genuine != 155 || report.Doubtful+report.Left != 0 {
		t.Errorf("%+v", report)
	}
	if left := p.Waiting(alice.Name); left != 0 {
		t.Errorf("%d copies still wait", left)
	}
	d.holds(bob.Name, messages...)
	envelope := d.messages(bob.Name)[deliverytest.Hash(messages[0])]
	for _, part := range []string{`"incommingTimestamp":1675954946000`, `"deliveryInformation":{"from":"` + bob.Name, `"messageState":2`, `"source":2`} {
		if !bytes.Contains(envelope.JSON, []byte(part)) {
			t.Errorf("%s is missing in %s", part, envelope.JSON)
		}
	}
	if again := pass(t, b, bridge.Work{}); again != (bridge.Report{}) {
		t.Errorf("again: %+v", again)
	}
	d.silent(bob.Name)
}

// TestPickUpManyConversations: more conversations than the service shows at once, and more messages of one.
func TestPickUpManyConversations(t *testing.T) {
	alice := deliverytest.NewPerson("alice.eth")
	p, d := newPost(t, alice), newDevice(t, alice, newPlace(), 0)
	for i := range 120 {
		sender := deliverytest.NewPerson(fmt.Sprintf("sender-%d.eth", i))
		p.send(sender, sender.Message(alice.Name, "hi", int64(i)))
	}
	chatty := deliverytest.NewPerson("chatty.eth")
	many := some(chatty, alice.Name, "m", 1010)
	p.send(chatty, many...)
	report := pass(t, d.bridge(atPost(p, nil)), bridge.Work{})
	if report.Acknowledged != 1130 || report.Unknown != 1130 || p.Waiting(alice.Name) != 0 {
		t.Errorf("%+v, %d wait", report, p.Waiting(alice.Name))
	}
	d.holds(chatty.Name, many...)
	if list, err := d.history.Conversations(t.Context()); err != nil || len(list) != 121 {
		t.Errorf("%d conversations, %v", len(list), err)
	}
}

// TestPickUpLeavesWhatItCannotRead: it stays, is counted each time and told once, and
// nothing else suffers.
func TestPickUpLeavesWhatItCannotRead(t *testing.T) {
	alice, bob := deliverytest.NewPerson("alice.eth"), deliverytest.NewPerson("bob.eth")
	p, d := newPost(t, alice), newDevice(t, alice, newPlace(), 4096)
	good := bob.Message(alice.Name, "hello", 1)
	forCarol := p.letter(bob, bob.Message(alice.Name, "for another", 1))
	forCarol.Receiver = deliverytest.NewPerson("carol.eth")
	noMessage := p.letter(bob, []byte(`{"message":"no metadata"}`))
	tooLong := p.letter(bob, bob.Message(alice.Name, string(bytes.Repeat([]byte("x"), 8000)), 2))
	nobody := p.letter(bob, bob.Message(alice.Name, "from nobody", 1))
	nobody.From = "-nobody.eth"
	notes := p.letter(deliverytest.NewPerson(bridge.NotesContact), bob.Message(alice.Name, "a note", 3))
	sealed := p.letter(bob, good).Envelope()
	sealed.Metadata.DeliveryInformation = []byte(`"{\"ciphertext\":\"\"}"`)
	p.Submit(alice.Name, forCarol.Envelope(), noMessage.Envelope(), tooLong.Envelope(), nobody.Envelope(), notes.Envelope(), sealed,
		dm3api.EncryptionEnvelop{Metadata: sealed.Metadata}, p.letter(bob, good).Envelope())
	b := d.bridge(atPost(p, nil))
	for range 2 {
		if report := pass(t, b, bridge.Work{}); report.Left != 7 {
			t.Errorf("%+v", report)
		}
	}
	if told := bytes.Count(d.log.Bytes(), []byte("level=WARN")); told != 7 {
		t.Errorf("told %d times:\n%s", told, d.log)
	}
	if left := p.Waiting(alice.Name); left != 7 {
		t.Errorf("%d wait", left)
	}
	d.holds(bob.Name, good)
	d.silent("bob.eth", "nobody", "hello")
}

// TestPickUpJudges: forged and contradictory messages come, flagged.
func TestPickUpJudges(t *testing.T) {
	node := nodetest.New(t)
	alice, bob, mallory := ownerAt(node, 1), ownerAt(node, 2), ownerAt(node, 3)
	p, d := newPost(t, alice), newDevice(t, alice, newPlace(), 0)
	forged := deliverytest.SignMessage(mallory.Profile, bob.Name, alice.Name, "forged", 1)
	asBob := bob.Message(alice.Name, "sent on by another", 2)
	toCarol := bob.Message("carol.eth", "meant for another", 3)
	badHash := bob.Message(alice.Name, "another hash", 4)
	badMark, noMark := bob.Message(alice.Name, "another postmark", 5), bob.Message(alice.Name, "no postmark", 6)
	wrongHash := p.letter(bob, badHash)
	wrongHash.MessageHash = deliverytest.Hash(forged)
	swapped, unread := p.letter(bob, badMark).Envelope(), p.letter(bob, noMark).Envelope()
	swapped.Postmark, unread.Postmark = p.letter(bob, forged).Envelope().Postmark, "broken"
	p.Submit(alice.Name, p.letter(bob, forged).Envelope(), p.letter(mallory, asBob).Envelope(), p.letter(bob, toCarol).Envelope(),
		wrongHash.Envelope(), swapped, unread)
	b := d.bridge(atPost(p, node))
	report := pass(t, b, bridge.Work{})
	if report.Fetched != 6 || report.Acknowledged != 5 || report.Left != 1 || report.Forged != 1 || report.Genuine != 5 || report.Doubtful != 5 {
		t.Errorf("%+v", report)
	}
	// An acknowledgement by a hash that is not the message's could remove another one.
	if again := pass(t, b, bridge.Work{}); again.Fetched != 0 || again.Left != 1 || p.Waiting(alice.Name) != 1 {
		t.Errorf("again: %+v", again)
	}
	fromBob, fromMallory := d.messages(bob.Name), d.messages(mallory.Name)
	for _, c := range []struct {
		message []byte
		doubt   string
	}{{toCarol, bridge.DoubtReceiver}, {badHash, bridge.DoubtHash}, {badMark, bridge.DoubtPostmark}, {noMark, bridge.DoubtPostmark}} {
		notes := bridge.ReadNotes(fromBob[deliverytest.Hash(c.message)])
		if len(notes.Doubts) != 1 || notes.Doubts[0] != c.doubt || notes.Verdict() != bridge.Genuine {
			t.Errorf("%s: %+v", c.message, notes)
		}
	}
	if notes := bridge.ReadNotes(fromMallory[deliverytest.Hash(asBob)]); len(notes.Doubts) != 1 || notes.Doubts[0] != bridge.DoubtSender {
		t.Errorf("in the conversation with whom it came from: %+v", notes)
	}
	if notes := bridge.ReadNotes(fromBob[deliverytest.Hash(noMark)]); notes.RawPostmark != "broken" {
		t.Errorf("a postmark that can't be read is gone: %+v", notes)
	}
}

// brittleTree fails as a process that is killed would: what it was given may be durable or not.
type brittleTree struct {
	bridge.Tree
	fails func() bool
}

var errKilled = errors.New("killed")

func (b brittleTree) Append(ctx context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error) {
	if b.fails() {
		return history.Summary{}, errKilled
	}
	summary, err := b.Tree.Append(ctx, r, o)
	if err == nil && b.fails() {
		return summary, errKilled
	}
	return summary, err
}

// TestPickUpKilledAnywhere: whatever is acknowledged is durable, and whatever was sent arrives.
func TestPickUpKilledAnywhere(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			alice, place := deliverytest.NewPerson("alice.eth"), newPlace()
			p, d := newPost(t, alice), newDevice(t, alice, place, 0)
			var all [][]byte
			for i := range 5 {
				sender := deliverytest.NewPerson(fmt.Sprintf("sender-%d.eth", i))
				messages := some(sender, alice.Name, "m", 20)
				p.send(sender, messages...)
				all = append(all, messages...)
			}
			var early atomic.Int64
			p.BeforeAcknowledging = func(list []dm3api.Acknowledgement) error {
				held := make(map[string]map[string]container.Envelope)
				for _, a := range list {
					if held[a.ContactAddress] == nil {
						held[a.ContactAddress] = d.messages(a.ContactAddress)
					}
					if _, durable := held[a.ContactAddress][a.MessageHash]; !durable {
						early.Add(1)
					}
				}
				if random.IntN(3) == 0 {
					return errKilled
				}
				return nil
			}
			tree := brittleTree{d.history, func() bool { return random.IntN(6) == 0 }}
			for range 60 {
				b := d.bridge(func(o *bridge.Options) { atPost(p, nil)(o); o.Tree = tree }) // each starts without memory
				if _, err := b.Pass(t.Context(), bridge.Work{}); err == nil {
					break
				}
			}
			p.BeforeAcknowledging = nil
			pass(t, d.bridge(atPost(p, nil)), bridge.Work{})
			if early.Load() > 0 {
				t.Errorf("%d messages were acknowledged before they were durable", early.Load())
			}
			if left := p.Waiting(alice.Name); left != 0 {
				t.Errorf("%d wait", left)
			}
			got := 0
			for i := range 5 {
				got += len(d.messages(fmt.Sprintf("sender-%d.eth", i)))
			}
			if got != len(all) {
				t.Errorf("%d messages of %d", got, len(all))
			}
		})
	}
}

// TestPostmarks: with the service's key, signatures of postmarks are checked.
func TestPostmarks(t *testing.T) {
	alice, bob := deliverytest.NewPerson("alice.eth"), deliverytest.NewPerson("bob.eth")
	p, d := newPost(t, alice), newDevice(t, alice, newPlace(), 0)
	good, bad := bob.Message(alice.Name, "good", 1), bob.Message(alice.Name, "bad", 2)
	p.send(bob, good)
	letter := p.letter(bob, bad)
	letter.Service = bob.Profile
	p.Submit(alice.Name, letter.Envelope())
	b := d.bridge(func(o *bridge.Options) { atPost(p, nil)(o); o.DeliveryKey = p.service.SigningPublic() })
	if report := pass(t, b, bridge.Work{}); report.Acknowledged != 2 || report.Doubtful != 1 {
		t.Errorf("%+v", report)
	}
	for message, valid := range map[string]bool{string(good): true, string(bad): false} {
		notes := bridge.ReadNotes(d.messages(bob.Name)[deliverytest.Hash([]byte(message))])
		for _, check := range notes.Postmarks {
			if check.Valid != valid {
				t.Errorf("%s: %+v", message, notes)
			}
		}
		if len(notes.Postmarks) != 1 || (len(notes.Doubts) == 0) != valid {
			t.Errorf("%s: %+v", message, notes)
		}
	}
}

// TestPickUpFromDeafService: one that takes no acknowledgement is not asked for ever.
func TestPickUpFromDeafService(t *testing.T) {
	alice, bob := deliverytest.NewPerson("alice.eth"), deliverytest.NewPerson("bob.eth")
	p, d := newPost(t, alice), newDevice(t, alice, newPlace(), 0)
	p.send(bob, bob.Message(alice.Name, "m", 1))
	envelopes, err := p.client.Incoming(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Show = func([]dm3api.EncryptionEnvelop) []dm3api.EncryptionEnvelop { return envelopes }
	before := p.Requests()
	pass(t, d.bridge(atPost(p, nil)), bridge.Work{})
	if asked := p.Requests() - before; asked > 4 {
		t.Errorf("asked %d times", asked)
	}
}

// TestPickUpGoesToTheNode: what was picked up reaches an app at the node.
func TestPickUpGoesToTheNode(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := ownerAt(node, 1), ownerAt(node, 2)
	p, app, d := newPost(t, alice), deliverytest.NewApp(t, node.URL, alice), newDevice(t, alice, newPlace(), 0)
	messages := some(bob, alice.Name, "m", 12)
	p.send(bob, messages...)
	b := d.bridge(func(o *bridge.Options) { atNode(app, true)(o); o.Delivery = p.client })
	if report := pass(t, b, bridge.Work{}); report.Acknowledged != 12 || report.Handed != 12 {
		t.Errorf("%+v", report)
	}
	checkNode(t, app, bob.Name, messages...)
	if again := pass(t, b, bridge.Work{Full: true}); again.Moved() {
		t.Errorf("again: %+v", again)
	}
}
