// Package limits judges how much of the machine the agent may use now: the hours of
// a bandwidth limit, a metered network, the battery, and what is left of the disk.
//
// It decides and explains, and does nothing by itself. Import order: above
// internal/config, below internal/agent.
package limits

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/config"
)

// Answer is what a system says to a question that not every system answers.
type Answer int

// The answers; the zero value is that nobody knows.
const (
	Unknown Answer = iota
	No
	Yes
)

// Power is where the machine's power comes from.
type Power struct {
	OnBattery Answer
	Percent   int // of the charge; -1 where nobody knows
}

// Disk is the room of a file system, in bytes, as far as this user may use it.
type Disk struct{ Free, Total int64 }

// Machine answers questions about this machine. Each method returns within a few
// seconds, and is safe for concurrent use.
type Machine interface {
	// Metered tells whether the way to the internet is paid by what goes over it.
	Metered(ctx context.Context) Answer
	// Power tells where the power comes from.
	Power(ctx context.Context) Power
	// Disk tells the room of the file system that a folder is on; an error where that can't be had.
	Disk(folder string) (Disk, error)
}

// Mode is what may run.
type Mode int

// The modes; the one that does least is the largest.
const (
	Run   Mode = iota // everything
	Small             // uploads of what waits
	Pause             // what somebody asks for
)

// Kinds of causes.
const (
	KindHours   = "hours"
	KindMetered = "metered"
	KindBattery = "battery"
	KindDisk    = "disk"
)

// Cause is one reason why less is done than could be, in a sentence for people.
type Cause struct {
	Kind  string    `json:"kind"`
	Text  string    `json:"text"`
	Since time.Time `json:"since,omitzero"`
}

// Verdict is what holds now.
type Verdict struct {
	Mode           Mode
	BytesPerSecond int64 // in each direction, of all accounts together; 0 is no limit
	LowDisk        bool  // nothing is to be fetched ahead, and the cache is to shrink
	FullDisk       bool  // new messages are to be refused
	Causes         []Cause
}

// Judge judges a machine again and again, and remembers since when each cause holds.
// It is not safe for concurrent use, but for Full.
type Judge struct {
	// Machine answers the questions, Folder is the data folder, Now the local clock.
	Machine Machine
	Folder  string
	Now     func() time.Time

	since map[string]time.Time
}

// Look asks the machine and decides by the settings. It waits as long as the machine does.
func (j *Judge) Look(ctx context.Context, settings *config.Limits) Verdict {
	now := j.Now()
	v := Verdict{}
	var hours *config.Hours
	if v.BytesPerSecond, hours = settings.At(now); hours != nil {
		v.cause(KindHours, hoursText(hours))
	}
	if mode := modes[settings.OnMetered]; mode != Run && j.Machine.Metered(ctx) == Yes {
		v.hold(mode)
		v.cause(KindMetered, "the network is metered, so "+doing[mode]+" (limits.on_metered)")
	}
	v.power(j.Machine.Power(ctx), settings)
	if disk, err := j.Machine.Disk(j.Folder); err == nil {
		v.disk(disk, settings)
	}
	j.date(&v, now)
	return v
}

// Full tells, in a sentence, why the disk takes no new messages at this moment; empty where it does. It asks the disk alone,
// so that room that was made counts at once. It is safe for concurrent use.
func (j *Judge) Full(settings *config.Limits) string {
	disk, err := j.Machine.Disk(j.Folder)
	if err != nil {
		return "" // whoever writes there will hear it
	}
	v := Verdict{}
	if v.disk(disk, settings); !v.FullDisk {
		return ""
	}
	return v.Causes[0].Text
}

// modes are the words of the settings; the empty one is run.
var modes = map[string]Mode{config.HoldSmall: Small, config.HoldPause: Pause}

// doing says what a mode leaves.
var doing = map[Mode]string{
	Small: "what waits is uploaded, and what others wrote is not looked for",
	Pause: "nothing is uploaded or looked for unless you ask for it",
}

func (v *Verdict) hold(mode Mode) { v.Mode = max(v.Mode, mode) }

func (v *Verdict) cause(kind, text string) {
	v.Causes = append(v.Causes, Cause{Kind: kind, Text: text})
}

func hoursText(h *config.Hours) string {
	rate := "as much as the network carries is used"
	if h.BytesPerSecond > 0 {
		rate = fmt.Sprintf("all accounts together use %s a second at most in each direction", h.BytesPerSecond)
	}
	return fmt.Sprintf("from %s to %s %s (limits.hours)", h.From, h.To, rate)
}

func (v *Verdict) power(power Power, settings *config.Limits) {
	if power.OnBattery != Yes {
		return
	}
	low := power.Percent >= 0 && power.Percent < settings.BatteryLow
	mode := modes[settings.OnBattery]
	why := "the machine runs on battery"
	if settings.OnBattery == "" && low {
		mode, why = Small, fmt.Sprintf("the battery is at %d%%, below %d%%", power.Percent, settings.BatteryLow)
	}
	if mode != Run {
		v.hold(mode)
		v.cause(KindBattery, why+", so "+doing[mode]+" (limits.on_battery)")
	}
}

// fullPart is how small a part of what is to be left free counts as full.
const fullPart = 10

// Floor is what is to be left of a disk, in bytes: the setting, or else DefaultMinFree or a
// hundredth of the disk, whichever is less.
func Floor(disk Disk, settings *config.Limits) int64 {
	if settings.MinFree > 0 {
		return int64(settings.MinFree)
	}
	return min(int64(config.DefaultMinFree), disk.Total/100)
}

func (v *Verdict) disk(disk Disk, settings *config.Limits) {
	floor := Floor(disk, settings)
	if disk.Free >= floor {
		return
	}
	v.LowDisk, v.FullDisk = true, disk.Free < floor/fullPart
	so := "nothing is fetched ahead"
	if v.FullDisk {
		so = "new messages are refused until there is room"
	}
	v.cause(KindDisk, fmt.Sprintf("the disk with the data folder has %s left, less than %s, so %s; make room there, or set limits.min_free lower",
		humanize.Bytes(uint64(max(disk.Free, 0))), humanize.Bytes(uint64(floor)), so))
}

// date puts down since when each cause holds.
func (j *Judge) date(v *Verdict, now time.Time) {
	since := make(map[string]time.Time)
	for i := range v.Causes {
		cause := &v.Causes[i]
		cause.Since = now.Round(0)
		if before, held := j.since[cause.Kind]; held {
			cause.Since = before
		}
		since[cause.Kind] = cause.Since
	}
	j.since = since
}
