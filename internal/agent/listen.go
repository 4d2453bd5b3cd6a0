package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// ErrRunning says that another agent runs on the same data folder or socket.
var ErrRunning = errors.New("another agent is already running")

// lockName is the file in the data folder that a running agent holds locked. The
// lock ends with the process, however it ends.
const lockName = "agent.lock"

// lockFolder makes sure that one agent runs on the data folder. The file holds
// the process id, for the message that others show.
func lockFolder(data string) (*flock.Flock, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("agent: making the data folder: %w", err)
	}
	path := filepath.Join(data, lockName)
	lock := flock.New(path, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("agent: locking the data folder: %w", err)
	}
	if !held {
		return nil, fmt.Errorf("agent: %w on %s%s; stop it first, or set another data folder", ErrRunning, data, holder(path))
	}
	// Windows keeps others from reading a locked file; the id is a courtesy.
	_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return lock, nil
}

// holder names the process that holds the lock, as far as is known.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if id, number := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && number == nil {
		return fmt.Sprintf(" (process %d)", id)
	}
	return ""
}

// Holder is the id of the process that holds a data folder's lock; 0 when none does,
// and -1 when one does and does not say who it is. For a moment it holds the lock
// itself where it is free.
func Holder(data string) int {
	path := filepath.Join(data, lockName)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	lock := flock.New(path, flock.SetPermissions(0o600))
	if held, err := lock.TryLock(); err == nil && held {
		_ = lock.Unlock() // closing the file ends it in any case
		return 0
	}
	if id, number := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && number == nil {
		return id
	}
	return -1
}
