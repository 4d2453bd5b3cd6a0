package webdav

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

const (
	depthSelf     = "0"
	depthChildren = "1"

	wantListing = `<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>`
	wantSpace   = `<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>`
)

// propfind asks for the properties of a collection, and with depthChildren of what lies in it.
func (s *Store) propfind(ctx context.Context, collection, depth string) ([]entry, *exchange) {
	return s.exchange(ctx, collection, mostAnswer).propfind(depth, wantListing)
}

// propfind is sent without gowebdav, whose listings end silently where the answer was cut off, whatever its size.
func (e *exchange) propfind(depth, wanted string) ([]entry, *exchange) {
	defer e.dog.Stop()
	request, err := http.NewRequestWithContext(e.ctx, "PROPFIND", e.address.String(), bytes.NewReader([]byte(wanted)))
	if err != nil {
		e.failure = err
		return nil, e
	}
	request.Header.Set("Depth", depth)
	request.Header.Set("Content-Type", "application/xml; charset=utf-8")
	answer, err := e.RoundTrip(request)
	if err != nil {
		return nil, e
	}
	defer answer.Body.Close()
	if e.status == http.StatusOK {
		e.failure = errNotWebDAV
	}
	if e.status != http.StatusMultiStatus {
		return nil, e
	}
	counted := &counting{Reader: answer.Body}
	entries, err := parseMultistatus(counted)
	if err == nil && e.size >= 0 && counted.bytes != e.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && e.failure == nil {
		e.failure = e.dog.Explain(err)
	}
	return entries, e
}

// counting counts what is read.
type counting struct {
	io.Reader
	bytes int64
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	return n, err
}

// child is what a collection holds.
type child struct {
	name       string // the last part of its address
	collection bool
	size       int64
}

// children returns what lies in a collection below the base: found is false where the server says that there is none.
func (s *Store) children(ctx context.Context, collection string) (found bool, all []child, err error) {
	entries, e := s.propfind(ctx, collection, depthChildren)
	if e.failure == nil && (e.status == http.StatusNotFound || e.status == http.StatusGone) {
		return false, nil, nil
	}
	if err := e.outcome(ctx, "list", collection, http.StatusMultiStatus); err != nil {
		return false, nil, err
	}
	if all, err = below(entries, path.Base("/"+collection)); err != nil {
		return false, nil, describe(ctx, "list", collection, err, providers.ErrTransient)
	}
	return true, all, nil
}

// below sorts a listing out. The collection itself must be in it, under its own name ("/" for the base, which proxies may
// call otherwise); its address there tells what lies in it, whatever a proxy has made of the beginning. Anything that is
// neither it nor in it makes the listing one of something else. The answers of servers that go deeper are understood.
func below(entries []entry, own string) ([]child, error) {
	self := -1
	for i, e := range entries {
		if e.path != "" && (self < 0 || len(e.path) < len(entries[self].path)) {
			self = i
		}
	}
	if self < 0 || !entries[self].collection || own != "/" && path.Base(entries[self].path) != own {
		return nil, fmt.Errorf("%w: the collection itself is not in it", errBroken)
	}
	begin := strings.TrimSuffix(entries[self].path, "/") + "/"
	all := make([]child, 0, len(entries)-1)
	for _, e := range entries {
		name, inside := strings.CutPrefix(e.path, begin)
		switch {
		case e.path == "" || e.path == entries[self].path:
			continue
		case !inside:
			return nil, fmt.Errorf("%w: it tells of what lies elsewhere", errBroken)
		case strings.Contains(name, "/"):
			continue
		case e.status == http.StatusNotFound || e.status == http.StatusGone:
			continue // deleted meanwhile
		}
		object := strings.HasSuffix(name, fileEnding) && !e.collection
		if (object || strings.HasSuffix(name, collectionEnding)) && (e.status != http.StatusOK || object && e.size < 0) {
			return nil, fmt.Errorf("%w: the server does not tell what %s is (%d)", errBroken, name, e.status)
		}
		all = append(all, child{name, e.collection, e.size})
	}
	return all, nil
}

