package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
)

const limitsAccount = "[[account]]\nname = \"alice.eth\"\n[account.secret]\nfile = \"k\"\n[account.provider]\nkind = \"folder\"\npath = \"p\"\n"

func loadLimits(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text+limitsAccount), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, environment("HOME=/home/alice"))
}

// TestLimitHours: local clocks count, over midnight and over both changes of the clocks.
func TestLimitHours(t *testing.T) {
	c, err := loadLimits(t, `[limits]
bytes_per_second = "2MB"
[[limits.hours]]
from = "08:00"
to = "18:00"
days = "mon-fri"
bytes_per_second = "200kB"
[[limits.hours]]
from = "22:30"
to = "03:00"
days = "fri-sat"
bytes_per_second = "0"
`)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	at := func(text string) int64 {
		moment, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		if err != nil {
			t.Fatal(err)
		}
		rate, _ := c.Limits.At(moment)
		return rate
	}
	for text, want := range map[string]int64{
		"2026-11-20 07:59": 2_000_000, "2026-11-20 08:00": 200_000, "2026-11-20 17:59": 200_000, "2026-11-20 18:00": 2_000_000, // a Friday
		"2026-11-20 22:30": 0, "2026-11-21 02:59": 0, "2026-11-21 03:00": 2_000_000, "2026-11-21 12:00": 2_000_000,
		"2026-11-22 02:00": 0, "2026-11-22 23:00": 2_000_000, "2026-11-23 01:00": 2_000_000,
	} {
		if got := at(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	// On 2026-03-29 clocks jump from 2:00 to 3:00, on 2026-10-25 back from 3:00 to 2:00: the Saturday's hours end at
	// 3:00 on the wall, an hour sooner and later than on other days.
	for start, hours := range map[string]float64{"2026-03-28 22:30": 3.5, "2026-10-24 22:30": 5.5, "2026-11-21 22:30": 4.5} {
		begin, err := time.ParseInLocation("2006-01-02 15:04", start, zone)
		if err != nil {
			t.Fatal(err)
		}
		free := 0
		for m := range 12 * 60 {
			if rate, _ := c.Limits.At(begin.Add(time.Duration(m) * time.Minute)); rate == 0 {
				free++
			}
		}
		if float64(free) != hours*60 {
			t.Errorf("%s: %d minutes, want %v hours", start, free, hours)
		}
	}
}

func TestLimitsChecked(t *testing.T) {
	c, err := loadLimits(t, "")
	if err != nil || c.Limits.OnMetered != config.HoldSmall || c.Limits.BatteryLow != 20 {
		t.Errorf("defaults %+v, error %v", c.Limits, err)
	}
	for text, want := range map[string]string{
		"on_metered = \"stop\"":                                           "on_metered",
		"on_battery = \"stop\"":                                           "on_battery",
		"battery_low = 101":                                               "percent",
		"[[limits.hours]]\nfrom = \"8\"\nto = \"18:00\"":                  "08:00",
		"[[limits.hours]]\nfrom = \"08:00\"\nto = \"25:00\"":              "08:00",
		"[[limits.hours]]\nfrom = \"08:00\"\nto = \"9:00\"\ndays = \"x\"": "mon-fri",
		"hour = 1": "unknown setting",
	} {
		if _, err := loadLimits(t, "[limits]\n"+text+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", text, err)
		}
	}
}
