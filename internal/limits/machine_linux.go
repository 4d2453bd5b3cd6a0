package limits

import (
	"context"
	"path/filepath"

	"github.com/godbus/dbus/v5"
)

// Metered implements Machine: NetworkManager knows, where it runs.
func (s System) Metered(ctx context.Context) Answer {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	dial := func() (*dbus.Conn, error) { return dbus.ConnectSystemBus(dbus.WithContext(ctx)) }
	if s.Bus != "" {
		dial = func() (*dbus.Conn, error) { return dbus.Connect(s.Bus, dbus.WithContext(ctx)) }
	}
	bus, err := dial()
	if err != nil {
		return Unknown
	}
	defer func() { _ = bus.Close() }() // the answer is here already
	var value dbus.Variant
	// A question must not start NetworkManager where it was not wanted.
	err = bus.Object("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager").CallWithContext(ctx,
		"org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, "org.freedesktop.NetworkManager", "Metered").Store(&value)
	if err != nil {
		return Unknown
	}
	switch value.Value() {
	case uint32(1), uint32(3): // yes, and a guess: a telephone's network, say
		return Yes
	case uint32(2), uint32(4):
		return No
	}
	return Unknown
}

// Power implements Machine.
func (s System) Power(context.Context) Power {
	return powerOf(filepath.Join(s.Root, "/sys/class/power_supply"))
}
