package kubotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// service is a remote pinning service with a gateway. One that lies says that it has everything, and has nothing.
type service struct {
	lies bool
	pins map[string]string // names by root
	held map[string][]byte
}

// PinService gives the node a remote pinning service, and returns the gateway to what it keeps.
func (n *Node) PinService(name string, lies bool) (gateway http.Handler) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	one := &service{lies: lies, pins: make(map[string]string), held: make(map[string][]byte)}
	n.services[name] = one
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.network.mu.Lock()
		defer n.network.mu.Unlock()
		data, ok := one.held[strings.TrimPrefix(r.URL.Path, "/ipfs/")]
		if !ok {
			http.Error(w, "no such block", http.StatusNotFound)
			return
		}
		_, _ = w.Write(data) // the client's affair
	})
}

// RemotePins is how many roots a service has.
func (n *Node) RemotePins(name string) int {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	return len(n.services[name].pins)
}

func (n *Node) serviceOf(r *http.Request) (*service, error) {
	one, ok := n.services[r.URL.Query().Get("service")]
	if !ok {
		return nil, errors.New("service not known")
	}
	return one, nil
}

func (n *Node) remoteAdd(r *http.Request) (any, error) {
	one, err := n.serviceOf(r)
	if err != nil {
		return nil, err
	}
	identifier, err := n.follow(r.URL.Query().Get("arg"))
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("name")
	one.pins[identifier] = name
	if !one.lies {
		n.hand(one, identifier)
	}
	return map[string]string{"Cid": identifier, "Name": name, "Status": "queued"}, nil
}

// hand gives a service everything below an identifier.
func (n *Node) hand(one *service, identifier string) {
	one.held[identifier] = n.blocks[identifier].file
	for _, child := range n.blocks[identifier].links {
		n.hand(one, child)
	}
}

func (n *Node) remoteLs(r *http.Request) (any, error) {
	one, err := n.serviceOf(r)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	for identifier, name := range one.pins {
		if name == r.URL.Query().Get("name") {
			_ = json.NewEncoder(&lines).Encode(map[string]string{"Status": "pinned", "Cid": identifier, "Name": name}) // a buffer takes all
		}
	}
	return lines.Bytes(), nil
}

func (n *Node) remoteRm(r *http.Request) (any, error) {
	one, err := n.serviceOf(r)
	if err == nil {
		delete(one.pins, r.URL.Query().Get("cid"))
	}
	return nil, err
}
