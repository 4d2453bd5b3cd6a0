package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// abandoned is the age from which a temporary file is taken for one that a killed process left. Its writer, if it is
// still at work after so long, fails and tries again.
const abandoned = 24 * time.Hour

// List implements providers.Store. A prefix that ends in "/" costs the reading of one folder; the names of one folder
// are held in memory at a time. Listing everything also removes abandoned temporary files.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		l := listing{ctx: ctx, prefix: prefix, yield: yield, carried: s.properties.Carried}
		if prefix == "" {
			l.sweepBefore = s.now().Add(-abandoned)
		}
		if err := s.list(&l); err != nil && !l.stopped {
			yield(providers.Object{}, translate("list", prefix, err))
		}
	}
}

func (s *Store) list(l *listing) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if err := providers.ValidatePrefix(l.prefix); err != nil {
		return err
	}
	folder, _ := path.Split(l.prefix)
	if folder != "" && folder == l.prefix {
		s.watched.remember(strings.TrimSuffix(folder, "/"))
	}
	root, err := s.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if folder == "" {
		err = l.walk(root, "")
	} else {
		err = l.descend(root, strings.TrimSuffix(folder, "/"), folder)
	}
	if err != nil || l.stopped {
		return err
	}
	// Still there? Else what was read may have been a folder on its way out.
	if marked(root) != nil {
		return fmt.Errorf("%w (%s): %w", ErrNoFolder, s.base, providers.ErrTransient)
	}
	return nil
}

// listing is one walk through the folders.
type listing struct {
	ctx         context.Context
	prefix      string
	yield       func(providers.Object, error) bool
	carried     bool
	sweepBefore time.Time
	stopped     bool // the consumer left the loop
}

// descend walks the folder called name in parent, whose full name with "/" is full. A missing one is empty.
func (l *listing) descend(parent *os.Root, name, full string) error {
	inside, err := openFolder(parent, name)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer inside.Close()
	return l.walk(inside, full)
}

// walk yields what matches in the open folder, whose full name is folder ("" or ending in "/"), and below.
func (l *listing) walk(inside *os.Root, folder string) error {
	files, folders, err := l.entries(inside, folder)
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := inside.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if !l.yield(providers.Object{Name: folder + file, Size: info.Size()}, nil) {
			l.stopped = true
			return nil
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
	}
	for _, name := range folders {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err := l.descend(inside, name, folder+name+"/"); err != nil || l.stopped {
			return err
		}
	}
	return nil
}

// entries reads the names in one folder that may be objects, or folders of objects, below the prefix. The whole folder
// is read first, as the consumer may delete files meanwhile, which some file systems answer with skipped entries.
func (l *listing) entries(inside *os.Root, folder string) (files, folders []string, err error) {
	f, err := inside.Open(".")
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if isTemporary(name) {
			l.sweep(inside, name)
			continue
		}
		full := folder + name
		switch {
		case foreign(name):
		case entry.Type().IsRegular() && strings.HasPrefix(full, l.prefix) && providers.ValidateName(full) == nil:
			files = append(files, name)
		case entry.IsDir() && matches(full+"/", l.prefix) && providers.ValidatePrefix(full+"/") == nil:
			folders = append(folders, name)
		}
	}
	if l.carried {
		slices.Sort(files)
		files = dropCopies(files)
	}
	return files, folders, nil
}

// matches reports whether names that begin with folder may begin with prefix too.
func matches(folder, prefix string) bool {
	return strings.HasPrefix(folder, prefix) || strings.HasPrefix(prefix, folder)
}

// sweep removes an abandoned temporary file; failing is harmless, the next full listing tries again.
func (l *listing) sweep(inside *os.Root, name string) {
	if l.sweepBefore.IsZero() {
		return
	}
	if info, err := inside.Lstat(name); err == nil && info.ModTime().Before(l.sweepBefore) {
		inside.Remove(name)
	}
}
