package cache

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// systemDisk is the file system of the machine.
type systemDisk struct{}

// SystemDisk returns the file system of the machine, for what is kept beside a cache.
func SystemDisk() Disk { return systemDisk{} }

func (systemDisk) MakeFolder(path string) error                  { return os.MkdirAll(path, folderMode) }
func (systemDisk) ReadFolder(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (systemDisk) Stat(path string) (fs.FileInfo, error)         { return os.Stat(path) }
func (systemDisk) SetTime(path string, at time.Time) error       { return os.Chtimes(path, at, at) }
func (systemDisk) ReadFile(path string) ([]byte, error)          { return os.ReadFile(path) }
func (systemDisk) OpenReader(path string) (FileReader, error)    { return os.Open(path) }
func (systemDisk) Rename(from, to string) error                  { return os.Rename(from, to) }
func (systemDisk) Remove(path string) error                      { return os.Remove(path) }
func (systemDisk) RemoveAll(path string) error                   { return os.RemoveAll(path) }

func (systemDisk) WriteFile(path string, data []byte) error {
	return os.WriteFile(path, data, fileMode)
}

// SyncFolder does nothing on Windows, which has no such thing, and needs none.
func (systemDisk) SyncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func (systemDisk) OpenSegment(path string) (SegmentFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	return &dataFile{File: file, descriptor: file.Fd()}, nil
}

// Lock is an advisory lock that the system drops when the process dies.
func (systemDisk) Lock(path string) (unlock func() error, err error) {
	file := flock.New(path)
	held, err := file.TryLock()
	if err != nil {
		return nil, err
	}
	if !held {
		return nil, ErrInUse
	}
	return file.Unlock, nil
}

func (systemDisk) OpenRecords(path string, thorough bool) (RecordStore, error) {
	store, err := openSQLite(path, thorough)
	if err != nil {
		return nil, err // not a nil *sqliteStore
	}
	return store, nil
}

// dataFile is a SegmentFile of the system; Sync and Reserve differ by system.
type dataFile struct {
	*os.File
	descriptor uintptr // os.File.Fd would ask for it again at each sync
}
