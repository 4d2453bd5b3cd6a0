package gdrive

import (
	"context"

	"github.com/dm3sync/dm3sync/providers"
	"golang.org/x/sync/errgroup"
)

// Delete implements providers.Store, with a request for each file, several at once, and a search of each container that
// holds names whose files are not known yet. Files are deleted for ever, not put into the trash.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return err
		}
	}
	unique := make(map[string]bool, len(names))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(min(s.properties.Parallel, DefaultParallel))
	for _, name := range names {
		if unique[name] {
			continue
		}
		unique[name] = true
		group.Go(func() error {
			err := s.deleteAll(inner, name)
			if ctx.Err() == nil && inner.Err() != nil && err != nil {
				return err // another deletion has failed first, and the group tells that one
			}
			return translate(ctx, "delete", name, err)
		})
	}
	return group.Wait()
}

// deleteAll deletes all files of a name.
func (s *Store) deleteAll(ctx context.Context, name string) error {
	files, listed, _ := s.known.find(name)
	if !listed { // a file that was made here may have a twin that an earlier process made
		if err := s.look(ctx, name); err != nil {
			return err
		}
		if files, _, _ = s.known.find(name); len(files) == 0 {
			return s.checkFolder(ctx)
		}
	}
	for _, f := range files {
		if err := s.remove(ctx, name, f.id); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes one file; one that is gone is fine.
func (s *Store) remove(ctx context.Context, name, id string) error {
	s.known.mine.set(id, struct{}{})
	err := s.service.Files.Delete(id).Context(ctx).SupportsAllDrives(true).Do()
	if err != nil && !missing(err) {
		return err
	}
	s.known.drop(name, id)
	s.pending.remove(name)
	return nil
}
