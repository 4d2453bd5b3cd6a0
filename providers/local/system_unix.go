//go:build !windows

package local

import (
	"errors"
	"os"
	"syscall"
)

// noWait opens what is no object, such as a named pipe of somebody who shares the folder, without waiting for
// anybody; for files it changes nothing.
const noWait = syscall.O_NONBLOCK

// isNotFolder reports whether a part of a path is a file.
func isNotFolder(err error) bool {
	return errors.Is(err, syscall.ENOTDIR)
}

// syncFolder makes the names in an open folder durable. Places that can't do it (some network and user space file
// systems) say so, and are taken as they are.
func syncFolder(folder *os.Root) error {
	f, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return nil
	}
	return err
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// isPermanent lists what repeating never mends.
func isPermanent(err error) bool {
	for _, permanent := range []error{
		syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ELOOP, syscall.EFBIG,
	} {
		if errors.Is(err, permanent) {
			return true
		}
	}
	return false
}