// List implements providers.Store. A prefix with a "/" costs one request for each collection below it, mostly one; any
// other one a request for each container of the place, several at a time. The names of so many collections are held in
// memory.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if err := providers.ValidatePrefix(prefix); err != nil {
		return providers.Fail(err)
	}
	return func(yield func(providers.Object, error) bool) {
		var err error
		slash := strings.LastIndex(prefix, "/")
		if slash < 0 {
			err = s.listAll(ctx, prefix, yield)
		} else {
			folder := prefix[:slash+1]
			collection, _ := split(folder + "x")
			err = s.listFolder(ctx, collection, folder, prefix, yield)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(providers.Object{}, err)
		}
	}
}

// errStopped ends a listing whose reader has left the loop.
var errStopped = errors.New("stopped")

// listFolder yields what lies in a folder, and in those below it.
func (s *Store) listFolder(ctx context.Context, collection, folder, prefix string, yield func(providers.Object, error) bool) error {
	found, all, err := s.children(ctx, collection)
	if err != nil {
		return err
	}
	if !found { // no such container, or no such place
		return s.marked(ctx, "list", prefix)
	}
	s.known.add(collection)
	for _, c := range all {
		if name, ok := objectName(folder, c.name); ok && !c.collection && strings.HasPrefix(name, prefix) {
			if !yield(providers.Object{Name: name, Size: c.size}, nil) {
				return errStopped
			}
		}
	}
	for _, c := range all {
		if inner, ok := folderName(folder, c.name); ok && c.collection && matches(inner, prefix) {
			if err := s.listFolder(ctx, collection+c.name+"/", inner, prefix, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// listAll walks the whole place.
func (s *Store) listAll(ctx context.Context, prefix string, yield func(providers.Object, error) bool) error {
	found, all, err := s.children(ctx, "")
	if err != nil {
		return err
	}
	marked := false
	for _, c := range all {
		marked = marked || c.name == markerName && !c.collection
	}
	if !found || !marked {
		return describe(ctx, "list", prefix, ErrNoCollection, providers.ErrTransient)
	}
	var names []string
	for _, c := range all {
		if len(c.name) == spreadLength && c.collection {
			names = append(names, c.name)
		}
	}
	return s.listSpreads(ctx, names, prefix, yield)
}

// listSpreads walks several of the collections that spread containers at a time, and yields from one goroutine.
func (s *Store) listSpreads(parent context.Context, names []string, prefix string, yield func(providers.Object, error) bool) error {
	type result struct {
		object providers.Object
		err    error
	}
	ctx, cancel := context.WithCancel(parent)
	next, results := make(chan string, len(names)), make(chan result)
	for _, name := range names {
		next <- name
	}
	close(next)
	var workers sync.WaitGroup
	defer func() {
		cancel()
		workers.Wait()
	}()
	send := func(object providers.Object, err error) bool {
		select {
		case results <- result{object, err}:
			return err == nil
		case <-ctx.Done():
			return false
		}
	}
	for range min(s.properties.Parallel, len(names)) {
		workers.Go(func() {
			for name := range next {
				err := s.listSpread(ctx, name, prefix, send)
				if err != nil && !errors.Is(err, errStopped) {
					send(providers.Object{}, err)
				}
				if err != nil {
					return
				}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		if r.err != nil {
			return r.err
		}
		if !yield(r.object, nil) {
			return errStopped
		}
	}
	if err := parent.Err(); err != nil {
		return fmt.Errorf("webdav: list %s: %w", prefix, err)
	}
	return nil
}

// listSpread yields what lies in one of the collections that spread containers, and in those.
func (s *Store) listSpread(ctx context.Context, name, prefix string, yield func(providers.Object, error) bool) error {
	found, all, err := s.children(ctx, name+"/")
	if err != nil {
		return err
	}
	if !found { // it was there just now
		return s.marked(ctx, "list", prefix)
	}
	for _, c := range all {
		object, ok := objectName("", c.name)
		if ok && !c.collection && strings.HasPrefix(object, prefix) && spread(object) == name {
			if !yield(providers.Object{Name: object, Size: c.size}, nil) {
				return errStopped
			}
		}
		folder, ok := folderName("", c.name)
		if ok && c.collection && matches(folder, prefix) && spread(strings.TrimSuffix(folder, "/")) == name {
			if err := s.listFolder(ctx, name+"/"+c.name+"/", folder, prefix, yield); err != nil {
				return err
			}
		}
	}
	return nil
}
