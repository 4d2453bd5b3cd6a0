package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
)

// creations makes folders durable exactly when they are new: the parent of a folder is synced once, by who made it, and
// whoever finds the folder meanwhile waits for that sync before relying on it.
type creations struct {
	mutex   sync.Mutex
	pending map[string]*creation
}

type creation struct {
	done chan struct{}
	err  error
}

// ensure returns when the folder and all above it, below root, are there and durable.
func (c *creations) ensure(ctx context.Context, root *os.Root, folder string) error {
	if parent, _ := path.Split(folder); parent != "" {
		if err := c.ensure(ctx, root, strings.TrimSuffix(parent, "/")); err != nil {
			return err
		}
	}
	// Look first, ask for a pending creation after: the maker registers before it makes.
	info, err := root.Stat(folder)
	c.mutex.Lock()
	running := c.pending[folder]
	if running == nil && err == nil {
		c.mutex.Unlock()
		return mustBeFolder(info)
	}
	if running != nil {
		c.mutex.Unlock()
		return running.wait(ctx)
	}
	running = &creation{done: make(chan struct{})}
	if c.pending == nil {
		c.pending = make(map[string]*creation)
	}
	c.pending[folder] = running
	c.mutex.Unlock()

	running.err = makeFolder(root, folder)
	c.mutex.Lock()
	delete(c.pending, folder)
	c.mutex.Unlock()
	close(running.done)
	return running.err
}

func (c *creation) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openFolder opens a folder below root, with syscall.ENOTDIR for a file: OpenRoot's own error for that can't be told
// from others.
func openFolder(root *os.Root, folder string) (*os.Root, error) {
	inside, err := root.OpenRoot(folder)
	if err == nil {
		return inside, nil
	}
	if info, look := root.Stat(folder); look == nil {
		if wrong := mustBeFolder(info); wrong != nil {
			return nil, wrong
		}
	}
	return nil, err
}

func mustBeFolder(info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", info.Name(), syscall.ENOTDIR)
	}
	return nil
}

func makeFolder(root *os.Root, folder string) error {
	if err := root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	parent, err := openFolder(root, path.Dir(folder))
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := syncFolder(parent); err != nil {
		root.Remove(folder) // or the next try would take it for durable
		return err
	}
	return nil
}
