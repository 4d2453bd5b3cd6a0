package ipfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// fresh is how old a look may be for "not found" to stand on it.
const fresh = time.Second

// Put implements providers.Store. The node has written down the object, and its name in this device's tree, when it
// answers; the others see it with the next publication.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := providers.ValidateName(name); err != nil {
		return fmt.Errorf("ipfs: put: %w", err)
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("ipfs: put %s: %w: %d bytes", name, providers.ErrTooLarge, len(data))
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	one := &entry{name: name, generation: s.view().mark(name) + 1, size: int64(len(data))}
	var err error
	if one.cid, err = s.node.add(ctx, data); err != nil {
		return err
	}
	path := s.pathOf(one)
	err = s.node.link(ctx, one.cid, path)
	if errors.Is(err, errExists) {
		err = s.again(ctx, one, path)
	}
	if err != nil {
		return err
	}
	s.changed(one, name)
	return nil
}

// again puts under a name that is there already: the same bytes are fine, and others get what they deserve.
func (s *Store) again(ctx context.Context, one *entry, path string) error {
	if cid, err := s.node.stat(ctx, path); err != nil || cid == one.cid {
		return err
	}
	if err := s.node.unlink(ctx, path); err != nil {
		return err
	}
	return s.node.link(ctx, one.cid, path)
}

func (s *Store) pathOf(one *entry) string {
	folder, file := split(one.name)
	return s.paths.objects + "/" + folder + "/" + withGeneration(file, one.generation)
}

// changed notes what was put, or with nil removed, since the last look.
func (s *Store) changed(one *entry, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self.changes++
	for _, name := range names {
		s.self.recent[name] = &change{entry: one, at: s.self.changes}
	}
	s.self.dirty = true
	s.publishLater(s.o.Publish)
}

// Get implements providers.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	one, err := s.lookUp(ctx, "get", name)
	if err != nil {
		return nil, err
	}
	return s.fetch(ctx, one, 0, one.size)
}

// GetRange implements providers.Store.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, fmt.Errorf("ipfs: range: %w", err)
	}
	one, err := s.lookUp(ctx, "range", name)
	if err != nil {
		return nil, err
	}
	offset = min(offset, one.size)
	return s.fetch(ctx, one, offset, min(length, one.size-offset))
}

// fetch reads part of an object, from wherever the node finds its blocks, and no longer than its patience lasts.
func (s *Store) fetch(ctx context.Context, one *entry, offset, length int64) ([]byte, error) {
	switch {
	case one.size > s.properties.MaxObject:
		return nil, fmt.Errorf("ipfs: get %s: %w: %d bytes", one.name, providers.ErrTooLarge, one.size)
	case length == 0:
		return []byte{}, nil
	}
	values := query("arg", "/ipfs/"+one.cid, "progress", "false")
	if length < one.size {
		values.Set("offset", strconv.FormatInt(offset, 10))
		values.Set("length", strconv.FormatInt(length, 10))
	}
	data, err := s.node.callFor(ctx, s.node.forBytes(length), s.o.Patience, "cat", values, nil, length)
	if errors.Is(err, providers.ErrTooLarge) || err == nil && int64(len(data)) != length {
		// Failures in the midst of an answer show in no status.
		return nil, fmt.Errorf("ipfs: get %s: %w: the node gave %d of %d bytes", one.name, providers.ErrTransient, len(data), length)
	}
	if err != nil {
		return nil, fmt.Errorf("ipfs: get %s: %w", one.name, err)
	}
	return data, nil
}

// lookUp finds an object. What no head has is definitely not found only when all known heads can be read, and were asked
// for lately.
func (s *Store) lookUp(ctx context.Context, operation, name string) (*entry, error) {
	if err := providers.ValidateName(name); err != nil {
		return nil, fmt.Errorf("ipfs: %s: %w", operation, err)
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	one, err := s.find(ctx, name)
	if one == nil && s.lookIsOld() {
		if err := s.look(ctx); err != nil {
			return nil, err
		}
		one, err = s.find(ctx, name)
	}
	switch {
	case one != nil:
		return one, nil
	case err != nil:
		return nil, fmt.Errorf("ipfs: %s %s: a device's head can't be read now: %w", operation, name, err)
	}
	return nil, fmt.Errorf("ipfs: %s %s: %w", operation, name, providers.ErrNotFound)
}

func (s *Store) lookIsOld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked.IsZero() || s.o.Now().Sub(s.looked) >= fresh
}

