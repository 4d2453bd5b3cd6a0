package bridge_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// device is one device's account: a real tree over a place in memory.
type device struct {
	t       *testing.T
	owner   deliverytest.Person
	cache   *cache.Cache
	engine  *engine.Engine
	history *history.History
	log     *bytes.Buffer
}

func newDevice(t *testing.T, owner deliverytest.Person, place providers.Store, limit int) *device {
	t.Helper()
	d := &device{t: t, owner: owner, log: &bytes.Buffer{}}
	sealer, err := seal.New(owner.Profile.StorageKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := owner.Profile.RootSignature(owner.Name)
	if err != nil {
		t.Fatal(err)
	}
	if d.cache, err = cache.Open(t.TempDir(), cache.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cache.Close() })
	d.engine, err = engine.Open(t.Context(), engine.Options{
		Account: owner.Name, Root: container.RootKey(signature), Sealer: sealer, Store: place, Cache: d.cache, ChunkLimit: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.engine.Close() })
	d.history = history.New(d.engine, []string{owner.Name})
	return d
}

// bridge makes the device's bridge with the options that change gives.
func (d *device) bridge(change func(*bridge.Options)) *bridge.Bridge {
	d.t.Helper()
	o := bridge.Options{
		Profile: d.owner.Profile, Name: d.owner.Name, Names: []string{d.owner.Name}, Random: rand.Reader,
		Tree: d.history, Records: d.cache.Records(), Place: "test", Pull: true, Log: slog.New(slog.NewTextHandler(d.log, nil)),
	}
	change(&o)
	b, err := bridge.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// append puts messages of the owner to a contact into the tree.
func (d *device) append(contact string, messages ...[]byte) {
	d.t.Helper()
	var lines bytes.Buffer
	for _, message := range messages {
		fmt.Fprintf(&lines, "{\"message\":%s}\n", message)
	}
	summary, err := d.history.Append(d.t.Context(), &lines, history.AppendOptions{Contact: contact})
	if err != nil || summary.Rejected > 0 {
		d.t.Fatalf("appending: %+v, %v", summary, err)
	}
}

// messages returns what the tree holds of a conversation, by hash.
func (d *device) messages(contact string) map[string]container.Envelope {
	d.t.Helper()
	found := make(map[string]container.Envelope)
	page, err := d.history.Page(d.t.Context(), contact, engine.Range{})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, envelope := range page.Messages {
		if _, twice := found[envelope.Hash.String()]; twice {
			d.t.Errorf("a message of %s is there twice", contact)
		}
		found[envelope.Hash.String()] = envelope
	}
	return found
}

// conversation returns what the tree lists of a contact.
func (d *device) conversation(contact string) (found engine.Conversation, ok bool) {
	d.t.Helper()
	list, err := d.history.Conversations(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	at := slices.IndexFunc(list, func(c engine.Conversation) bool { return c.Contact == contact })
	if at < 0 {
		return found, false
	}
	return list[at], true
}

// ownerAt is a person known to a node.
func ownerAt(node *nodetest.Server, number byte) deliverytest.Person {
	account := node.Account(number)
	return deliverytest.Person{Name: account.Name, Profile: account.Profile}
}

// atNode lets a bridge speak to a node, both ways if push says so.
func atNode(a *deliverytest.App, push bool) func(*bridge.Options) {
	return func(o *bridge.Options) { o.Node, o.Profiles, o.Push = a.Client, a.Client, push }
}

// pass runs a pass that must not fail.
func pass(t *testing.T, b *bridge.Bridge, w bridge.Work) bridge.Report {
	t.Helper()
	report, err := b.Pass(t.Context(), w)
	if err != nil {
		t.Fatalf("pass: %+v, %v", report, err)
	}
	return report
}

// some makes messages from a person, numbered.
func some(from deliverytest.Person, to, label string, number int) (messages [][]byte) {
	for i := range number {
		messages = append(messages, from.Message(to, fmt.Sprint(label, " ", i), 1675954945000+int64(i)))
	}
	return messages
}

func newPlace() providers.Store { return memory.New(nil) }

// holds compares the hashes in the tree with messages.
func (d *device) holds(contact string, messages ...[]byte) {
	d.t.Helper()
	found := d.messages(contact)
	for i, message := range messages {
		if _, ok := found[deliverytest.Hash(message)]; !ok {
			d.t.Errorf("message %d of %s is missing", i, contact)
		}
	}
	if len(found) != len(messages) {
		d.t.Errorf("%s has %d messages, want %d", contact, len(found), len(messages))
	}
}

// silent checks that a log names nobody.
func (d *device) silent(names ...string) {
	d.t.Helper()
	for _, name := range names {
		if strings.Contains(d.log.String(), name) {
			d.t.Errorf("the log names %s:\n%s", name, d.log)
		}
	}
}

var settle = engine.Work{Settle: true, Scrub: true}
