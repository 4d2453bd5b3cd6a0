// Package files writes files that are there whole and durable, or not at all.
package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Private is the mode of a file that only the user may read.
const Private fs.FileMode = 0o600

// Replace writes a file, in the place of one of that name if there is one: whoever
// reads meanwhile, or after a crash, finds the one or the other, whole. Nobody else can
// read it before it has its mode, which it has whatever the process masks. A link is
// replaced, not followed. The folder must be there. Windows replaces no file that somebody
// has open. Where the folder alone can't be made durable, the new file is there in spite of
// the error. Errors are those of package os.
// Safe for concurrent use, by several processes too: one of them wins.
func Replace(path string, content []byte, mode fs.FileMode) error {
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // has mode Private
	if err != nil {
		return err
	}
	if mode != Private {
		err = part.Chmod(mode)
	}
	if err = errors.Join(err, fill(part, content)); err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return SyncFolder(filepath.Dir(path))
}

// Create writes a file that must not be there yet, with mode as far as the process masks
// none of it. fs.ErrExist; otherwise as Replace, but a reader may find it half written.
func Create(path string, content []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err := fill(file, content); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return SyncFolder(filepath.Dir(path))
}

// fill writes all of a file, makes it durable and closes it.
func fill(file *os.File, content []byte) error {
	_, err := file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// SyncFolder makes the names in a folder durable: new ones, other ones, and that some are
// gone. It does nothing on Windows, whose file system journals names, nor where a file
// system can't, as some network drives.
func SyncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}
