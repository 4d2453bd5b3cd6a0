package kubotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// command is one call of the RPC, with the options that Kubo knows.
type command struct {
	options []string
	run     func(n *Node, r *http.Request) (any, error)
}

func commands() map[string]command {
	return map[string]command{
		"add":               {[]string{"pin", "cid-version", "raw-leaves", "quieter", "progress", "chunker"}, (*Node).add},
		"cat":               {[]string{"offset", "length", "progress"}, (*Node).cat},
		"ls":                {[]string{"size", "resolve-type"}, (*Node).ls},
		"files/cp":          {[]string{"parents", "flush"}, (*Node).filesCp},
		"files/mkdir":       {[]string{"parents", "cid-version", "flush"}, (*Node).filesMkdir},
		"files/rm":          {[]string{"recursive", "force", "flush"}, (*Node).filesRm},
		"files/stat":        {[]string{"hash", "size"}, (*Node).filesStat},
		"key/import":        {[]string{"format"}, (*Node).keyImport},
		"name/publish":      {[]string{"key", "resolve", "allow-offline", "lifetime", "ttl", "quieter"}, (*Node).namePublish},
		"name/resolve":      {[]string{"nocache", "recursive", "dht-timeout"}, (*Node).nameResolve},
		"pin/add":           {[]string{"recursive", "progress"}, (*Node).pinAdd},
		"pin/rm":            {[]string{"recursive"}, (*Node).pinRm},
		"pin/remote/add":    {[]string{"service", "name", "background"}, (*Node).remoteAdd},
		"pin/remote/ls":     {[]string{"service", "name", "status"}, (*Node).remoteLs},
		"pin/remote/rm":     {[]string{"service", "cid", "status", "force"}, (*Node).remoteRm},
		"repo/stat":         {[]string{"size-only"}, (*Node).repoStat},
		"version":           {nil, func(*Node, *http.Request) (any, error) { return map[string]string{"Version": "double"}, nil }},
		"swarm/peers":       {nil, func(*Node, *http.Request) (any, error) { return map[string]any{"Peers": nil}, nil }},
		"routing/findprovs": {nil, func(*Node, *http.Request) (any, error) { return nil, errTimeout }},
	}
}

// ServeHTTP implements http.Handler.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/api/v0/")
	one, known := commands()[name]
	switch {
	case !ok || !known:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		http.Error(w, "405 - Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	for option := range r.URL.Query() {
		if option != "arg" && option != "timeout" && !slices.Contains(one.options, option) {
			fail(w, http.StatusBadRequest, fmt.Sprintf("%s knows no option %s", name, option))
			return
		}
	}
	n.network.mu.Lock()
	n.asked[name]++
	status := 0
	if n.refuse != nil {
		status = n.refuse(name)
	}
	if status > 0 {
		n.network.mu.Unlock()
		fail(w, status, "refused by the test")
		return
	}
	answer, err := one.run(n, r)
	limit := patience(r)
	if n.patience > 0 {
		limit = min(limit, n.patience)
	}
	n.network.mu.Unlock()
	if status < 0 {
		fail(w, -status, "done, and refused by the test")
		return
	}
	if errors.Is(err, errTimeout) {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	switch data, bytes := answer.([]byte); {
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
	case bytes:
		_, _ = w.Write(data) // the client went away; that is its affair
	case answer != nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // as above
	}
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"Message": message, "Code": 0, "Type": "error"}) // the client's affair
}

func upload(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return nil, errors.New("no length")
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	part, err := form.NextPart()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(part)
}

func (n *Node) add(r *http.Request) (any, error) {
	data, err := upload(r)
	if err != nil {
		return nil, err
	}
	identifier := n.store(block{file: data})
	if r.URL.Query().Get("pin") != "false" {
		n.pins[identifier] = true
	}
	return map[string]string{"Name": "file", "Hash": identifier, "Size": strconv.Itoa(len(data))}, nil
}

func (n *Node) cat(r *http.Request) (any, error) {
	identifier, err := n.follow(r.URL.Query().Get("arg"))
	if err != nil {
		return nil, err
	}
	one, err := n.fetch(identifier)
	if err != nil {
		return nil, err
	}
	if one.links != nil {
		return nil, errors.New("this dag node is a directory")
	}
	data := one.file
	if text := r.URL.Query().Get("offset"); text != "" {
		offset, err := strconv.Atoi(text)
		if err != nil || offset > len(data) {
			return nil, errors.New("offset is beyond the file")
		}
		data = data[offset:]
	}
	if text := r.URL.Query().Get("length"); text != "" {
		length, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		data = data[:min(length, len(data))]
	}
	return append([]byte{}, data...), nil
}

