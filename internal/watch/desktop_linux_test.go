package watch

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/dm3sync/dm3sync/internal/servertest"
)

// board is a daemon of org.freedesktop.Notifications that keeps what it shows.
type board struct {
	mu    sync.Mutex
	shown []shown
}

type shown struct {
	app         string
	replaces    uint32
	title, body string
	urgency     any
}

// Notify is the method that desktops have.
func (b *board) Notify(app string, replaces uint32, _, title, body string, _ []string, hints map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown = append(b.shown, shown{app, replaces, title, body, hints["urgency"].Value()})
	return 40 + uint32(len(b.shown)), nil
}

// TestDesktop shows notices on a session's bus that lives as long as the test.
func TestDesktop(t *testing.T) {
	if _, err := exec.LookPath("dbus-run-session"); err != nil {
		if servertest.Required() {
			t.Fatal(err)
		}
		t.Skip("needs dbus-run-session")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	command := exec.CommandContext(t.Context(), "dbus-run-session", "--", program, "-test.v", "-test.run", "^TestInsideDesktop$")
	command.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR="+home, "DM3SYNC_INSIDE_SESSION=1", "GORACE=atexit_sleep_ms=20")
	text, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "--- PASS: TestInsideDesktop") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestInsideDesktop(t *testing.T) {
	if os.Getenv("DM3SYNC_INSIDE_SESSION") == "" {
		t.Skip("TestDesktop runs it")
	}
	d := &Desktop{Environ: os.Environ()}
	if err := d.Notify(t.Context(), Notice{}); err == nil || errors.Is(err, ErrNoDesktop) {
		t.Errorf("a session without a daemon: %v", err)
	}
	bus, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	b := &board{}
	if err := bus.Export(b, "/org/freedesktop/Notifications", "org.freedesktop.Notifications"); err != nil {
		t.Fatal(err)
	}
	if reply, err := bus.RequestName("org.freedesktop.Notifications", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	for _, n := range []Notice{
		{Account: "alice.eth", Cause: CauseStuck, Title: "alice.eth is stuck", Text: "<b>markup</b> & more"},
		{Account: "bob.eth", Cause: CauseSoon, Title: "soon"},
		{Account: "alice.eth", Cause: CauseStuck, Over: true, Title: "goes on"},
	} {
		if err := d.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	want := []shown{
		{"dm3sync", 0, "alice.eth is stuck", "&lt;b&gt;markup&lt;/b&gt; &amp; more", byte(2)},
		{"dm3sync", 0, "soon", "", byte(1)},
		{"dm3sync", 41, "goes on", "", byte(1)}, // in place of the first
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range want {
		if i >= len(b.shown) || b.shown[i] != want[i] {
			t.Errorf("%+v", b.shown)
		}
	}
}

func TestNoDesktop(t *testing.T) {
	for _, environ := range [][]string{nil, {"XDG_RUNTIME_DIR=" + t.TempDir()}, {"DBUS_SESSION_BUS_ADDRESS=autolaunch:"}, {"DBUS_SESSION_BUS_ADDRESS=unix:path=" + t.TempDir() + "/none"}} {
		if err := (&Desktop{Environ: environ}).Notify(t.Context(), Notice{}); !errors.Is(err, ErrNoDesktop) {
			t.Errorf("%q: %v", environ, err)
		}
	}
}
