package ipfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// keepPatience bounds the fetching of what one other device holds, in units of the patience: the first time that may be
// everything. What was fetched stays with the node, so that the next attempt goes on.
const keepPatience = 30

// tendNowAndThen does what nobody waits for.
func (s *Store) tendNowAndThen() {
	defer s.work.Done()
	ticker := time.NewTicker(s.o.Keep)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.life.Done():
			return
		}
		if err := s.tend(s.life); err != nil && s.life.Err() == nil {
			s.o.Log.Warn("not all of the other devices' objects are at this node yet, or old ones are not let go", "error", err)
		}
	}
}

// tend publishes what this device saw of the others, fetches and pins what they hold, and lets go of what was removed and is
// past its grace time.
func (s *Store) tend(ctx context.Context) error {
	s.mu.Lock()
	s.publishNow()
	s.mu.Unlock()
	return errors.Join(s.dropKept(ctx), s.dropMarks(ctx), s.pinRemotely(ctx), s.pinOthers(ctx)) // the last may take long
}

// readPinned reads what this device pinned of the others before.
func (s *Store) readPinned(ctx context.Context) (map[int]string, error) {
	lines, err := s.lines(ctx, s.paths.pinned)
	if err != nil {
		return nil, err
	}
	pinned := make(map[int]string)
	for _, one := range lines {
		text, cid, ok := strings.Cut(one.Name, "-")
		if number, err := strconv.Atoi(text); ok && err == nil {
			pinned[number] = cid
		}
	}
	return pinned, nil
}

// lines lists a folder of the node's tree.
func (s *Store) lines(ctx context.Context, path string) ([]child, error) {
	cid, err := s.node.stat(ctx, path)
	if err != nil {
		return nil, err
	}
	lists, err := s.node.list(ctx, false, "/ipfs/"+cid)
	if err != nil {
		return nil, err
	}
	return lists[0], nil
}

// pinOthers fetches all that the others' heads hold; so their objects outlive their nodes.
func (s *Store) pinOthers(ctx context.Context) error {
	var failures []error
	for number := 1; number <= s.o.Devices; number++ {
		s.mu.Lock()
		relay, pinned := s.devices[number].relay, s.self.pinned[number]
		s.mu.Unlock()
		if relay == nil || relay.folder == pinned {
			continue
		}
		if err := s.pin(ctx, number, pinned, relay.folder); err != nil {
			failures = append(failures, fmt.Errorf("device %d: %w", number, err))
		}
	}
	return errors.Join(failures...)
}

// pin pins one folder instead of another. What is pinned is written down first, so that it never stays pinned for ever.
func (s *Store) pin(ctx context.Context, number int, old, next string) error {
	record := func(cid string) string { return fmt.Sprintf("%s/%d-%s", s.paths.pinned, number, cid) }
	if err := s.node.link(ctx, s.self.empty, record(next)); err != nil && !errors.Is(err, errExists) {
		return err
	}
	limit := keepPatience * s.o.Patience
	if _, err := s.node.callFor(ctx, limit, limit, "pin/add", query("arg", "/ipfs/"+next, "recursive", "true", "progress", "false"), nil, 1<<20); err != nil {
		return err
	}
	s.mu.Lock()
	s.self.pinned[number] = next
	s.mu.Unlock()
	if old == "" {
		return nil
	}
	if err := s.node.run(ctx, "pin/rm", query("arg", "/ipfs/"+old, "recursive", "true"), nil); err != nil && !errors.Is(err, errNotPinned) {
		return err
	}
	return s.node.unlink(ctx, record(old))
}

// dropKept lets go of what was removed longer than the grace time ago: from now on the node's garbage collection may take
// it. Blocks that other nodes fetched meanwhile are theirs.
func (s *Store) dropKept(ctx context.Context) error {
	lines, err := s.lines(ctx, s.paths.kept)
	if err != nil {
		return err
	}
	var old []string
	for _, one := range lines {
		if at, ok := readKept(one.Name); ok && s.o.Now().Sub(at) >= s.o.UnpinAfter {
			old = append(old, s.paths.kept+"/"+one.Name)
		}
	}
	if len(old) == 0 {
		return nil
	}
	s.o.Log.Info("content that was removed is no longer kept by this node; that is no deletion: other nodes may have copies", "removals", len(old))
	return s.node.unlink(ctx, old...)
}

// dropMarks forgets what was listed as removed once no other device holds it any more.
func (s *Store) dropMarks(ctx context.Context) error {
	v := s.view()
	s.mu.Lock()
	marks := s.self.marks
	s.mu.Unlock()
	var done []string
	for name, generation := range marks {
		held, err := s.heldElsewhere(ctx, v, name, generation)
		if err != nil {
			return err
		}
		if !held {
			done = append(done, name)
		}
	}
	if len(done) == 0 {
		return nil
	}
	var paths []string
	for _, name := range done {
		paths = append(paths, s.paths.removed+"/"+markOf(name, marks[name]))
	}
	if err := s.node.unlink(ctx, paths...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.self.marks)
	for _, name := range done {
		if next[name] == marks[name] {
			delete(next, name)
		}
	}
	s.self.marks = next
	s.self.relayed = true // in no hurry
	return nil
}

func (s *Store) heldElsewhere(ctx context.Context, v *view, name string, generation int) (bool, error) {
	folder, _ := split(name)
	for _, h := range v.heads {
		if h.own {
			continue
		}
		list, err := s.folderOf(ctx, h.current, folder)
		if err != nil {
			return false, err
		}
		for _, one := range list {
			if one.name == name && one.generation <= generation {
				return true, nil
			}
		}
	}
	return false, nil
}
