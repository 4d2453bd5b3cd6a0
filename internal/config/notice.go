package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"time"
)

// Defaults of the settings of [notice] and [metrics] that have one.
const (
	DefaultNoticeAfter       = Duration(12 * time.Hour)
	DefaultHeartbeatInterval = Duration(5 * time.Minute)
	MinHeartbeatInterval     = Duration(30 * time.Second)
	DefaultCommandTimeout    = Duration(30 * time.Second)
	MinNoticeAfter           = Duration(15 * time.Minute)
)

// Notice is the [notice] table: how the agent tells people and their monitors
// how it goes, without being asked.
type Notice struct {
	// Desktop is false where no notices shall appear on the desktop; nil is true:
	// they appear where there is one. HasDesktop gives the one that counts.
	Desktop *bool `toml:"desktop"`
	// Command is a program with its arguments, run without a shell for every
	// notice, with a JSON document on its standard input.
	Command []string `toml:"command"`
	// CommandTimeout is when the command is ended; default 30s.
	CommandTimeout Duration `toml:"command_timeout"`
	// After is how long messages may wait for a place that can't be reached, while
	// this device is awake, before somebody is told; default 12h.
	After Duration `toml:"after"`
	// Heartbeat is an address that is called after passes that succeeded on all
	// accounts. It may hold a secret: it is never logged.
	Heartbeat string `toml:"heartbeat"`
	// HeartbeatInterval is the time between two calls, at least; default 5m.
	HeartbeatInterval Duration `toml:"heartbeat_interval"`
}

// AccountNotice is the [account.notice] table.
type AccountNotice struct {
	// Heartbeat is an address that is called after passes of this account that
	// succeeded. It may hold a secret: it is never logged.
	Heartbeat string `toml:"heartbeat"`
}

// Metrics is the [metrics] table: what a Prometheus may read.
type Metrics struct {
	// Listen is an address and a port for /metrics, /healthz and /readyz alone;
	// empty: they are on the agent's interface only.
	Listen string `toml:"listen"`
	// AllowRemote lets Listen be an address that other machines reach.
	AllowRemote bool `toml:"allow_remote"`
	// Names lets accounts stand in the metrics by name and not by a number that
	// means nothing outside.
	Names bool `toml:"names"`
}

// HasDesktop tells whether notices may appear on the desktop.
func (n *Notice) HasDesktop() bool { return n.Desktop == nil || *n.Desktop }

func (n *Notice) complete() {
	setDefault(&n.CommandTimeout, DefaultCommandTimeout)
	setDefault(&n.After, DefaultNoticeAfter)
	setDefault(&n.HeartbeatInterval, DefaultHeartbeatInterval)
}

// check returns sentences about what is wrong; empty ones say nothing.
func (n *Notice) check() []string {
	return []string{
		unless(len(n.Command) == 0 || filepath.IsAbs(n.Command[0]), "notice.command must begin with the whole path of a program; a shell line goes into a script"),
		unless(n.CommandTimeout > 0, "notice.command_timeout must be positive"),
		unless(n.After >= MinNoticeAfter, fmt.Sprintf("notice.after must be %s or more: shorter would tell of every tunnel", MinNoticeAfter)),
		unless(n.HeartbeatInterval >= MinHeartbeatInterval, fmt.Sprintf("notice.heartbeat_interval must be %s or more", MinHeartbeatInterval)),
		heartbeatCheck("notice.heartbeat", n.Heartbeat),
	}
}

func (n *AccountNotice) check() string { return heartbeatCheck("notice.heartbeat", n.Heartbeat) }

// heartbeatCheck does not quote the address: its path is a secret.
func heartbeatCheck(setting, address string) string {
	return unless(validURL(address), setting+" is no address of http or https; a name and password can't stand in it")
}

func (n *Notice) warn() (sentences []string) {
	if inTheOpen(n.Heartbeat) {
		sentences = append(sentences, "notice.heartbeat is not https: whoever is on its way can read the address, and call it too")
	}
	return sentences
}

// check returns sentences about what is wrong; empty ones say nothing.
func (m *Metrics) check() []string {
	if m.Listen == "" {
		return nil
	}
	address, err := netip.ParseAddrPort(m.Listen)
	return []string{
		unless(err == nil, fmt.Sprintf("metrics.listen %q is no address with a port; write it as 127.0.0.1:9377", m.Listen)),
		unless(err != nil || m.AllowRemote || address.Addr().IsLoopback(),
			fmt.Sprintf("metrics.listen %s can be reached by other machines, and asks nobody for a password; use 127.0.0.1 or [::1], or say allow_remote = true", m.Listen)),
	}
}
