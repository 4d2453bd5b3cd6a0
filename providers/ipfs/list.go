package ipfs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// together is how many folders are listed in one request.
const together = 64

// List implements providers.Store: what waits is published, all heads are looked for, and what they hold is united. A head
// that can't be had or read now does not stop the others: where that leaves nothing at all, it is an error.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if err := s.listInto(ctx, prefix, yield); err != nil {
			yield(providers.Object{}, err)
		}
	}
}

func (s *Store) listInto(ctx context.Context, prefix string, yield func(providers.Object, error) bool) error {
	if err := providers.ValidatePrefix(prefix); err != nil {
		return fmt.Errorf("ipfs: list: %w", err)
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.publishAll(ctx, s.o.Slow)
	if err := s.look(ctx); err != nil {
		return err
	}
	v := s.view()
	if folder, _, inside := strings.Cut(prefix, "/"); inside {
		found, failure := s.inFolder(ctx, v, folder)
		_, _, err := s.tell(ctx, found, failure, prefix, yield)
		return err
	}
	return s.listFolders(ctx, v, prefix, yield)
}

// tell yields what was found, in the order of names.
func (s *Store) tell(ctx context.Context, found map[string]entry, failure error, prefix string, yield func(providers.Object, error) bool) (count int, more bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, fmt.Errorf("ipfs: list: %w", err)
	}
	if failure != nil {
		if len(found) == 0 {
			return 0, false, failure
		}
		s.o.Log.Debug("a head can't be read now; what the others hold is listed", "error", failure)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if count++; !yield(providers.Object{Name: name, Size: found[name].size}, nil) {
			return count, false, nil
		}
	}
	return count, true, nil
}

// listFolders lists many folders, some at a time.
func (s *Store) listFolders(ctx context.Context, v *view, prefix string, yield func(providers.Object, error) bool) error {
	held := make([]map[string]bool, len(v.heads)) // folders by head
	every := make(map[string]bool)
	var failures []error
	for i, h := range v.heads {
		held[i] = make(map[string]bool)
		lines, err := s.node.list(ctx, false, "/ipfs/"+h.current.objects)
		if err != nil && h.previous != nil {
			h.current, h.previous = h.previous, nil
			lines, err = s.node.list(ctx, false, "/ipfs/"+h.current.objects)
		}
		if err != nil && (h.own || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		for _, one := range lines[0] {
			if strings.HasPrefix(one.Name, prefix) {
				held[i][one.Name], every[one.Name] = true, true
			}
		}
	}
	for name := range v.recent {
		if folder, _ := split(name); strings.HasPrefix(folder, prefix) {
			every[folder] = true
		}
	}
	told := 0
	for folders := range slices.Chunk(slices.Sorted(maps.Keys(every)), together) {
		found, err := s.several(ctx, v, held, folders)
		if err != nil {
			return err
		}
		count, more, err := s.tell(ctx, found, nil, prefix, yield)
		if told += count; err != nil || !more {
			return err
		}
	}
	if told == 0 {
		return errors.Join(failures...)
	}
	return nil
}

// several unites what all heads hold in some folders.
func (s *Store) several(ctx context.Context, v *view, held []map[string]bool, folders []string) (map[string]entry, error) {
	found := make(map[string]entry)
	for i, h := range v.heads {
		var wanted, paths []string
		for _, folder := range folders {
			if held[i][folder] {
				wanted, paths = append(wanted, folder), append(paths, "/ipfs/"+h.current.objects+"/"+folder)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		lists, err := s.node.list(ctx, true, paths...)
		if err != nil {
			return nil, fmt.Errorf("ipfs: list device %d: %w", h.number, err)
		}
		for j, folder := range wanted {
			v.unite(found, h, entriesOf(folder, lists[j]))
		}
	}
	for _, folder := range folders {
		v.uniteRecent(found, folder)
	}
	return found, nil
}
