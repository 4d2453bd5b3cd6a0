package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// nodeFor starts a dm3 node and a delivery service for a script: an app stored three messages there, one of them forged,
// and two wait. $NODE, $DELIVERY, $NODE_NAME and the file node.key say how to use them; the senders are $NODE_PEER and
// $NODE_FORGER.
func nodeFor(t *testing.T, env *testscript.Env) error {
	node, post := nodetest.New(t), deliverytest.New(t)
	one, two, three := node.Account(1), node.Account(2), node.Account(3)
	alice, bob := deliverytest.Person(one), deliverytest.Person(two)
	post.Register(alice.Name, alice.Profile)
	key := alice.Profile.StorageKey()
	if err := os.WriteFile(env.WorkDir+"/node.key", []byte(identity.EncodeKey(key[:])+"\n"), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{"NODE": node.URL, "DELIVERY": post.URL, "NODE_NAME": alice.Name, "NODE_PEER": bob.Name} {
		env.Setenv(name, value)
	}
	for i := range int64(2) {
		post.Submit(alice.Name, deliverytest.Letter{
			Message: bob.Message(alice.Name, fmt.Sprint("waiting ", i), 1700000001000+i), From: bob.Name, To: alice.Name,
			Receiver: alice, Service: three.Profile, Received: 1700000002000,
		}.Envelope())
	}
	deliverytest.NewApp(t, node.URL, alice).Store(bob.Name,
		bob.Message(alice.Name, "stored", 1700000000000), alice.Message(bob.Name, "answered", 1700000000001),
		deliverytest.SignMessage(three.Profile, bob.Name, alice.Name, "forged", 1700000000002))
	return nil
}
