package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

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

// listen opens the local socket, for the user alone. What a killed agent left
// there is replaced; a socket on which somebody listens never is. The caller
// holds the data folder's lock, so no two agents of it do this at once.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("agent: making the socket's folder: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("agent: opening the socket: %w", err)
	}
	// Who may write to the file may connect.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("agent: guarding the socket: %w", err), listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("agent: looking at the socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("agent: %s is no socket, and is in the way; remove it or set another socket", path)
	}
	connection, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = connection.Close() // it only had to open
		return fmt.Errorf("agent: %w on %s; stop it first, or set another socket", ErrRunning, path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("agent: asking who listens on the socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("agent: removing the old socket: %w", err)
	}
	return nil
}
