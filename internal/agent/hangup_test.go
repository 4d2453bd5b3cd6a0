package agent

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
)

// TestHangup: SIGHUP takes a new account in and tells systemd before and after; a configuration
// that is wrong leaves everything as it is, and systemd is told that it is over, too.
func TestHangup(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no systemd there")
	}
	d := newDevice(t, "alice.eth", "bob.eth")
	socket := filepath.Join(d.config.Data, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	hangup := make(chan os.Signal, 1)
	both := *d.config
	wrong := false
	d.options.Hangup = hangup
	d.options.Load = func() (*config.Config, error) {
		if wrong {
			return nil, config.ErrConfig
		}
		return &both, nil
	}
	one := both
	one.Accounts = both.Accounts[:1]
	d.config = &one
	client, _ := d.start()
	told := func(start string) string {
		t.Helper()
		buffer := make([]byte, 4096)
		for {
			if err := systemd.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			n, err := systemd.Read(buffer)
			if err != nil {
				t.Fatalf("waiting for %s: %v", start, err)
			}
			if text := string(buffer[:n]); strings.HasPrefix(text, start) {
				return text
			}
		}
	}
	told("READY=1")
	hangup <- syscall.SIGHUP
	if text := told("RELOADING=1"); runtime.GOOS == "linux" && !strings.Contains(text, "\nMONOTONIC_USEC=") {
		t.Errorf("told %q", text)
	}
	told("READY=1")
	until(t, client, "bob.eth", func(s api.AccountStatus) bool { return s.Open })
	wrong = true
	hangup <- syscall.SIGHUP
	told("RELOADING=1")
	told("READY=1")
	until(t, client, "bob.eth", func(s api.AccountStatus) bool { return s.Open })
	if !d.logged("goes on as before") {
		t.Error("the log says nothing of the wrong configuration")
	}
}
