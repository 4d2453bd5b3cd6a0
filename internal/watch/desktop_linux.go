package watch

import (
	"context"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Desktop shows notices through org.freedesktop.Notifications on the session's bus.
// A newer notice of an account replaces the older one. It is safe for concurrent use.
type Desktop struct {
	// Environ is the agent's environment, which says where the bus is.
	Environ []string

	mu    sync.Mutex
	shown map[string]uint32 // by account
}

// Notify implements Notifier. Without a bus it is ErrNoDesktop.
func (d *Desktop) Notify(ctx context.Context, n Notice) error {
	address := busAddress(d.Environ)
	if address == "" {
		return ErrNoDesktop
	}
	bus, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("watch: reaching the desktop: %w: %w", ErrNoDesktop, err)
	}
	defer func() { _ = bus.Close() }() // nothing waits in it
	d.mu.Lock()
	defer d.mu.Unlock()
	urgency := byte(1)
	if !n.Over && n.Cause != CauseSoon {
		urgency = 2
	}
	hints := map[string]dbus.Variant{"urgency": dbus.MakeVariant(urgency), "category": dbus.MakeVariant("network.error")}
	// Bodies are markup in most desktops, titles never are.
	call := bus.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications").CallWithContext(ctx,
		"org.freedesktop.Notifications.Notify", 0, appName, d.shown[n.Account], "", n.Title, html.EscapeString(n.Text), []string{}, hints, int32(-1))
	var identifier uint32
	if err := call.Store(&identifier); err != nil {
		return fmt.Errorf("watch: showing a notice on the desktop: %w", err)
	}
	if d.shown == nil {
		d.shown = make(map[string]uint32)
	}
	d.shown[n.Account] = identifier
	return nil
}

// busAddress finds the session's bus; it starts none.
func busAddress(environ []string) string {
	runtime := ""
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "DBUS_SESSION_BUS_ADDRESS":
			if value != "" && value != "autolaunch:" {
				return value
			}
		case "XDG_RUNTIME_DIR":
			runtime = value
		}
	}
	if runtime == "" {
		return ""
	}
	socket := filepath.Join(runtime, "bus")
	if info, err := os.Stat(socket); err != nil || info.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return "unix:path=" + dbus.EscapeBusAddressValue(socket)
}
