package keyring

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
)

// TestSecretService asks a real keyring: GNOME's, in a desktop session that lives as long as the test.
func TestSecretService(t *testing.T) {
	daemon := servertest.Named(t, "DM3SYNC_TEST_KEYRING")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for inside, script := range map[string]string{
		"TestInsideSession":       `printf password | "$0" --unlock --components=secrets >"$HOME/log" 2>&1; exec "$1" -test.v -test.run "^$2\$"`,
		"TestInsideLockedSession": `exec "$1" -test.v -test.run "^$2\$"`, // the bus starts the daemon, and nobody is there to unlock it
	} {
		home := t.TempDir()
		command := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c", script, daemon, program, inside)
		command.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home, "DM3SYNC_INSIDE_SESSION=1", "GORACE=atexit_sleep_ms=20")
		text, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(text), "--- PASS: "+inside) {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

func inSession(t *testing.T) *systemVault {
	t.Helper()
	if os.Getenv("DM3SYNC_INSIDE_SESSION") == "" {
		t.Skip("TestSecretService runs it")
	}
	return System(nil).(*systemVault)
}

func TestInsideSession(t *testing.T) {
	v := inSession(t)
	if _, err := v.Get(t.Context(), "login a"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("%v", err)
	}
	for _, secret := range []string{strings.Repeat("s", MaxEntry), "another\n\"one\" 🙂"} {
		if err := v.Set(t.Context(), "login a", secret); err != nil {
			t.Fatal(err)
		}
		if got, err := v.Get(t.Context(), "login a"); err != nil || got != secret {
			t.Errorf("%q, %v", got, err)
		}
	}
	for range 2 {
		if err := v.Delete(t.Context(), "login a"); err != nil {
			t.Error(err)
		}
	}
	if _, err := v.Get(t.Context(), "login a"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("%v", err)
	}
}

func TestInsideLockedSession(t *testing.T) {
	v := inSession(t)
	v.patience = 5 * time.Second
	if err := v.Set(t.Context(), "login a", "hunter2 hunter2"); !errors.Is(err, ErrNoVault) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	} else {
		t.Log(err)
	}
}
