package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// folderLock keeps other processes out. The process number stands in a file of
// its own, because Windows lets nobody read a locked file.
type folderLock struct {
	disk    Disk
	unlock  func() error
	pidPath string
	unclean bool // the last holder did not close

	mu       gate
	released bool
}

func acquireLock(disk Disk, folder string) (*folderLock, error) {
	l := &folderLock{disk: disk, pidPath: filepath.Join(folder, "lock.pid"), mu: newGate()}
	unlock, err := disk.Lock(filepath.Join(folder, "lock"))
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("cache: %s is held by process %s: %w", folder, l.holder(), ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("cache: locking %s: %w", folder, err)
	}
	l.unlock = unlock
	if _, err := disk.Stat(l.pidPath); err == nil {
		l.unclean = true
	}
	if err := disk.WriteFile(l.pidPath, []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("cache: writing lock: %w", err), unlock())
	}
	return l, nil
}

// holder is the process number that the holder wrote, or "unknown" in the short
// time before it did.
func (l *folderLock) holder() string {
	text, err := l.disk.ReadFile(l.pidPath)
	number := strings.TrimSpace(string(text))
	if _, bad := strconv.Atoi(number); err != nil || bad != nil {
		return "unknown"
	}
	return number
}

// release unlocks once. clean says that the next holder need not look for what
// a crash leaves.
func (l *folderLock) release(clean bool) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released {
		return nil
	}
	l.released = true
	if clean {
		err = l.disk.Remove(l.pidPath)
	}
	if unlockErr := l.unlock(); err == nil {
		err = unlockErr
	}
	if err != nil {
		return fmt.Errorf("cache: unlocking: %w", err)
	}
	return nil
}

// gate is a mutex for those who ask the disk for something while they hold it.
// Others wait for it on a channel: a disk in a simulation takes simulated time
// (testing/synctest), which stands still while anybody waits for a sync.Mutex.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// Lock waits until the gate is free and takes it.
func (g gate) Lock() { g <- struct{}{} }

// Unlock gives the gate free.
func (g gate) Unlock() { <-g }
