package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// besideNode is a device whose account is bridged to a node and a delivery service.
func besideNode(t *testing.T, owner deliverytest.Person, node, delivery string) *device {
	d := newDevice(t, owner.Name)
	d.config.Accounts[0].Node = config.Node{
		URL: node, Delivery: delivery, Name: owner.Name, Directions: config.DirectionBoth,
		Interval: config.Duration(50 * time.Millisecond), Full: config.Duration(time.Second),
	}
	d.options.Unlock = func(context.Context, config.Account) ([32]byte, error) { return owner.Profile.StorageKey(), nil }
	return d
}

// TestNode: a running agent moves messages both ways and picks up what waits, through
// failures of the node and restarts of its own, and nothing twice.
func TestNode(t *testing.T) {
	node, post := nodetest.New(t), deliverytest.New(t)
	alice, bob := deliverytest.Person(node.Account(1)), deliverytest.Person(node.Account(2))
	post.Register(alice.Name, alice.Profile)
	app := appAt(t, node, alice)
	d := besideNode(t, alice, node.URL, post.URL)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.log.String())
		}
	})
	for round := range int64(3) {
		stored := bob.Message(alice.Name, fmt.Sprint("stored ", round), 3*round)
		waiting := bob.Message(alice.Name, fmt.Sprint("waiting ", round), 3*round+1)
		app.Store(bob.Name, stored)
		post.Submit(alice.Name, deliverytest.Letter{Message: waiting, From: bob.Name, To: alice.Name, Receiver: alice, Service: bob.Profile}.Envelope())
		node.FailRoute("getConversations", nodetest.Before)
		client, stop := d.start()
		until(t, client, alice.Name, isOpen)
		own := fmt.Sprintf("{\"message\":%s}\n", alice.Message(bob.Name, fmt.Sprint("own ", round), 3*round+2))
		if _, err := client.Append(t.Context(), alice.Name, "", strings.NewReader(own)); err != nil {
			t.Fatal(err)
		}
		want := int(3 * (round + 1))
		wait(t, "both sides", func() bool {
			page, err := client.Messages(t.Context(), alice.Name, bob.Name, engine.Range{})
			if err != nil && round > 0 {
				t.Fatal(err)
			}
			_, records, _ := node.Rows()
			return len(page.Messages) == want && records == want && post.Waiting(alice.Name) == 0
		})
		until(t, client, alice.Name, func(s api.AccountStatus) bool {
			return s.Node != nil && s.Node.Error == "" && !s.Node.LastSuccess.IsZero()
		})
		if _, err := client.PullNode(t.Context(), alice.Name, bridge.Work{Full: true}); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if log := d.log.String(); strings.Contains(log, bob.Name) || strings.Contains(log, "waiting ") {
		t.Errorf("the log tells what it shouldn't:\n%s", log)
	}
}

// TestNodeAsPlaceAndSource: one node keeps an account's tree and its app's messages, and
// neither sees the other.
func TestNodeAsPlaceAndSource(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := deliverytest.Person(node.Account(1)), deliverytest.Person(node.Account(2))
	app := appAt(t, node, alice)
	d := besideNode(t, alice, node.URL, "")
	d.config.Accounts[0].Provider = config.Provider{Kind: config.KindNode, URL: node.URL}
	d.options.Open = nil
	account := open(t, d)
	app.Store(bob.Name, bob.Message(alice.Name, "hello", 1), alice.Message(bob.Name, "hello", 2))
	own := fmt.Sprintf("{\"message\":%s}\n", alice.Message(bob.Name, "own", 3))
	if _, err := account.Append(t.Context(), strings.NewReader(own), history.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		report, err := account.PullNode(t.Context(), bridge.Work{Full: true})
		if err != nil || report.Refused != 0 || (i > 0) == report.Moved() {
			t.Errorf("%d: %+v, %v", i, report, err)
		}
		if _, err := account.Sync(t.Context(), engine.Work{Settle: true, Scrub: true}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if visible := node.Visible(alice.Name); len(visible) != 1 || len(app.Read(bob.Name)) != 3 {
		t.Errorf("the app sees %d conversations, and %d messages", len(visible), len(app.Read(bob.Name)))
	}
}

// TestNodeAsksForSecrets: what a node calls a challenge and is none is not signed. A
// signature over the account's bare name would be the secret of its root key.
func TestNodeAsksForSecrets(t *testing.T) {
	alice := deliverytest.NewPerson("alice.eth")
	now := time.Now().Unix()
	for _, challenge := range []string{
		alice.Name, "", "alice.eth.addr.dm3.eth", dm3api.MakeToken([]byte("x"), dm3api.Claims{Account: "bob.eth", Challenge: "00000000-0000-4000-8000-000000000000", IssuedAt: now, NotBefore: now, Expires: now + 900}),
	} {
		var signatures atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				signatures.Add(1)
			}
			_ = json.NewEncoder(w).Encode(challenge)
		}))
		d := besideNode(t, alice, server.URL, server.URL)
		account := open(t, d)
		report, err := account.PullNode(t.Context(), bridge.Work{})
		if err == nil || report.Moved() || signatures.Load() != 0 {
			t.Errorf("%q: %d signatures, %+v, %v", challenge, signatures.Load(), report, err)
		}
		if status, _ := account.Status(t.Context()); status.Node == nil || status.Node.Error == "" {
			t.Error("the status doesn't say so")
		}
		server.Close()
	}
}

// TestNodeMakesRoom: more comes from a node than the journal holds.
func TestNodeMakesRoom(t *testing.T) {
	post := deliverytest.New(t)
	alice, bob := deliverytest.NewPerson("alice.eth"), deliverytest.NewPerson("bob.eth")
	post.Register(alice.Name, alice.Profile)
	for i := range int64(30) {
		message := bob.Message(alice.Name, strings.Repeat("x", 100_000), i)
		post.Submit(alice.Name, deliverytest.Letter{Message: message, From: bob.Name, To: alice.Name, Receiver: alice, Service: bob.Profile}.Envelope())
	}
	d := besideNode(t, alice, "", post.URL)
	d.config.Cache.JournalLimit = 2 << 20
	account := open(t, d)
	report, err := account.PullNode(t.Context(), bridge.Work{})
	if err != nil || report.Acknowledged != 30 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestNoNode: an account without a node says so.
func TestNoNode(t *testing.T) {
	account := open(t, newDevice(t, "alice.eth"))
	if _, err := account.PullNode(t.Context(), bridge.Work{}); err == nil || !strings.Contains(err.Error(), "[account.node]") {
		t.Errorf("%v", err)
	}
	if status, _ := account.Status(t.Context()); status.Node != nil {
		t.Error("there is no node")
	}
	summary, err := account.Append(t.Context(), bytes.NewReader(nil), history.AppendOptions{})
	if err != nil || summary.Accepted != 0 {
		t.Errorf("%+v, %v", summary, err)
	}
}

// open opens the device's first account in this process.
func open(t *testing.T, d *device) *Account {
	t.Helper()
	o := d.options.AccountOptions
	o.Config = d.config
	account, err := OpenAccount(t.Context(), d.config.Accounts[0], o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	return account
}

// appAt is a dm3 app that stores messages at the current time.
func appAt(t *testing.T, node *nodetest.Server, owner deliverytest.Person) *deliverytest.App {
	t.Helper()
	app := deliverytest.NewApp(t, node.URL, owner)
	app.Now = time.Now
	return app
}
