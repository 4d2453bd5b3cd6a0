package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// lockEvery is how often a writer looks whether another one is done.
const lockEvery = 2 * time.Millisecond

// What Windows says of a disk that is full.
const (
	errHandleDiskFull = syscall.Errno(39)
	errDiskFull       = syscall.Errno(112)
)

// acquire takes the lock beside the file, which Close of the last writer removes: a lock on a file that is no more there
// keeps nobody out.
func (s *Store) acquire() error {
	if _, err := os.Stat(s.path); err != nil {
		return err // no lock beside what is not there
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.LockWait)
	defer cancel()
	for {
		held, err := s.lock.TryLock() // even where the machine took all the time: nobody may hold it
		if err == nil && !held {
			held, err = s.lock.TryLockContext(ctx, lockEvery)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w (%s): %w", ErrInUse, s.path, providers.ErrTransient)
		}
		if err != nil || !held {
			return fmt.Errorf("locking %s: %w", s.lock.Path(), err)
		}
		counts, err := s.lockCounts()
		if counts {
			return nil
		}
		if unlockErr := s.lock.Unlock(); unlockErr != nil || err != nil {
			return errors.Join(err, unlockErr)
		}
	}
}

// lockCounts tells whether the file that is locked is the one that others find: the last writer's Close may have removed it
// between its opening and its locking, and another writer may have made and locked another one since.
func (s *Store) lockCounts() (bool, error) {
	mine, err := s.lock.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(s.lock.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// removeLock removes the lock's file, if nobody holds it: it is only for show who does.
func (s *Store) removeLock() {
	if _, err := os.Stat(s.lock.Path()); err != nil {
		return
	}
	if held, err := s.lock.TryLock(); err != nil || !held {
		return
	}
	if counts, _ := s.lockCounts(); counts { // else it is another writer's
		_ = os.Remove(s.lock.Path()) // Windows removes no open file: it stays, and does no harm
	}
	_ = s.lock.Unlock()
}

// isFull also matches the largest size that a file system gives one file: 4 GiB on FAT32.
func isFull(err error) bool {
	if runtime.GOOS == "windows" && (errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull)) {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// translate gives err the sentinel that callers look for. Nothing here turns into ErrNotFound.
func translate(operation, name string, err error) error {
	var number syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, providers.ErrTransient),
		errors.Is(err, ErrFormat), errors.Is(err, ErrNewerVersion):
		return fmt.Errorf("archive: %s %s: %w", operation, name, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("archive: %s %s: %w", operation, name, noFileError{err})
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, ErrReadOnly):
		return fmt.Errorf("archive: %s %s: %w: %w", operation, name, providers.ErrUnauthorised, err)
	case isFull(err):
		return fmt.Errorf("archive: %s %s: %w: %w", operation, name, providers.ErrQuota, err)
	case errors.As(err, &number), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("archive: %s %s: %w: %w", operation, name, providers.ErrTransient, err)
	}
	return fmt.Errorf("archive: %s %s: %w", operation, name, err)
}

// noFileError is [ErrNoFile], told once: what the system said adds nothing to that.
type noFileError struct{ cause error }

// Error is a sentence that names a way out.
func (noFileError) Error() string { return strings.TrimPrefix(ErrNoFile.Error(), "archive: ") }

// Unwrap is for errors.Is: the file may be back later.
func (e noFileError) Unwrap() []error { return []error{ErrNoFile, providers.ErrTransient, e.cause} }
