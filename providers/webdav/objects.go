package webdav

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/dm3sync/dm3sync/providers"
	"golang.org/x/sync/errgroup"
)

// mostDeletions is how many requests of one deletion are under way at once.
const mostDeletions = 4

// Put implements providers.Store: one request, and one more for the first object in a collection since New.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := providers.ValidateName(name); err != nil {
		return err
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("webdav: put %s: %w", name, providers.ErrTooLarge)
	}
	collection, file := split(name)
	known := s.known.has(collection)
	var doubt error
	if !known {
		var err error
		if doubt, err = s.ensure(ctx, collection); err != nil {
			return err
		}
	}
	e := s.write(ctx, collection+file, data)
	gone := e.missing() || e.failure == nil && e.status == http.StatusInternalServerError // the latter is nginx's word for it
	if gone && known && ctx.Err() == nil {                                                // somebody may have removed the collection meanwhile
		s.known.forget(collection)
		var err error
		if doubt, err = s.ensure(ctx, collection); err != nil {
			return err
		}
		e = s.write(ctx, collection+file, data)
	}
	if e.missing() {
		s.known.forget(collection)
		if doubt == nil { // it was there a moment ago: somebody has removed it since, or a part of the server does not know it yet
			doubt = describe(ctx, "put", name, &statusError{e.status}, providers.ErrTransient)
		}
		return doubt
	}
	if err := e.outcome(ctx, "put", name, http.StatusOK, http.StatusCreated, http.StatusNoContent); err != nil {
		s.known.forget(collection)
		return err
	}
	s.known.add(collection)
	return nil
}

// write sends a file to the path, with its length. A web page in the answer's place is a failure.
func (s *Store) write(ctx context.Context, path string, data []byte) *exchange {
	e := s.exchange(ctx, path, 0)
	defer e.dog.Stop()
	//nolint:errcheck // the exchange knows more
	e.client().Write(anything, data, 0)
	if e.status == http.StatusOK && strings.HasPrefix(e.header.Get("Content-Type"), "text/html") {
		e.failure = errNotWebDAV // servers of WebDAV answer 201 or 204
	}
	return e
}

// Get implements providers.Store. An absent object costs a second request, which tells it from an absent place.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	if err := providers.ValidateName(name); err != nil {
		return nil, err
	}
	collection, file := split(name)
	data, e := s.read(ctx, collection+file)
	if e.status == http.StatusNotFound || e.status == http.StatusGone {
		return nil, s.absent(ctx, name)
	}
	if err := e.outcome(ctx, "get", name, http.StatusOK); err != nil {
		return nil, err
	}
	s.known.add(collection)
	return data, nil
}

// read gets the file at the path.
func (s *Store) read(ctx context.Context, path string) ([]byte, *exchange) {
	e := s.exchange(ctx, path, s.properties.MaxObject)
	defer e.dog.Stop()
	body, err := e.client().ReadStream(anything)
	if err != nil {
		return nil, e
	}
	return e.collect(body, e.size), e
}

// collect reads a body whose length is known, or -1.
func (e *exchange) collect(body io.ReadCloser, size int64) []byte {
	defer body.Close()
	data, err := e.dog.Read(body, size, e.limit)
	if err != nil && e.failure == nil {
		e.failure = e.dog.Explain(err)
	}
	return data
}

// absent is the answer to a get that ended with 404.
func (s *Store) absent(ctx context.Context, name string) error {
	if err := s.marked(ctx, "get", name); err != nil {
		return err
	}
	return fmt.Errorf("webdav: get %s: %w", name, providers.ErrNotFound)
}

// GetRange implements providers.Store. Servers that ignore ranges are understood.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, err
	}
	if err := providers.ValidateName(name); err != nil {
		return nil, err
	}
	// Servers need not know numbers that no object reaches. One byte above the limit shows that the object goes on.
	offset = min(offset, 1<<60)
	wanted := min(length, s.properties.MaxObject+1)
	collection, file := split(name)
	e := s.exchange(ctx, collection+file, s.properties.MaxObject)
	defer e.dog.Stop()
	var data []byte
	body, err := e.client().ReadStreamRange(anything, offset, wanted)
	if err == nil {
		data = e.collect(body, -1)
	}
	switch e.status {
	case http.StatusNotFound, http.StatusGone:
		return nil, s.absent(ctx, name)
	case http.StatusRequestedRangeNotSatisfiable:
		return []byte{}, nil // the object is there, and ends before
	case http.StatusPartialContent:
		if e.failure == nil && !rightRange(e.header.Get("Content-Range"), offset, wanted, int64(len(data))) {
			e.failure = fmt.Errorf("another range than was asked for: %w", io.ErrUnexpectedEOF)
		}
	case http.StatusOK: // gowebdav has skipped what came before
		if wanted < int64(len(data)) {
			data = data[:wanted]
		}
	}
	if err := e.outcome(ctx, "get", name, http.StatusOK, http.StatusPartialContent); err != nil {
		return nil, err
	}
	return data, nil
}

// rightRange reports whether a Content-Range ("bytes 3-5/10") is what was asked for, and whole.
func rightRange(header string, offset, wanted, got int64) bool {
	text, ok := strings.CutPrefix(header, "bytes ")
	part, total, whole := strings.Cut(text, "/")
	from, to, span := strings.Cut(part, "-")
	first, err := strconv.ParseInt(from, 10, 64)
	if !ok || !whole || !span || err != nil || first != offset {
		return false
	}
	last, err := strconv.ParseInt(to, 10, 64)
	if err != nil || last < first || last-first+1 != got || got > wanted {
		return false
	}
	size, err := strconv.ParseInt(total, 10, 64)
	return got == wanted || total == "*" || err == nil && last == size-1
}

// Delete implements providers.Store, one request for each name. Collections stay when they are empty: removing one would
// remove what another device puts into it at that moment.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	unique := make(map[string]bool, len(names))
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return err
		}
		unique[name] = true
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(min(mostDeletions, s.properties.Parallel))
	var missing atomic.Bool
	for name := range unique {
		group.Go(func() error {
			e := s.exchange(within, path.Join(split(name)), 0)
			defer e.dog.Stop()
			//nolint:errcheck // the exchange knows more
			e.client().Remove(anything)
			if e.status == http.StatusNotFound || e.status == http.StatusGone {
				missing.Store(true)
				return nil
			}
			return e.outcome(within, "delete", name, http.StatusOK, http.StatusNoContent)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if missing.Load() { // with the place itself missing, nothing was deleted
		return s.marked(ctx, "delete", "")
	}
	return nil
}
