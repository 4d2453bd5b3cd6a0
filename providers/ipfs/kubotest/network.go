// Package kubotest has what tests of IPFS need: a double of Kubo nodes in this process, with the habits that matter (names
// that are resolved from a cache unless told otherwise, blocks that never come, two publishers of one name of whom one is
// lost in silence, faults on demand), and a starter for real nodes of the test's own. Only tests import it.
package kubotest

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// blockSize is where the double, like a node that is told so, begins to cut files into several blocks.
const blockSize = 1 << 20

// block is a file, or a folder of links.
type block struct {
	file  []byte
	links map[string]string // nil: a file
}

// Network is what some nodes have in common.
type Network struct {
	mu    sync.Mutex
	nodes []*Node
	names map[string]string // what a name leads to for nodes that are not cut off
}

// New makes a network without nodes.
func New() *Network { return &Network{names: make(map[string]string)} }

// Node is one node, at the address of its server; stop it with Close.
type Node struct {
	*httptest.Server
	network  *Network
	blocks   map[string]block
	pins     map[string]bool
	keys     map[string]string // by the key's name: the IPNS name
	names    map[string]string // records of its own, for when it is cut off
	cache    map[string]string // what it resolved before
	tree     string            // root of the tree of files
	cut      bool
	withheld map[string]bool // identifiers that never come
	patience time.Duration   // of the node itself; 0: as long as it is told to wait
	refuse   func(command string) int
	asked    map[string]int // calls by command
	services map[string]*service
}

// Add makes a node that can reach all others.
func (n *Network) Add() *Node {
	node := &Node{
		network: n, blocks: make(map[string]block), pins: make(map[string]bool), keys: make(map[string]string),
		names: make(map[string]string), cache: make(map[string]string), withheld: make(map[string]bool), asked: make(map[string]int),
		services: make(map[string]*service),
	}
	node.tree = node.store(block{links: map[string]string{}})
	node.Server = httptest.NewServer(node)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes = append(n.nodes, node)
	return node
}

// Cut separates the node from the others, or joins it to them again; its RPC goes on. As it joins, its names are announced.
func (n *Node) Cut(cut bool) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.cut = cut
	if !cut {
		maps.Copy(n.network.names, n.names)
	}
}

// Withhold makes the content of an identifier never come, whoever has it, until it is given again.
func (n *Node) Withhold(identifier string, withheld bool) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.withheld[identifier] = withheld
}

// GiveUp lets the node say of what never comes that it does not after a while, however long it is told to wait; 0 ends that.
// So a test can have stores wait long for what a busy machine answers late.
func (n *Node) GiveUp(after time.Duration) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.patience = after
}

// Refuse answers calls with the status that the function gives, instead of doing anything; with a negative one the call is
// done, and its answer lost all the same. 0 lets a call pass, nil all.
func (n *Node) Refuse(status func(command string) int) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.refuse = status
}

// Asked is how often a command was called.
func (n *Node) Asked(command string) int {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	return n.asked[command]
}

// Collect is garbage collection: what neither the tree of files nor a pin holds is gone from the node.
func (n *Node) Collect() {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	kept := make(map[string]bool)
	n.keep(n.tree, kept)
	for pin := range n.pins {
		n.keep(pin, kept)
	}
	maps.DeleteFunc(n.blocks, func(identifier string, _ block) bool { return !kept[identifier] })
}

func (n *Node) keep(identifier string, kept map[string]bool) {
	one, ok := n.blocks[identifier]
	if !ok || kept[identifier] {
		return
	}
	kept[identifier] = true
	for _, child := range one.links {
		n.keep(child, kept)
	}
}

// Copy is what a backup of the node holds; Restore brings it back, also on another node.
func (n *Node) Copy() (restore func(to *Node)) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	blocks, keys, names, tree := maps.Clone(n.blocks), maps.Clone(n.keys), maps.Clone(n.names), n.tree
	return func(to *Node) {
		to.network.mu.Lock()
		defer to.network.mu.Unlock()
		to.blocks, to.keys, to.names, to.tree = maps.Clone(blocks), maps.Clone(keys), maps.Clone(names), tree
	}
}

// Has tells whether the node holds some bytes itself.
func (n *Node) Has(data []byte) bool {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	_, ok := n.blocks[identify(block{file: data})]
	return ok
}

// Identifier is what the double calls some bytes.
func Identifier(data []byte) string { return identify(block{file: data}) }

func identify(one block) string {
	hash, codec := sha256.New(), byte(0x55) // raw
	hash.Write(one.file)
	if one.links != nil {
		codec = 0x70 // a folder
	}
	for _, name := range slices.Sorted(maps.Keys(one.links)) {
		hash.Write([]byte(name + "/" + one.links[name] + "\n"))
	}
	identifier := append([]byte{0x01, codec, 0x12, 0x20}, hash.Sum(nil)...)
	return "b" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(identifier))
}

func (n *Node) store(one block) string {
	identifier := identify(one)
	n.blocks[identifier] = one
	return identifier
}

// What Kubo says.
var (
	errTimeout = errors.New("context deadline exceeded")
	errNoLink  = errors.New("no link named")
	errNoFile  = errors.New("file does not exist")
	errNoName  = errors.New("could not resolve name")
)

// fetch gets one block from wherever it is; what is nowhere in reach is errTimeout, after the time that the caller waits.
func (n *Node) fetch(identifier string) (block, error) {
	if one, ok := n.blocks[identifier]; ok && !n.withheld[identifier] {
		return one, nil
	}
	for _, other := range n.network.nodes {
		one, ok := other.blocks[identifier]
		if ok && !n.withheld[identifier] && !n.cut && !other.cut {
			n.blocks[identifier] = one
			return one, nil
		}
	}
	return block{}, errTimeout
}

// follow walks a path (/ipfs/identifier/name/…).
func (n *Node) follow(path string) (identifier string, err error) {
	parts := strings.Split(strings.TrimPrefix(path, "/ipfs/"), "/")
	identifier = parts[0]
	for _, name := range parts[1:] {
		one, err := n.fetch(identifier)
		if err != nil {
			return "", err
		}
		next, ok := one.links[name]
		if !ok {
			return "", fmt.Errorf("%w %q under %s", errNoLink, name, identifier)
		}
		identifier = next
	}
	return identifier, nil
}

// all fetches everything below an identifier.
func (n *Node) all(identifier string) error {
	one, err := n.fetch(identifier)
	if err != nil {
		return err
	}
	for _, child := range one.links {
		if err := n.all(child); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long a call waits for what does not come.
func patience(r *http.Request) time.Duration {
	if limit, err := time.ParseDuration(r.URL.Query().Get("timeout")); err == nil {
		return limit
	}
	return time.Minute
}
