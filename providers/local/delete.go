package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Delete implements providers.Store. The names are taken folder by folder, so that each folder is synced once; a
// folder that is empty afterwards goes too.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	byFolder := make(map[string][]string)
	for _, name := range names {
		if err := validate(name); err != nil {
			return err
		}
		folder, file := path.Split(name)
		byFolder[folder] = append(byFolder[folder], file)
	}
	if len(names) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("local: delete: %w", err)
	}
	root, err := s.open()
	if err != nil {
		return err
	}
	defer root.Close()
	emptied := make(map[string]bool)
	for folder, files := range byFolder {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("local: delete: %w", err)
		}
		gone, err := deleteIn(root, strings.TrimSuffix(folder, "/"), files)
		if err != nil {
			return translate("delete in", folder, err)
		}
		if gone {
			emptied[path.Dir(strings.TrimSuffix(folder, "/"))] = true
		}
	}
	for parent := range emptied {
		if err := syncBelow(root, parent); err != nil {
			return translate("delete in", parent, err)
		}
	}
	return nil
}

// deleteIn removes files and then, if possible, the folder itself; gone tells that it did, and that the folder above
// wants a sync instead.
func deleteIn(root *os.Root, folder string, files []string) (gone bool, err error) {
	inside := root
	if folder != "" {
		inside, err = openFolder(root, folder)
		if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer inside.Close()
	}
	removed := false
	for _, file := range files {
		info, err := inside.Lstat(file)
		if err == nil && info.IsDir() {
			continue // no object
		}
		if err == nil {
			err = inside.Remove(file)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		removed = removed || err == nil
	}
	// Remove refuses a folder with anything in it, a temporary file of a writer just now at work too.
	if folder != "" && root.Remove(folder) == nil {
		return true, nil
	}
	if !removed {
		return false, nil
	}
	return false, syncFolder(inside)
}

func syncBelow(root *os.Root, folder string) error {
	inside, err := openFolder(root, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // emptied and removed as well
	}
	if err != nil {
		return err
	}
	defer inside.Close()
	return syncFolder(inside)
}
