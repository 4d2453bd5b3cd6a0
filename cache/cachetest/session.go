package cachetest

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/cache"
)

// Session is the disk of one process: a cache.Disk. Its methods do what that
// interface says, and after a crash return ErrCrashed.
type Session struct {
	disk  *Disk
	epoch int
}

var _ cache.Disk = (*Session)(nil)

func (s *Session) alive() bool { return s.epoch == s.disk.epoch }

// exists says whether a path has a file or folder, and, if not, leaves it to the
// caller to make one.
func (s *Session) exists(doing Kind, path string) (exists bool, err error) {
	err = s.look(string(doing), path, func() error {
		_, missing := s.disk.find(path)
		if exists = missing == nil; errors.Is(missing, fs.ErrNotExist) {
			return nil
		}
		return missing
	})
	return exists, err
}

// MakeFolder is cache.Disk's.
func (s *Session) MakeFolder(path string) error {
	exists, err := s.exists(MakeFolder, path)
	if err != nil {
		return err
	}
	if exists { // as a folder, or else it fails
		return s.look(string(MakeFolder), path, func() error { return s.disk.makeFolders(path) })
	}
	return s.do(call{
		Operation: Operation{Kind: MakeFolder, Path: path},
		effect:    func() error { return s.disk.makeFolders(path) },
	})
}

// ReadFolder is cache.Disk's.
func (s *Session) ReadFolder(path string) (entries []fs.DirEntry, err error) {
	err = s.look("read folder", path, func() error {
		n, err := s.disk.find(path)
		if err != nil {
			return err
		}
		if !n.folder {
			return syscall.ENOTDIR
		}
		for _, entry := range n.names {
			entries = append(entries, fs.FileInfoToDirEntry(describe(entry.key, entry.value)))
		}
		return nil
	})
	return entries, err
}

// SyncFolder is cache.Disk's.
func (s *Session) SyncFolder(path string) error {
	return s.do(call{Operation: Operation{Kind: SyncFolder, Path: path}, effect: func() error {
		n, err := s.disk.find(path)
		if err == nil {
			s.disk.syncNames(n)
		}
		return err
	}})
}

// Stat is cache.Disk's.
func (s *Session) Stat(path string) (info fs.FileInfo, err error) {
	err = s.look("stat", path, func() error {
		n, err := s.disk.find(path)
		if err == nil {
			info = describe(filepath.Base(path), n)
		}
		return err
	})
	return info, err
}

// SetTime is cache.Disk's. A crash does not undo it.
func (s *Session) SetTime(path string, at time.Time) error {
	return s.do(call{Operation: Operation{Kind: SetTime, Path: path}, effect: func() error {
		n, err := s.disk.find(path)
		if err == nil {
			n.modified = at
		}
		return err
	}})
}

// ReadFile is cache.Disk's.
func (s *Session) ReadFile(path string) (data []byte, err error) {
	err = s.look("read", path, func() error {
		n, err := s.disk.findFile(path)
		if err == nil {
			data = n.content.lend()
		}
		return err
	})
	return data, err
}

// WriteFile is cache.Disk's.
func (s *Session) WriteFile(path string, data []byte) error {
	write := func(data []byte) error {
		n, err := s.disk.findFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			n = &node{}
			err = s.disk.make(path, n)
		}
		if err != nil {
			return err
		}
		_, err = s.disk.write(n, write{data: data, whole: true})
		return err
	}
	return s.do(call{
		Operation: Operation{Kind: WriteFile, Path: path, Bytes: len(data)},
		effect:    func() error { return write(data) },
		fault: func(bytes int) {
			if bytes > 0 {
				_ = write(data[:min(bytes, len(data))]) // the call fails anyway
			}
		},
	})
}

// Rename is cache.Disk's.
func (s *Session) Rename(from, to string) error {
	return s.do(call{
		Operation: Operation{Kind: Rename, Path: from, To: to},
		effect:    func() error { return s.disk.rename(from, to) },
	})
}

// Remove is cache.Disk's.
func (s *Session) Remove(path string) error {
	return s.do(call{
		Operation: Operation{Kind: Remove, Path: path},
		effect:    func() error { return s.disk.remove(path, false) },
	})
}

// RemoveAll is cache.Disk's.
func (s *Session) RemoveAll(path string) error {
	exists, err := s.exists(Remove, path)
	if err != nil || !exists {
		return err
	}
	return s.do(call{Operation: Operation{Kind: Remove, Path: path}, effect: func() error {
		if err := s.disk.remove(path, true); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}})
}

// create makes a node where there is none, and reports what is there.
func (s *Session) create(path string, fresh func() *node) error {
	exists, err := s.exists(Create, path)
	if err != nil || exists {
		return err
	}
	return s.do(call{Operation: Operation{Kind: Create, Path: path}, effect: func() error {
		_, err := s.disk.find(path)
		if errors.Is(err, fs.ErrNotExist) {
			return s.disk.make(path, fresh())
		}
		return err
	}})
}

// Lock is cache.Disk's.
func (s *Session) Lock(path string) (unlock func() error, err error) {
	if err := s.create(path, func() *node { return &node{} }); err != nil {
		return nil, err
	}
	err = s.look("lock", path, func() error {
		if _, held := s.disk.locks.get(path); held {
			return cache.ErrInUse
		}
		s.disk.locks.put(path, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return func() error {
		return s.look("unlock", path, func() error {
			s.disk.locks.cut(path)
			return nil
		})
	}, nil
}

// info describes a node as it is now.
type info struct {
	name     string
	size     int64
	folder   bool
	modified time.Time
}

func describe(name string, n *node) info {
	return info{name: name, size: n.size(), folder: n.folder, modified: n.modified}
}

// Name is fs.FileInfo's.
func (i info) Name() string { return i.name }

// Size is fs.FileInfo's.
func (i info) Size() int64 { return i.size }

// ModTime is fs.FileInfo's.
func (i info) ModTime() time.Time { return i.modified }

// IsDir is fs.FileInfo's.
func (i info) IsDir() bool { return i.folder }

// Sys is fs.FileInfo's.
func (i info) Sys() any { return nil }

// Mode is fs.FileInfo's.
func (i info) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o700
	}
	return 0o600
}
