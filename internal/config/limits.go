package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The words of limits.on_metered and limits.on_battery.
const (
	HoldRun   = "run"   // as ever
	HoldSmall = "small" // only what waits is uploaded
	HoldPause = "pause" // passes run only when asked for
)

// DefaultMinFree is limits.min_free, or a hundredth of the disk where that is less.
const DefaultMinFree Size = 500_000_000

// DefaultBatteryLow is limits.battery_low, in percent.
const DefaultBatteryLow = 20

// Limits is the [limits] table: what the agent spares, over all accounts.
type Limits struct {
	// BytesPerSecond is for uploads, and as much again for downloads; 0: no limit.
	BytesPerSecond Size `toml:"bytes_per_second"`
	// Hours are times of the day with another limit; of several, the first counts.
	Hours []Hours `toml:"hours"`
	// OnMetered is run, small (default) or pause, where the system calls the network metered.
	OnMetered string `toml:"on_metered"`
	// OnBattery is run, small or pause on battery; "" is run, and small below BatteryLow.
	OnBattery string `toml:"on_battery"`
	// BatteryLow is a charge in percent; default 20.
	BatteryLow int `toml:"battery_low"`
	// MinFree is how much of the disk with the data folder is left to others: below it nothing is
	// fetched ahead. 0 is DefaultMinFree.
	MinFree Size `toml:"min_free"`
}

// Hours is one [[limits.hours]] table, in local time.
type Hours struct {
	From string `toml:"from"` // 08:00
	To   string `toml:"to"`   // 18:00, not included; before From: of the next day
	// Days are those on which it begins: "mon-fri", "sat,sun"; "" is every day.
	Days           string `toml:"days"`
	BytesPerSecond Size   `toml:"bytes_per_second"` // 0: no limit
}

func (l *Limits) complete() {
	setDefault(&l.OnMetered, HoldSmall)
	setDefault(&l.BatteryLow, DefaultBatteryLow)
}

// check returns sentences about what is wrong; empty ones say nothing.
func (l *Limits) check() []string {
	checks := []string{
		unless(l.BytesPerSecond >= 0 && l.MinFree >= 0, "limits: bytes_per_second and min_free must not be negative"),
		oneOf("limits.on_metered", l.OnMetered, HoldRun, HoldSmall, HoldPause),
		unless(l.OnBattery == "" || slices.Contains([]string{HoldRun, HoldSmall, HoldPause}, l.OnBattery),
			fmt.Sprintf("limits.on_battery is %q; use one of run, small, pause, or leave it out", l.OnBattery)),
		unless(l.BatteryLow >= 0 && l.BatteryLow <= 100, "limits.battery_low is a charge in percent, 0 to 100"),
	}
	for i := range l.Hours {
		h := &l.Hours[i]
		_, fromErr := minutes(h.From)
		_, toErr := minutes(h.To)
		_, daysErr := h.weekdays()
		checks = append(checks,
			unless(fromErr == nil && toErr == nil, fmt.Sprintf("limits.hours: from %q to %q is no time of the day; write 08:00", h.From, h.To)),
			unless(daysErr == nil, fmt.Sprintf("limits.hours: days %q; write mon-fri, or sat,sun", h.Days)),
			unless(h.BytesPerSecond >= 0, "limits.hours: bytes_per_second must not be negative"))
	}
	return checks
}

// At is the limit at a moment in the moment's own zone, 0 for none, and the hours that it comes from; nil: from
// no hours. Clocks on the wall count, whatever they jump over.
func (l *Limits) At(moment time.Time) (bytesPerSecond int64, hours *Hours) {
	for i := range l.Hours {
		if l.Hours[i].cover(moment) {
			return int64(l.Hours[i].BytesPerSecond), &l.Hours[i]
		}
	}
	return int64(l.BytesPerSecond), nil
}

// cover tells whether a moment lies in the hours. Hours that could not be read cover nothing.
func (h *Hours) cover(moment time.Time) bool {
	from, fromErr := minutes(h.From)
	to, toErr := minutes(h.To)
	days, daysErr := h.weekdays()
	if fromErr != nil || toErr != nil || daysErr != nil {
		return false
	}
	now, today := moment.Hour()*60+moment.Minute(), moment.Weekday()
	if from < to {
		return days[today] && from <= now && now < to
	}
	yesterday := (today + 6) % 7
	return days[today] && now >= from || days[yesterday] && now < to
}

// minutes reads a time of the day.
func minutes(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	moment, err := time.Parse("15:04", text)
	return moment.Hour()*60 + moment.Minute(), err
}

// dayNames are in the order of time.Weekday.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// weekdays are the days on which the hours begin.
func (h *Hours) weekdays() (days [7]bool, err error) {
	if strings.TrimSpace(h.Days) == "" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for part := range strings.SplitSeq(strings.ToLower(h.Days), ",") {
		first, last, several := strings.Cut(strings.TrimSpace(part), "-")
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if !several {
			to = from
		}
		if from < 0 || to < 0 {
			return days, fmt.Errorf("%q is no day", part)
		}
		for day := from; ; day = (day + 1) % 7 {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, nil
}
