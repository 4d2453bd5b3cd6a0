//go:build !windows

package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

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
