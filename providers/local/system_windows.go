package local

import (
	"errors"
	"os"
	"syscall"
)

// Numbers from the Windows system error codes (winerror.h).
const (
	errorHandleDiskFull = syscall.Errno(39)
	errorDiskFull       = syscall.Errno(112)
	errorWriteProtect   = syscall.Errno(19)
	errorInvalidName    = syscall.Errno(123)
	errorDirectory      = syscall.Errno(267)
)

// noWait is nothing here: folders hold no named pipes.
const noWait = 0

// isNotFolder reports whether a part of a path is a file.
func isNotFolder(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, errorDirectory)
}

// syncFolder does nothing: Windows can't sync folders, NTFS journals names by itself.
func syncFolder(*os.Root) error { return nil }

func isFull(err error) bool {
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}

func isReadOnly(err error) bool { return errors.Is(err, errorWriteProtect) }

// isPermanent lists what repeating never mends.
func isPermanent(err error) bool {
	return errors.Is(err, errorDirectory) || errors.Is(err, errorInvalidName)
}
