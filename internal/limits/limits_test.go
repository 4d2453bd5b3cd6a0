package limits_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/limits"
)

// machine answers what a test wants.
type machine struct {
	metered limits.Answer
	power   limits.Power
	disk    limits.Disk
	err     error
}

func (m *machine) Metered(context.Context) limits.Answer { return m.metered }
func (m *machine) Power(context.Context) limits.Power    { return m.power }
func (m *machine) Disk(string) (limits.Disk, error)      { return m.disk, m.err }

const gigabyte = 1_000_000_000

// TestJudge: what the settings make of each state of a machine, and what is said of it.
func TestJudge(t *testing.T) {
	roomy := limits.Disk{Free: 100 * gigabyte, Total: 200 * gigabyte}
	standard := config.Limits{OnMetered: config.HoldSmall, BatteryLow: 20}
	onBattery := func(percent int) limits.Power { return limits.Power{OnBattery: limits.Yes, Percent: percent} }
	for name, c := range map[string]struct {
		machine  machine
		settings config.Limits
		want     limits.Verdict // without its causes
		says     []string       // a part of each cause
	}{
		"nothing":          {machine{disk: roomy}, standard, limits.Verdict{}, nil},
		"nobody knows":     {machine{err: errors.New("no disk")}, standard, limits.Verdict{}, nil},
		"metered":          {machine{metered: limits.Yes, disk: roomy}, standard, limits.Verdict{Mode: limits.Small}, []string{"network is metered"}},
		"metered, run":     {machine{metered: limits.Yes, disk: roomy}, config.Limits{OnMetered: config.HoldRun}, limits.Verdict{}, nil},
		"metered, pause":   {machine{metered: limits.Yes, disk: roomy}, config.Limits{OnMetered: config.HoldPause}, limits.Verdict{Mode: limits.Pause}, []string{"unless you ask"}},
		"battery":          {machine{power: onBattery(80), disk: roomy}, standard, limits.Verdict{}, nil},
		"battery, low":     {machine{power: onBattery(19), disk: roomy}, standard, limits.Verdict{Mode: limits.Small}, []string{"at 19%, below 20%"}},
		"battery, at 20":   {machine{power: onBattery(20), disk: roomy}, standard, limits.Verdict{}, nil},
		"battery, unknown": {machine{power: onBattery(-1), disk: roomy}, standard, limits.Verdict{}, nil},
		"battery, run":     {machine{power: onBattery(3), disk: roomy}, config.Limits{OnBattery: config.HoldRun, BatteryLow: 20}, limits.Verdict{}, nil},
		"charging":         {machine{power: limits.Power{OnBattery: limits.No, Percent: 5}, disk: roomy}, standard, limits.Verdict{}, nil},
		"both": {machine{metered: limits.Yes, power: onBattery(80), disk: roomy}, config.Limits{OnMetered: config.HoldSmall, OnBattery: config.HoldPause},
			limits.Verdict{Mode: limits.Pause}, []string{"metered", "battery"}},
		"low disk":           {machine{disk: limits.Disk{Free: gigabyte / 4, Total: 200 * gigabyte}}, standard, limits.Verdict{LowDisk: true}, []string{"250 MB left, less than 500 MB"}},
		"full disk":          {machine{disk: limits.Disk{Free: 49_000_000, Total: 200 * gigabyte}}, standard, limits.Verdict{LowDisk: true, FullDisk: true}, []string{"new messages are refused"}},
		"small disk":         {machine{disk: limits.Disk{Free: gigabyte / 5, Total: 10 * gigabyte}}, standard, limits.Verdict{}, nil},
		"small and full":     {machine{disk: limits.Disk{Free: gigabyte / 20, Total: 10 * gigabyte}}, standard, limits.Verdict{LowDisk: true}, []string{"less than 100 MB"}},
		"min_free":           {machine{disk: limits.Disk{Free: gigabyte, Total: 10 * gigabyte}}, config.Limits{MinFree: 2 * gigabyte}, limits.Verdict{LowDisk: true}, []string{"less than 2.0 GB"}},
		"hours":              {machine{disk: roomy}, config.Limits{BytesPerSecond: 9, Hours: []config.Hours{{From: "08:00", To: "18:00", BytesPerSecond: 200_000}}}, limits.Verdict{BytesPerSecond: 200_000}, []string{"from 08:00 to 18:00 all accounts together use 200 kB"}},
		"outside the hours":  {machine{disk: roomy}, config.Limits{BytesPerSecond: 9, Hours: []config.Hours{{From: "18:00", To: "08:00"}}}, limits.Verdict{BytesPerSecond: 9}, nil},
		"hours of no limits": {machine{disk: roomy}, config.Limits{BytesPerSecond: 9, Hours: []config.Hours{{From: "08:00", To: "18:00"}}}, limits.Verdict{}, []string{"as much as the network carries"}},
	} {
		noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		judge := limits.Judge{Machine: &c.machine, Folder: "/data", Now: func() time.Time { return noon }}
		got := judge.Look(t.Context(), &c.settings)
		if got.Mode != c.want.Mode || got.BytesPerSecond != c.want.BytesPerSecond || got.LowDisk != c.want.LowDisk || got.FullDisk != c.want.FullDisk || len(got.Causes) != len(c.says) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if full := judge.Full(&c.settings); (full != "") != got.FullDisk {
			t.Errorf("%s: asked for the disk alone: %q", name, full)
		}
		for i, part := range c.says {
			if !strings.Contains(got.Causes[i].Text, part) || !got.Causes[i].Since.Equal(noon) {
				t.Errorf("%s: says %q", name, got.Causes[i])
			}
		}
	}
}

