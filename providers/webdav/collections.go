package webdav

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

// mostKnown bounds the collections that are remembered; beyond it remembering begins anew, which costs a request each.
const mostKnown = 20_000

// collections remembers which collections there are. It may be wrong: somebody else may remove one.
type collections struct {
	mutex sync.Mutex
	paths map[string]struct{}
}

func (c *collections) has(path string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	_, known := c.paths[path]
	return known
}

func (c *collections) add(path string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.paths == nil || len(c.paths) >= mostKnown {
		c.paths = make(map[string]struct{})
	}
	c.paths[path] = struct{}{}
}

func (c *collections) forget(path string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.paths, path)
}

// ensure sees to it that a collection below the base is there. Those above it are made only after a look at the marker:
// what is missing may be the whole place. Doubt is set where the server refused, and the collection may be there all the
// same: Apache says 403 when two make one at the same time, and some servers look at permissions first. The put will show.
func (s *Store) ensure(ctx context.Context, collection string) (doubt, err error) {
	e := s.mkcol(ctx, collection)
	if e.missing() {
		if err := s.marked(ctx, "put into", collection); err != nil {
			return nil, err
		}
		for i := range len(collection) {
			if collection[i] != '/' {
				continue
			}
			e = s.mkcol(ctx, collection[:i+1])
			if e.status != http.StatusForbidden && e.outcome(ctx, "", "", made...) != nil {
				break
			}
		}
	}
	err = e.outcome(ctx, "make collection", collection, made...)
	if e.failure == nil && e.status == http.StatusForbidden {
		return err, nil
	}
	return nil, err
}

// made are the answers to MKCOL that leave a collection there; 405 is for one that was there before (RFC 4918, 9.3.1).
var made = []int{http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusMethodNotAllowed}

// missing reports whether the server says that there is no such file or collection, or with 409, none above it.
func (e *exchange) missing() bool {
	return e.failure == nil && (e.status == http.StatusNotFound || e.status == http.StatusGone || e.status == http.StatusConflict)
}

// mkcol asks for one collection.
func (s *Store) mkcol(ctx context.Context, collection string) *exchange {
	return s.exchange(ctx, collection, 0).mkcol()
}

func (e *exchange) mkcol() *exchange {
	defer e.dog.Stop()
	//nolint:errcheck // the exchange knows more
	e.client().Mkdir(anything, 0)
	return e
}

// marked looks for the marker in the base collection: ErrNoCollection where it is not.
func (s *Store) marked(ctx context.Context, operation, name string) error {
	text, e := s.read(ctx, markerName)
	if e.missing() {
		return describe(ctx, operation, name, ErrNoCollection, providers.ErrTransient)
	}
	if err := e.outcome(ctx, operation, name, http.StatusOK); err != nil {
		return err
	}
	if !strings.HasPrefix(string(text), "dm3sync ") {
		return describe(ctx, operation, name, fmt.Errorf("%s holds something else: %w", markerName, errNotWebDAV), providers.ErrTransient)
	}
	return nil
}

// Create makes the base collection, unless it is there, with those above it where the server lets it, and puts the marker
// in. It may be repeated.
func Create(ctx context.Context, options *Options) error {
	s, err := New(options)
	if err != nil {
		return err
	}
	defer s.transport.CloseIdleConnections()
	_, e := s.propfind(ctx, "", depthSelf)
	if e.missing() {
		err = s.makeBase(ctx)
	} else {
		err = e.outcome(ctx, "look at", s.base.Path, http.StatusMultiStatus)
	}
	if err != nil {
		return err
	}
	found, e := s.read(ctx, markerName)
	if e.status == http.StatusOK && e.failure == nil && len(found) > 0 {
		return s.marked(ctx, "look at", markerName)
	}
	if e.failure != nil || e.status != http.StatusNotFound && e.status != http.StatusOK { // only none, or an empty one, is written
		return e.outcome(ctx, "look at", markerName)
	}
	e = s.write(ctx, markerName, []byte(markerText))
	if err := e.outcome(ctx, "put", markerName, http.StatusOK, http.StatusCreated, http.StatusNoContent); err != nil {
		return err
	}
	return s.marked(ctx, "look at", markerName)
}

// makeBase makes the base collection: from itself upwards until one is made, as servers refuse to answer for those above
// the user's own, and then down again.
func (s *Store) makeBase(ctx context.Context) error {
	steps := strings.Split(strings.Trim(s.base.EscapedPath(), "/"), "/")
	above := func(up int) *exchange {
		e := s.exchange(ctx, "", 0)
		e.address.RawPath = "/" + strings.Join(steps[:len(steps)-up], "/") + "/"
		e.address.Path, _ = url.PathUnescape(e.address.RawPath) // it came from there
		return e.mkcol()
	}
	up := 0
	e := above(up)
	for e.missing() && up < len(steps)-1 {
		up++
		e = above(up)
	}
	for up > 0 && e.outcome(ctx, "", "", made...) == nil {
		up--
		e = above(up)
	}
	if e.failure == nil && (e.status == http.StatusNotFound || e.status == http.StatusGone) { // not even one at the top
		e.failure = errNotWebDAV
	}
	return e.outcome(ctx, "make", s.base.Path, made...)
}
