package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/limits"
)

// fakeMachine answers what a test sets.
type fakeMachine struct {
	mu      sync.Mutex
	metered limits.Answer
	disk    limits.Disk
}

func (m *fakeMachine) set(metered limits.Answer, free int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metered, m.disk = metered, limits.Disk{Free: free, Total: 1e12}
}

func (m *fakeMachine) Metered(context.Context) limits.Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.metered
}
func (*fakeMachine) Power(context.Context) limits.Power { return limits.Power{Percent: -1} }
func (m *fakeMachine) Disk(string) (limits.Disk, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.disk, nil
}

// startLimited runs an agent on a machine that the test sets.
func startLimited(t *testing.T, d *device) (*Agent, *fakeMachine, *Client, func() error) {
	t.Helper()
	m := &fakeMachine{}
	m.set(limits.No, 1e11)
	d.config.Limits = config.Limits{OnMetered: config.HoldSmall, MinFree: 1e9, BatteryLow: 20}
	d.options.Machine = m
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	client, stop := d.startAs(a)
	until(t, client, "", func(s api.AccountStatus) bool { return s.Open && !s.LastSuccess.IsZero() })
	return a, m, client, stop
}

// TestMeteredNetwork: what is appended goes out, nothing else is asked of the place, the status says why and since
// when, and all is as before when the network is no longer metered.
func TestMeteredNetwork(t *testing.T) {
	d := newDevice(t, "alice.eth")
	a, m, client, _ := startLimited(t, d)
	m.set(limits.Yes, 1e11)
	a.governor.lookNow()
	until(t, client, "", func(s api.AccountStatus) bool { return s.Small })
	status, err := client.Status(t.Context())
	before := status.Accounts[0].Traffic
	if err != nil || len(status.Limits) != 1 || status.Limits[0].Kind != limits.KindMetered || status.Limits[0].Since.IsZero() {
		t.Errorf("limits %+v, error %v", status.Limits, err)
	}
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(1))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return s.Traffic.Puts > before.Puts })
	m.set(limits.No, 1e11)
	a.governor.lookNow()
	until(t, client, "", func(s api.AccountStatus) bool { return !s.Small && isPushed(s) })
	if status, err := client.Status(t.Context()); err != nil || len(status.Limits) > 0 {
		t.Errorf("limits %+v, error %v", status.Limits, err)
	}
}

// TestLowDisk: below the limit nothing is fetched ahead and the cache shrinks; well below it, appends are refused
// with a sentence, before the disk is full; and taken again when there is room.
func TestLowDisk(t *testing.T) {
	d := newDevice(t, "alice.eth")
	a, m, client, _ := startLimited(t, d)
	m.set(limits.No, 5e8)
	a.governor.lookNow()
	wait(t, "nothing to be fetched ahead", a.governor.frugal)
	if err := a.governor.room(); err != nil {
		t.Errorf("half of what is to be left: %v", err)
	}
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(1))); err != nil {
		t.Fatal(err)
	}
	m.set(limits.No, 5e7)
	if err := a.governor.room(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "50 MB left") {
		t.Errorf("room: %v", err)
	}
	_, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(1)))
	if err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("append on a full disk: %v", err)
	}
	m.set(limits.No, 1e11)
	a.governor.lookNow()
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(1))); err != nil {
		t.Fatal(err)
	}
	wait(t, "room again", func() bool { return !a.governor.frugal() })
}

// TestHeldByALimit: a limit that pauses is told apart from a pause that somebody asked for.
func TestHeldByALimit(t *testing.T) {
	d := newDevice(t, "alice.eth")
	a, m, client, _ := startLimited(t, d)
	a.governor.configure(config.Limits{OnMetered: config.HoldPause})
	m.set(limits.Yes, 1e11)
	a.governor.lookNow()
	until(t, client, "", func(s api.AccountStatus) bool { return s.Paused && s.Held })
	if err := client.Pause(t.Context(), "", true); err != nil {
		t.Fatal(err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return s.Paused && !s.Held })
	m.set(limits.No, 1e11)
	a.governor.lookNow()
	if err := client.Pause(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return !s.Paused && !s.Held })
}

// TestPauseFor: a pause ends by itself, holds over a restart, and is told with its end.
func TestPauseFor(t *testing.T) {
	d := newDevice(t, "alice.eth")
	now := time.Now()
	var mu sync.Mutex
	d.options.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	_, _, client, stop := startLimited(t, d)
	end, err := client.PauseFor(t.Context(), "", time.Hour)
	if err != nil || !end.Equal(now.Add(time.Hour)) {
		t.Fatalf("until %v, error %v", end, err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return s.Paused && s.PausedUntil.Equal(end) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	client, _ = d.startAs(a)
	until(t, client, "", func(s api.AccountStatus) bool { return s.Open && s.Paused && s.PausedUntil.Equal(end) })
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	a.governor.lookNow()
	until(t, client, "", func(s api.AccountStatus) bool { return !s.Paused && s.PausedUntil.IsZero() })
	if _, err := client.PauseFor(t.Context(), "", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := client.Pause(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return !s.Paused })
}

// TestReloadTakesLimits: other limits hold after a reload, and no account is opened anew for them.
func TestReloadTakesLimits(t *testing.T) {
	d := newDevice(t, "alice.eth")
	fresh := *d.config
	fresh.Limits = config.Limits{BytesPerSecond: 12345}
	d.options.Load = func() (*config.Config, error) { return &fresh, nil }
	a, _, _, _ := startLimited(t, d)
	before := a.all()[0]
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "the limit", func() bool { return a.governor.up.Rate() == 12345 && a.governor.down.Rate() == 12345 })
	if a.all()[0] != before {
		t.Error("the account was opened anew")
	}
}
