package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// bridgedFolder, bridgedNode and bridgedPost tell the process that is killed where things are.
const (
	bridgedFolder = "DM3SYNC_TEST_BRIDGED_FOLDER"
	bridgedNode   = "DM3SYNC_TEST_BRIDGED_NODE"
	bridgedPost   = "DM3SYNC_TEST_BRIDGED_POST"
)

// bridgedDevice is a device in a folder, bridged to a node and a delivery service.
func bridgedDevice(t *testing.T, folder string, owner deliverytest.Person, node, post string) *device {
	d := besideNode(t, owner, node, post)
	d.config.Data, d.config.Socket = folder, filepath.Join(folder, "agent.sock")
	d.options.Open = func(context.Context, config.Account) (providers.Store, error) {
		return local.New(filepath.Join(folder, "place"), nil)
	}
	return d
}

// TestBridgeToKill is the process that is killed; by itself it does nothing.
func TestBridgeToKill(t *testing.T) {
	folder := os.Getenv(bridgedFolder)
	if folder == "" {
		t.Skip("only runs as a child of TestBridgeKilled")
	}
	owner := deliverytest.Person(nodetest.New(t).Account(1)) // its keys come of the number
	d := bridgedDevice(t, folder, owner, os.Getenv(bridgedNode), os.Getenv(bridgedPost))
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(a.Run(t.Context()))
}

// TestBridgeKilled: kill -9 at any time, while messages come from the node and the
// delivery service and go to the node: everything arrives everywhere, once.
func TestBridgeKilled(t *testing.T) {
	node, post := nodetest.New(t), deliverytest.New(t)
	alice, bob := deliverytest.Person(node.Account(1)), deliverytest.Person(node.Account(2))
	post.Register(alice.Name, alice.Profile)
	folder := newDevice(t).config.Data
	if err := local.Create(filepath.Join(folder, "place")); err != nil {
		t.Fatal(err)
	}
	app := appAt(t, node, alice)
	var want []string
	for round := range int64(5) {
		for i := range int64(12) {
			stored, waiting := bob.Message(alice.Name, fmt.Sprint("stored ", i), 100*round+i), bob.Message(alice.Name, fmt.Sprint("waiting ", i), 100*round+50+i)
			app.Store(bob.Name, stored)
			post.Submit(alice.Name, deliverytest.Letter{Message: waiting, From: bob.Name, To: alice.Name, Receiver: alice, Service: bob.Profile}.Envelope())
			want = append(want, deliverytest.Hash(stored), deliverytest.Hash(waiting))
		}
		command := exec.Command(os.Args[0], "-test.run=^TestBridgeToKill$")
		command.Env = append(os.Environ(), bridgedFolder+"="+folder, bridgedNode+"="+node.URL, bridgedPost+"="+post.URL)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		before := node.Requests("")
		wait(t, "requests of the process", func() bool { return node.Requests("") > before+rand.IntN(12) })
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
	}
	d := bridgedDevice(t, folder, alice, node.URL, post.URL)
	client, stop := d.start()
	until(t, client, alice.Name, func(s api.AccountStatus) bool {
		return s.Node != nil && s.Node.Error == "" && !s.Node.LastSuccess.IsZero()
	})
	wait(t, "rest", func() bool {
		report, err := client.PullNode(t.Context(), alice.Name, bridge.Work{Full: true})
		return err == nil && !report.Moved()
	})
	page, err := client.Messages(t.Context(), alice.Name, bob.Name, engine.Range{})
	if err != nil {
		t.Fatal(err)
	}
	var inTree []string
	for _, envelope := range page.Messages {
		inTree = append(inTree, envelope.Hash.String())
	}
	atNode := app.Read(bob.Name)
	slices.Sort(want)
	slices.Sort(inTree)
	slices.Sort(atNode)
	if !slices.Equal(inTree, want) || !slices.Equal(atNode, want) || post.Waiting(alice.Name) != 0 {
		t.Errorf("%d messages in the tree and %d at the node of %d, %d wait", len(inTree), len(atNode), len(want), post.Waiting(alice.Name))
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
