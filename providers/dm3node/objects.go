package dm3node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// indexOf is the index of an object.
func (s *Store) indexOf(name string) *index {
	container, _ := containerOf(name)
	return s.indexes[bucketOf(container)]
}

// Put implements providers.Store: the bytes first, then their name. What fails between leaves bytes that nobody names.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := providers.ValidateName(name); err != nil {
		return fmt.Errorf("dm3node: put: %w", err)
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("dm3node: put %s: %w: %d bytes", name, providers.ErrTooLarge, len(data))
	}
	x := s.indexOf(name)
	lane, place, err := s.putBody(ctx, data)
	if err != nil {
		return describe(ctx, "put", name, err)
	}
	e := event{Kind: kindPut, ID: randomID(), Name: name, Size: int64(len(data)), Lane: lane, Place: place}
	if err := s.write(ctx, x, e); err != nil {
		x.remember(name, e.ID)
		return describe(ctx, "put", name, err)
	}
	s.turnIfDue(ctx, x)
	return nil
}

// Get implements providers.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	if err := providers.ValidateName(name); err != nil {
		return nil, fmt.Errorf("dm3node: get: %w", err)
	}
	data, err := s.get(ctx, name)
	if err != nil {
		return nil, describe(ctx, "get", name, err)
	}
	return data, nil
}

// get looks at the index when the name is not known, and once more when its bytes are gone: only the index tells whether
// an object was deleted.
func (s *Store) get(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := s.indexOf(name)
	puts := x.find(name)
	for again := range 2 {
		if len(puts) == 0 || again > 0 {
			if err := s.look(ctx, x); err != nil {
				return nil, err
			}
			puts = x.find(name)
		}
		lost := false
		for i := range puts {
			data, err := s.open(ctx, &puts[i])
			if err == nil {
				return data, nil
			}
			if !errors.Is(err, errLost) {
				return nil, err
			}
			lost = true
		}
		if !lost {
			return nil, providers.ErrNotFound
		}
		x.suspect()
	}
	return nil, fmt.Errorf("%w: %w", providers.ErrNotFound, errLost)
}

// open returns a put's bytes; errLost where the record is gone or was emptied.
func (s *Store) open(ctx context.Context, p *event) ([]byte, error) {
	text, err := s.getBody(ctx, p.Lane, p.Place)
	if err != nil {
		return nil, err
	}
	if text == "" && p.Size > 0 {
		return nil, errLost
	}
	if int64(base64.StdEncoding.DecodedLen(len(text))) > s.properties.MaxObject+2 {
		return nil, fmt.Errorf("%w: %d bytes of base64", providers.ErrTooLarge, len(text))
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return []byte(text), nil //nolint:nilerr // damaged: whoever opens the seal says so
	}
	return data, nil
}

// GetRange implements providers.Store: the service gives records whole.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, fmt.Errorf("dm3node: get %s: %w", name, err)
	}
	data, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	offset = min(offset, int64(len(data)))
	return data[offset : offset+min(length, int64(len(data))-offset)], nil
}

// List implements providers.Store. Below one container it looks at one index, else at all.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if err := providers.ValidatePrefix(prefix); err != nil {
		return providers.Fail(fmt.Errorf("dm3node: list: %w", err))
	}
	looked := s.indexes[:]
	if container, whole := containerOf(prefix); whole {
		looked = s.indexes[bucketOf(container) : bucketOf(container)+1]
	}
	return func(yield func(providers.Object, error) bool) {
		for _, x := range looked {
			err := ctx.Err()
			if err == nil {
				err = s.look(ctx, x)
			}
			if err != nil {
				yield(providers.Object{}, describe(ctx, "list", fmt.Sprintf("%q", prefix), err))
				return
			}
			for _, object := range x.list(prefix) {
				if !yield(object, nil) {
					return
				}
			}
		}
	}
}

// list returns the objects whose names begin so.
func (x *index) list(prefix string) (objects []providers.Object) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for name, ids := range x.state.names {
		if strings.HasPrefix(name, prefix) {
			objects = append(objects, providers.Object{Name: name, Size: x.state.puts[ids[0]].event.Size})
		}
	}
	return objects
}

// Delete implements providers.Store: the bytes are emptied first, then the names are taken back. What fails between leaves
// a name without bytes, which is deleted again as any other.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	byIndex := make(map[*index][]string)
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return fmt.Errorf("dm3node: delete: %w", err)
		}
		byIndex[s.indexOf(name)] = append(byIndex[s.indexOf(name)], name)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("dm3node: delete: %w", err)
	}
	for x, names := range byIndex {
		if err := s.deleteFrom(ctx, x, names); err != nil {
			return describe(ctx, "delete", fmt.Sprintf("%d objects", len(names)), err)
		}
		s.turnIfDue(ctx, x)
	}
	return nil
}

// putsPerDelete is how many puts one event takes back.
const putsPerDelete = 200

// deleteFrom deletes objects of one index. Those that are not known are looked for.
func (s *Store) deleteFrom(ctx context.Context, x *index, names []string) error {
	for _, name := range names {
		if len(x.find(name)) == 0 {
			if err := s.look(ctx, x); err != nil {
				return err
			}
			break
		}
	}
	puts, ids := x.toDelete(names)
	lanes := make(map[string][]int)
	for i := range puts {
		lanes[puts[i].Lane] = append(lanes[puts[i].Lane], puts[i].Place)
		ids = append(ids, puts[i].ID)
	}
	for lane, places := range lanes {
		if err := s.empty(ctx, lane, places); err != nil {
			return fmt.Errorf("emptying a record: %w", err)
		}
	}
	var events []event
	for len(ids) > 0 {
		n := min(len(ids), putsPerDelete)
		events = append(events, event{Kind: kindDelete, ID: randomID(), Puts: ids[:n]})
		ids = ids[n:]
	}
	if len(events) == 0 {
		return nil
	}
	if err := s.write(ctx, x, events...); err != nil {
		for i := range puts {
			x.remember(puts[i].Name, puts[i].ID)
		}
		return err
	}
	x.sure(names)
	return nil
}

// remember keeps what became of a put or a delete that failed in doubt, for the next deletion of that name: it may show up
// late, or in a generation that others have left.
func (x *index) remember(name, id string) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if !slices.Contains(x.unsure[name], id) {
		x.unsure[name] = append(x.unsure[name], id)
	}
}

// sure forgets that.
func (x *index) sure(names []string) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for _, name := range names {
		delete(x.unsure, name)
	}
}

// toDelete returns the live puts of names, and the identifiers of others that are in doubt.
func (x *index) toDelete(names []string) (puts []event, unsure []string) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		for _, id := range x.state.names[name] {
			puts = append(puts, x.state.puts[id].event)
		}
		for _, id := range x.unsure[name] {
			if x.state.puts[id] == nil {
				unsure = append(unsure, id)
			}
		}
	}
	return puts, unsure
}
