package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// folderLock is an advisory lock that the system drops when the process dies.
// The process number stands in a file of its own, because Windows lets nobody
// read a locked file.
type folderLock struct {
	file    *flock.Flock
	pidPath string
	unclean bool // the last holder did not close

	once sync.Once
}

func acquireLock(folder string) (*folderLock, error) {
	l := &folderLock{
		file:    flock.New(filepath.Join(folder, "lock")),
		pidPath: filepath.Join(folder, "lock.pid"),
	}
	held, err := l.file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("cache: locking %s: %w", folder, err)
	}
	if !held {
		return nil, fmt.Errorf("cache: %s is held by process %s: %w", folder, l.holder(), ErrInUse)
	}
	if _, err := os.Stat(l.pidPath); err == nil {
		l.unclean = true
	}
	if err := os.WriteFile(l.pidPath, []byte(strconv.Itoa(os.Getpid())+"\n"), fileMode); err != nil {
		return nil, errors.Join(fmt.Errorf("cache: writing lock: %w", err), l.file.Unlock())
	}
	return l, nil
}

// holder is the process number that the holder wrote, or "unknown" in the short
// time before it did.
func (l *folderLock) holder() string {
	text, err := os.ReadFile(l.pidPath)
	number := strings.TrimSpace(string(text))
	if _, bad := strconv.Atoi(number); err != nil || bad != nil {
		return "unknown"
	}
	return number
}

// release unlocks once. clean says that the next holder need not look for what
// a crash leaves.
func (l *folderLock) release(clean bool) (err error) {
	l.once.Do(func() {
		if clean {
			err = os.Remove(l.pidPath)
		}
		if unlockErr := l.file.Unlock(); err == nil {
			err = unlockErr
		}
		if err != nil {
			err = fmt.Errorf("cache: unlocking: %w", err)
		}
	})
	return err
}
