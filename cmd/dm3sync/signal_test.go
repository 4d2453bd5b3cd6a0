package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/agent"
)

// logBuffer takes what a process says, for a test that waits for it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// own makes a command of this test binary, as scripts have them.
func own(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path)
	command.Args = arguments
	return command
}

// TestSecondSignal: the first one ends an agent in order, which takes a while where the place hangs; the second at once.
func TestSecondSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals there")
	}
	folder, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	text := fmt.Sprintf("data = %q\n[[account]]\nname = \"alice.eth\"\n[account.secret]\nform = \"storage-key\"\nfile = %q\n[account.provider]\nkind = \"webdav\"\nurl = \"http://%s/dav\"\n",
		filepath.Join(folder, "data"), filepath.Join(folder, "key"), silent.Addr())
	for name, content := range map[string]string{"key": "BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38=", "config.toml": text} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	message, err := own(t, "envelope", "-text", "it waits").Output()
	if err != nil {
		t.Fatal(err)
	}
	said := &logBuffer{}
	run := own(t, "dm3sync", "run", "--config", filepath.Join(folder, "config.toml"))
	run.Stderr = said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	eventually(t, "the account", func() bool { return said.has("account is open") })
	client, err := agent.Dial(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Append(t.Context(), "", "", bytes.NewReader(message)); err != nil {
		t.Fatal(err)
	}
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop", func() bool { return said.has("agent stops") })
	for {
		_ = run.Process.Signal(syscall.SIGTERM) // it may have ended by the one before
		select {
		case <-ended:
			if status, ok := run.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("it ended by itself: %v; it said\n%s", run.ProcessState, said.text.String())
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
