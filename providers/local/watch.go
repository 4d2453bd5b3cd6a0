package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/fsnotify/fsnotify"
)

// watchedFolders is how many folders are watched beside the base. Systems allow few watches, and watching is not
// recursive; so those are taken that are listed again and again: the heads' folder foremost.
const watchedFolders = 8

// watched remembers the folders listed last, the latest first, and tells running watches.
type watched struct {
	mutex   sync.Mutex
	folders []string
	changed map[chan struct{}]struct{}
}

func (w *watched) remember(folder string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	known := slices.Contains(w.folders, folder)
	w.folders = slices.DeleteFunc(w.folders, func(f string) bool { return f == folder })
	w.folders = slices.Insert(w.folders, 0, folder)
	w.folders = w.folders[:min(len(w.folders), watchedFolders)]
	if known {
		return
	}
	for changed := range w.changed {
		signal(changed)
	}
}

func (w *watched) subscribe() (changed chan struct{}, unsubscribe func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.changed == nil {
		w.changed = make(map[chan struct{}]struct{})
	}
	changed = make(chan struct{}, 1)
	w.changed[changed] = struct{}{}
	return changed, func() {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		delete(w.changed, changed)
	}
}

func (w *watched) current() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.folders)
}

// signal sends without waiting: a receiver that has not looked yet need not be told twice.
func signal(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// Watch implements providers.Watcher. It sees new and removed objects in the folders whose whole listing ("folder/") was
// asked for lately, and new folders. Most network drives tell nothing of what other machines do. The channel is closed
// when the base folder goes away.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) {
	root, err := s.open()
	if err != nil {
		return nil, err
	}
	root.Close()
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("local: watching: %w", err)
	}
	if err := watcher.Add(s.base); err != nil {
		watcher.Close()
		return nil, fmt.Errorf("local: watching %s: %w", s.base, err)
	}
	w := watch{store: s, watcher: watcher, notices: make(chan struct{}, 1), added: make(map[string]bool)}
	changed, unsubscribe := s.watched.subscribe()
	w.adjust()
	go func() { // ends with ctx, or with the base folder
		defer close(w.notices)
		defer unsubscribe()
		defer watcher.Close()
		w.run(ctx, changed)
	}()
	return w.notices, nil
}

// watch is one call of Watch; its fields belong to its goroutine.
type watch struct {
	store   *Store
	watcher *fsnotify.Watcher
	notices chan struct{}
	added   map[string]bool // folders under watch
}

func (w *watch) run(ctx context.Context, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			w.adjust()
		case event, open := <-w.watcher.Events:
			if !open || w.gone(event) {
				return
			}
			w.handle(event)
		case _, open := <-w.watcher.Errors:
			if !open {
				return
			}
			signal(w.notices) // events may have been lost
		}
	}
}

func (w *watch) gone(event fsnotify.Event) bool {
	return event.Name == w.store.base && (event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename))
}

func (w *watch) handle(event fsnotify.Event) {
	part := filepath.Base(event.Name)
	if event.Op == fsnotify.Chmod || providers.ValidateName(part) != nil || foreign(part) {
		return
	}
	if filepath.Dir(event.Name) == w.store.base { // a wanted folder may have come or gone
		delete(w.added, part)
		w.adjust()
	}
	signal(w.notices)
}

// adjust watches what is wanted now. A folder that isn't there is tried again when it appears; one that can't be
// watched for another reason is left to the regular look. No notice goes out for an added watch: listings cause them, and
// a notice causes listings.
func (w *watch) adjust() {
	wanted := w.store.watched.current()
	for folder := range w.added {
		if !slices.Contains(wanted, folder) {
			w.watcher.Remove(w.path(folder))
			delete(w.added, folder)
		}
	}
	for _, folder := range wanted {
		if w.added[folder] {
			continue
		}
		err := w.watcher.Add(w.path(folder))
		w.added[folder] = err == nil || !errors.Is(err, fs.ErrNotExist)
	}
}

func (w *watch) path(folder string) string {
	return filepath.Join(w.store.base, filepath.FromSlash(folder))
}
