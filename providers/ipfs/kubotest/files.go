package kubotest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// The tree of files (MFS): folders are blocks like any other, and every change makes new ones up to the root.

func (n *Node) filesCp(r *http.Request) (any, error) {
	paths := r.URL.Query()["arg"]
	if len(paths) != 2 || !strings.HasPrefix(paths[0], "/ipfs/") {
		return nil, fmt.Errorf("want content and a path, not %v", paths)
	}
	identifier, err := n.follow(paths[0])
	if err != nil {
		return nil, err
	}
	if _, err := n.fetch(identifier); err != nil { // its root, no more
		return nil, err
	}
	if _, err := n.at(paths[1]); err == nil {
		return nil, fmt.Errorf("cp: cannot put node in path %s: directory already has entry by that name", paths[1])
	}
	if parent := paths[1][:strings.LastIndex(paths[1], "/")]; r.URL.Query().Get("parents") != "true" && parent != "" {
		if _, err := n.at(parent); err != nil {
			return nil, err
		}
	}
	n.tree = n.with(n.tree, strings.Split(strings.Trim(paths[1], "/"), "/"), identifier)
	return nil, nil
}

func (n *Node) filesMkdir(r *http.Request) (any, error) {
	path := r.URL.Query().Get("arg")
	if _, err := n.at(path); err == nil {
		return nil, nil // with parents=true that is fine
	}
	n.tree = n.with(n.tree, strings.Split(strings.Trim(path, "/"), "/"), n.store(block{links: map[string]string{}}))
	return nil, nil
}

func (n *Node) filesRm(r *http.Request) (any, error) {
	for _, path := range r.URL.Query()["arg"] {
		if _, err := n.at(path); err == nil {
			n.tree = n.with(n.tree, strings.Split(strings.Trim(path, "/"), "/"), "")
		}
	}
	return nil, nil
}

func (n *Node) filesStat(r *http.Request) (any, error) {
	identifier, err := n.at(r.URL.Query().Get("arg"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"Hash": identifier, "Type": "directory"}, nil
}

// at is what lies at a path.
func (n *Node) at(path string) (identifier string, err error) {
	identifier = n.tree
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		next, ok := n.blocks[identifier].links[name]
		if !ok {
			return "", errNoFile
		}
		identifier = next
	}
	return identifier, nil
}

// with is a folder with a path set, or with "" removed.
func (n *Node) with(folder string, path []string, identifier string) string {
	links := maps.Clone(n.blocks[folder].links)
	if links == nil {
		links = make(map[string]string)
	}
	switch {
	case len(path) > 1:
		links[path[0]] = n.with(links[path[0]], path[1:], identifier)
	case identifier == "":
		delete(links, path[0])
	default:
		links[path[0]] = identifier
	}
	return n.store(block{links: links})
}