// TestSince: a cause keeps its begin while it holds, and has a new one when it comes again.
func TestSince(t *testing.T) {
	m := &machine{metered: limits.Yes, disk: limits.Disk{Free: gigabyte, Total: gigabyte}}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	judge := limits.Judge{Machine: m, Now: func() time.Time { return now }}
	settings := &config.Limits{OnMetered: config.HoldSmall}
	begin := now
	judge.Look(t.Context(), settings)
	now = now.Add(time.Hour)
	if v := judge.Look(t.Context(), settings); !v.Causes[0].Since.Equal(begin) {
		t.Errorf("since %v", v.Causes[0].Since)
	}
	m.metered = limits.No
	judge.Look(t.Context(), settings)
	m.metered = limits.Yes
	if v := judge.Look(t.Context(), settings); !v.Causes[0].Since.Equal(now) {
		t.Errorf("since %v", v.Causes[0].Since)
	}
}

// TestPowerSupplies reads folders as Linux shows them.
func TestPowerSupplies(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  limits.Power
	}{
		"a desk":   {nil, limits.Power{Percent: -1}},
		"a laptop": {map[string]string{"AC/type": "Mains", "AC/online": "0", "BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/capacity": "41"}, limits.Power{OnBattery: limits.Yes, Percent: 41}},
		"plugged":  {map[string]string{"AC/type": "Mains", "AC/online": "1", "BAT0/type": "Battery", "BAT0/status": "Charging", "BAT0/capacity": "41"}, limits.Power{OnBattery: limits.No, Percent: -1}},
		"two":      {map[string]string{"BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/capacity": "10", "BAT1/type": "Battery", "BAT1/status": "Not charging", "BAT1/capacity": "90"}, limits.Power{OnBattery: limits.Yes, Percent: 50}},
		"a mouse":  {map[string]string{"hid/type": "Battery", "hid/scope": "Device", "hid/status": "Discharging", "hid/capacity": "3"}, limits.Power{Percent: -1}},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, "sys/class/power_supply", file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text+"\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if got := (limits.System{Root: root}).Power(t.Context()); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDiskOfThisMachine(t *testing.T) {
	folder := t.TempDir()
	here, err := limits.System{}.Disk(folder)
	later, laterErr := limits.System{}.Disk(filepath.Join(folder, "not", "yet"))
	if err != nil || laterErr != nil || here.Total <= 0 || here.Free > here.Total || later.Total != here.Total {
		t.Errorf("%+v %v, %+v %v", here, err, later, laterErr)
	}
}

// manager is NetworkManager, as far as it is asked.
type manager struct{ metered atomic.Uint32 }

// Get is org.freedesktop.DBus.Properties.Get.
func (m *manager) Get(_, name string) (dbus.Variant, *dbus.Error) {
	if name != "Metered" {
		return dbus.Variant{}, dbus.MakeFailedError(errors.New("no such property"))
	}
	return dbus.MakeVariant(m.metered.Load()), nil
}

// TestMeteredOverBus asks a real bus, with and without a network manager on it.
func TestMeteredOverBus(t *testing.T) {
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon here")
	}
	command := exec.CommandContext(t.Context(), daemon, "--session", "--nofork", "--print-address", "--address=unix:dir="+t.TempDir())
	output, err := command.StdoutPipe()
	if err := errors.Join(err, command.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Wait() }() // the end of the test's context ends it
	defer func() { _ = command.Process.Kill() }()
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	system := limits.System{Bus: strings.TrimSpace(address), Patience: time.Minute}
	if got := system.Metered(t.Context()); got != limits.Unknown {
		t.Errorf("without a network manager: %v", got)
	}
	bus, err := dbus.Connect(system.Bus)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	m := &manager{}
	if err := bus.Export(m, "/org/freedesktop/NetworkManager", "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.RequestName("org.freedesktop.NetworkManager", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	for word, want := range []limits.Answer{limits.Unknown, limits.Yes, limits.No, limits.Yes, limits.No} {
		m.metered.Store(uint32(word))
		if got := system.Metered(t.Context()); got != want {
			t.Errorf("%d: %v, want %v", word, got, want)
		}
	}
	if got := (limits.System{Bus: "unix:path=/nowhere"}).Metered(t.Context()); got != limits.Unknown {
		t.Errorf("without a bus: %v", got)
	}
}