func (n *Node) ls(r *http.Request) (any, error) {
	type link struct {
		Name, Hash string
		Size       int
		Type       int
	}
	type object struct {
		Hash  string
		Links []link
	}
	details := r.URL.Query().Get("size") != "false"
	var answer struct{ Objects []object }
	for _, path := range r.URL.Query()["arg"] {
		identifier, err := n.follow(path)
		if err != nil {
			return nil, err
		}
		folder, err := n.fetch(identifier)
		if err != nil {
			return nil, err
		}
		lines := []link{}
		for _, name := range slices.Sorted(maps.Keys(folder.links)) {
			line := link{Name: name, Hash: folder.links[name]}
			if details {
				child, err := n.describe(line.Hash)
				if err != nil {
					return nil, err
				}
				line.Type, line.Size = 2, len(child.file)
				if child.links != nil {
					line.Type = 1
				}
			}
			lines = append(lines, line)
		}
		answer.Objects = append(answer.Objects, object{Hash: path, Links: lines})
	}
	return answer, nil
}

// describe is what a folder says of a child: of a file of one block the folder knows all itself.
func (n *Node) describe(identifier string) (block, error) {
	for _, other := range n.network.nodes {
		if one, ok := other.blocks[identifier]; ok && one.links == nil && len(one.file) <= blockSize {
			return one, nil
		}
	}
	return n.fetch(identifier)
}

func (n *Node) keyImport(r *http.Request) (any, error) {
	file, err := upload(r)
	if err != nil {
		return nil, err
	}
	if len(file) != 68 || string(file[:4]) != "\x08\x01\x12\x40" {
		return nil, errors.New("no Ed25519 key in libp2p-protobuf-cleartext")
	}
	name := r.URL.Query().Get("arg")
	if _, twice := n.keys[name]; twice {
		return nil, fmt.Errorf("key with name '%s' already exists", name)
	}
	identifier := append([]byte("\x01\x72\x00\x24\x08\x01\x12\x20"), file[36:]...)
	n.keys[name] = "k" + new(big.Int).SetBytes(identifier).Text(36)
	return map[string]string{"Name": name, "Id": n.keys[name]}, nil
}

// namePublish: the last one wins, whoever it is, and nobody is told.
func (n *Node) namePublish(r *http.Request) (any, error) {
	name, ok := n.keys[r.URL.Query().Get("key")]
	if !ok {
		return nil, errors.New("no key by the given name was found")
	}
	target := r.URL.Query().Get("arg")
	n.names[name], n.cache[name] = target, target
	if !n.cut {
		n.network.names[name] = target
	}
	return map[string]string{"Name": name, "Value": target}, nil
}

// nameResolve: stale unless told otherwise.
func (n *Node) nameResolve(r *http.Request) (any, error) {
	name := r.URL.Query().Get("arg")
	if n.withheld[name] {
		return nil, errTimeout
	}
	target, ok := n.cache[name]
	if r.URL.Query().Get("nocache") == "true" || !ok {
		if fresh, known := n.network.names[name]; known && !n.cut {
			target, ok = fresh, true
		} else if fresh, known := n.names[name]; known && n.cut {
			target, ok = fresh, true
		}
	}
	if !ok {
		return nil, errNoName
	}
	n.cache[name] = target
	return map[string]string{"Path": target}, nil
}

func (n *Node) pinAdd(r *http.Request) (any, error) {
	identifier, err := n.follow(r.URL.Query().Get("arg"))
	if err == nil {
		err = n.all(identifier)
	}
	if err != nil {
		return nil, err
	}
	n.pins[identifier] = true
	return map[string][]string{"Pins": {identifier}}, nil
}

func (n *Node) pinRm(r *http.Request) (any, error) {
	identifier := strings.TrimPrefix(r.URL.Query().Get("arg"), "/ipfs/")
	if !n.pins[identifier] {
		return nil, errors.New("not pinned or pinned indirectly")
	}
	delete(n.pins, identifier)
	return map[string][]string{"Pins": {identifier}}, nil
}

func (n *Node) repoStat(*http.Request) (any, error) {
	size := 0
	for _, one := range n.blocks {
		size += len(one.file)
	}
	return map[string]int{"RepoSize": size, "StorageMax": 10_000_000_000}, nil
}