// Delete implements providers.Store. What this device put leaves its own folder, and is kept by the node for the grace
// time; of what another one holds a mark says that it is removed, until that one has let go of it. Nothing can make
// strangers forget blocks that they fetched.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	folders := make(map[string]map[string]bool)
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return fmt.Errorf("ipfs: delete: %w", err)
		}
		folder, _ := split(name)
		if folders[folder] == nil {
			folders[folder] = make(map[string]bool)
		}
		folders[folder][name] = true
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if len(names) == 0 {
		return nil
	}
	s.mu.Lock()
	never := s.looked.IsZero()
	s.mu.Unlock()
	if never {
		if err := s.look(ctx); err != nil {
			return err
		}
	}
	v := s.view()
	marks := make(map[string]int)
	var own []entry
	for folder, wanted := range folders {
		mine, err := s.holders(ctx, v, folder, wanted, marks)
		if err != nil {
			return err
		}
		own = append(own, mine...)
	}
	if err := s.mark(ctx, marks); err != nil {
		return err
	}
	return s.release(ctx, own)
}

// holders says which of the wanted objects this device holds, and adds marks for those that others do, or may.
func (s *Store) holders(ctx context.Context, v *view, folder string, wanted map[string]bool, marks map[string]int) (own []entry, err error) {
	for _, h := range v.heads {
		list, err := s.folder(ctx, h, folder)
		if err != nil && (h.own || ctx.Err() != nil) {
			return nil, err
		}
		if err != nil {
			for name := range wanted { // it may hold them
				marks[name] = max(marks[name], v.mark(name), 0)
			}
			continue
		}
		for _, one := range list {
			switch {
			case !wanted[one.name]:
			case h.own:
				own = append(own, one)
			case !v.removed(&one):
				marks[one.name] = max(marks[one.name], one.generation)
			}
		}
	}
	for name := range wanted {
		if change := v.recent[name]; change != nil && change.entry != nil {
			own = append(own, *change.entry)
		}
	}
	return own, nil
}

// mark lists names as removed.
func (s *Store) mark(ctx context.Context, marks map[string]int) error {
	if len(marks) == 0 {
		return nil
	}
	for name, generation := range marks {
		err := s.node.link(ctx, s.self.empty, s.paths.removed+"/"+markOf(name, generation))
		if err != nil && !errors.Is(err, errExists) {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.self.marks)
	for name, generation := range marks {
		next[name] = max(next[name], generation)
	}
	s.self.marks = next
	s.self.dirty = true
	s.publishLater(s.o.Publish)
	return nil
}

// release takes objects out of this device's folder; the folder as it was is kept for the grace time.
func (s *Store) release(ctx context.Context, own []entry) error {
	if len(own) == 0 {
		return nil
	}
	before, err := s.node.stat(ctx, s.paths.objects)
	if err != nil {
		return err
	}
	err = s.node.link(ctx, before, s.paths.kept+"/"+keptOf(s.o.Now(), before))
	if err != nil && !errors.Is(err, errExists) {
		return err
	}
	var paths, names []string
	for i := range own {
		paths, names = append(paths, s.pathOf(&own[i])), append(names, own[i].name)
	}
	if err := s.node.unlink(ctx, paths...); err != nil {
		return err
	}
	s.changed(nil, names...)
	return nil
}

// obey lets go of what another device lists as removed, and did not before.
func (s *Store) obey(ctx context.Context, before, after map[string]int) error {
	folders := make(map[string][]string)
	for name, generation := range after {
		if known, ok := before[name]; !ok || known < generation {
			folder, _ := split(name)
			folders[folder] = append(folders[folder], name)
		}
	}
	if len(folders) == 0 {
		return nil
	}
	objects, err := s.node.stat(ctx, s.paths.objects)
	if err != nil {
		return err
	}
	now := &snapshot{objects: objects, folders: make(map[string][]entry)}
	var own []entry
	for folder := range folders {
		list, err := s.folderOf(ctx, now, folder)
		if err != nil {
			return err
		}
		for _, one := range list {
			if generation, ok := after[one.name]; ok && one.generation <= generation {
				own = append(own, one)
			}
		}
	}
	return s.release(ctx, own)
}
