package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/identity"
)

// The words of node.directions.
const (
	DirectionPull = "pull" // conversations and messages of the node come into the tree
	DirectionPush = "push" // new messages of the tree go to the node
	DirectionBoth = "both"
)

// Defaults of [account.node].
const (
	DefaultNodeInterval = DefaultInterval
	DefaultNodeFull     = Duration(7 * 24 * time.Hour) // it reads everything
)

// Node is the [account.node] table: the dm3 node whose storage service the user's
// app uses beside dm3sync, and the delivery service where messages wait.
type Node struct {
	URL         string   `toml:"url"`          // of the node's backend; empty: none
	Delivery    string   `toml:"delivery"`     // URL of the delivery service; empty: nothing is picked up
	DeliveryKey string   `toml:"delivery_key"` // the delivery service's public signing key, base64; empty: postmarks are not checked
	Name        string   `toml:"name"`         // under which the app uses both; default: the account's name
	Directions  string   `toml:"directions"`   // pull (default), push, both
	Interval    Duration `toml:"interval"`     // between looks; default 60s
	Full        Duration `toml:"full"`         // between looks at everything; default 168h
	CAFile      string   `toml:"ca_file"`      // further certificate authorities, PEM
	Proxy       string   `toml:"proxy"`        // URL; empty: HTTPS_PROXY and so on
}

// InUse tells whether there is anything to bridge to.
func (n Node) InUse() bool { return n.URL != "" || n.Delivery != "" }

// Pulls tells whether the node's messages come into the tree.
func (n Node) Pulls() bool { return n.URL != "" && n.Directions != DirectionPush }

// Pushes tells whether the tree's messages go to the node.
func (n Node) Pushes() bool { return n.URL != "" && n.Directions != DirectionPull }

// complete fills in what is left out; account is the account's normalised name.
func (n *Node) complete(account string) error {
	if !n.InUse() {
		return nil
	}
	setDefault(&n.Name, account)
	setDefault(&n.Directions, DirectionPull)
	setDefault(&n.Interval, DefaultNodeInterval)
	setDefault(&n.Full, DefaultNodeFull)
	var err error
	n.Name, err = normalize(n.Name)
	return err
}

func (n *Node) check() []string {
	if !n.InUse() {
		return []string{unless(*n == Node{}, "[account.node] needs a url, a delivery, or both")}
	}
	checks := []string{
		oneOf("node.directions", n.Directions, DirectionPull, DirectionPush, DirectionBoth),
		unless(n.Interval > 0 && n.Full >= n.Interval, "node: interval must be positive, and full not shorter"),
		unless(!strings.ContainsAny(n.Name, "/%?#"), "node.name holds a character that no dm3 name in an address may have"),
	}
	if n.DeliveryKey != "" {
		_, err := identity.ParseKey(n.DeliveryKey)
		checks = append(checks, unless(err == nil, "node.delivery_key must be 32 bytes in base64, as the delivery service publishes it"))
	}
	for _, address := range []struct{ name, value string }{{"url", n.URL}, {"delivery", n.Delivery}, {"proxy", n.Proxy}} {
		checks = append(checks, unless(validURL(address.value), "node."+address.name+" must be an http or https URL without user name, such as https://host.example.org"))
	}
	return checks
}

// warnings are sentences about what works but is probably not meant.
func (n *Node) warnings() (sentences []string) {
	for _, address := range []string{n.URL, n.Delivery} {
		if inTheOpen(address) {
			sentences = append(sentences, fmt.Sprintf("%s is not https: others on the way can see the token, and withhold messages or add forged ones with it, though not read them", address))
		}
	}
	if n.Delivery != "" && n.URL != "" && !n.Pushes() {
		sentences = append(sentences, "what is picked up from the delivery service never reaches an app at the node: set node.directions = \"both\"")
	}
	return sentences
}
