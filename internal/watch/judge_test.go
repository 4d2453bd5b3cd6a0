package watch

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// device is an account on a device that sleeps and wakes: what the agent would say,
// and how long it was awake.
type device struct {
	t       *testing.T
	rules   Rules
	memory  Memory
	wall    time.Time
	reading Reading
	told    []string
}

func newDevice(t *testing.T) *device {
	d := &device{t: t, rules: Rules{After: 12 * time.Hour}, wall: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	d.reading.Name, d.reading.Open, d.reading.State = "alice.eth", true, "idle"
	d.online()
	d.awake(time.Hour)
	d.expect()
	return d
}

func (d *device) online() {
	d.reading.LastError, d.reading.Obstacle, d.reading.Stuck, d.reading.State = "", obstacle.None, false, "idle"
	d.reading.LastSuccess = d.wall
}

// failing lets passes fail, as the engine tells it.
func (d *device) failing(err error) {
	d.reading.LastError, d.reading.Obstacle = fmt.Sprintf("engine: listing heads: %v", err), obstacle.Of(err)
}

// awake lets time go by while the device is on, with a pass every minute.
func (d *device) awake(long time.Duration) {
	for range int(long / every) {
		d.wall = d.wall.Add(every)
		if d.reading.LastError == "" && d.reading.State == "idle" && d.reading.Open && !d.reading.Paused {
			d.reading.LastSuccess, d.reading.Stuck, d.reading.Pending = d.wall, false, 0
		}
		// As the agent judges it, by the wall clock.
		d.reading.Stuck = !d.reading.Paused && d.wall.Sub(d.reading.LastSuccess) >= 15*time.Minute
		d.judge(every)
	}
}

func (d *device) judge(passed time.Duration) {
	for _, v := range d.rules.Judge(&d.memory, passed, &d.reading) {
		text := string(v.Cause)
		if v.Over {
			text = "over " + text
		}
		d.told = append(d.told, text)
	}
}

// asleep lets time go by that the device does not notice.
func (d *device) asleep(long time.Duration) { d.wall = d.wall.Add(long) }

// expect compares what was told since the last time.
func (d *device) expect(want ...string) {
	d.t.Helper()
	if !slices.Equal(d.told, want) {
		d.t.Errorf("at %s: told %q, want %q", d.wall.Format(time.DateTime), d.told, want)
	}
	d.told = nil
}

// TestLaptopsWeek: an ordinary week is silent, and what matters is told once.
func TestLaptopsWeek(t *testing.T) {
	d := newDevice(t)
	offline := fmt.Errorf("webdav: %w", providers.ErrTransient)
	for day := range 5 {
		d.online()
		d.awake(8 * time.Hour)
		d.failing(offline) // in the train, still writing
		d.reading.Pending = 3
		d.awake(time.Hour)
		d.online()
		d.awake(2 * time.Hour)
		d.failing(offline) // the router is off at night, the laptop on
		d.awake(9 * time.Hour)
		d.asleep(4 * time.Hour)
		if day == 2 { // a night with the lid open, offline, with a message that was written late
			d.reading.Pending = 1
			d.awake(9 * time.Hour)
		}
		d.expect()
	}
	d.online()
	d.awake(time.Hour)
	d.failing(fmt.Errorf("webdav: %w", providers.ErrUnauthorised)) // a hotel's portal answers for the place
	d.awake(50 * time.Minute)
	d.asleep(40 * time.Hour) // a weekend in a bag
	d.awake(5 * time.Minute)
	d.online()
	d.awake(time.Hour)
	d.expect()
	d.wall = d.wall.Add(400 * 24 * time.Hour) // a clock that was set wrong, and back
	d.awake(time.Minute)
	d.wall = d.wall.Add(-400 * 24 * time.Hour)
	d.awake(time.Hour)
	d.expect()
	d.failing(offline)
	d.reading.Pending = 7
	for range 10 {
		d.awake(time.Hour)
		d.asleep(14 * time.Hour)
	}
	d.expect() // ten hours awake
	d.awake(3 * time.Hour)
	d.expect("stuck")
	d.awake(48 * time.Hour)
	d.expect()
	d.online()
	d.awake(10 * time.Minute)
	d.expect("over stuck")
	d.awake(24 * time.Hour)
	d.expect()
}

func TestWhatIsTold(t *testing.T) {
	alarm := engine.Problem{Kind: "damaged", Object: "x1", Alarm: true, Contact: "bob.eth"}
	for name, c := range map[string]struct {
		happens func(r *Reading)
		silent  time.Duration // for how long nothing is told
		cause   Cause
	}{
		"blocked":            {func(r *Reading) { r.State, r.LastError = "blocked", "gone" }, time.Minute, CauseBlocked},
		"closed":             {func(r *Reading) { r.Open, r.Reason, r.Obstacle = false, "no secret", obstacle.Secret }, 14 * time.Minute, CauseClosed},
		"starting":           {func(r *Reading) { r.Open, r.Reason = false, "starting" }, 24 * time.Hour, ""},
		"disk full":          {func(r *Reading) { r.LastError, r.Obstacle = "cache", obstacle.Disk }, time.Minute, CauseDisk},
		"login ended":        {func(r *Reading) { r.LastError, r.Obstacle, r.Warning = "Drive: logged out", obstacle.Login, "log in" }, time.Minute, CauseLogin},
		"refused":            {func(r *Reading) { r.LastError, r.Obstacle = "403", obstacle.Refused }, 55 * time.Minute, CauseLogin},
		"refused, and warns": {func(r *Reading) { r.LastError, r.Obstacle, r.Warning = "403", obstacle.Refused, "log in" }, time.Minute, CauseLogin},
		"others' words":      {func(r *Reading) { r.LastError, r.Obstacle = providers.ErrUnauthorised.Error(), obstacle.Other }, 71*time.Hour + 30*time.Minute, CauseStuck},
		"disk full, closed":  {func(r *Reading) { r.Open, r.Obstacle = false, obstacle.Disk }, time.Minute, CauseDisk},
		"place full":         {func(r *Reading) { r.LastError, r.Obstacle = "507", obstacle.Room }, 55 * time.Minute, CauseRoom},
		"offline with work":  {func(r *Reading) { r.LastError, r.Obstacle, r.Pending = "offline", obstacle.Unreachable, 1 }, 12 * time.Hour, CauseStuck},
		"offline with less":  {func(r *Reading) { r.LastError, r.Obstacle = "offline", obstacle.Unreachable }, 71*time.Hour + 30*time.Minute, CauseStuck},
		"login ends, offline": {func(r *Reading) {
			r.LastError, r.Obstacle, r.Warning = "offline", obstacle.Unreachable, "ends on Friday"
		}, 71*time.Hour + 30*time.Minute, CauseStuck},
		"hanging":           {func(r *Reading) { r.State, r.Pending = "working", 1 }, time.Hour, CauseStuck},
		"alarm":             {func(r *Reading) { r.Problems = []engine.Problem{alarm} }, time.Minute, CauseAlarm},
		"alarm of a mirror": {func(r *Reading) { r.Mirrors = []mirror.Status{{Problems: []engine.Problem{alarm}}} }, time.Minute, CauseAlarm},
		"problem, no alarm": {func(r *Reading) { r.Problems = []engine.Problem{{Kind: "doubt"}} }, 24 * time.Hour, ""},
		"login ends":        {func(r *Reading) { r.Warning = "ends on Friday" }, time.Minute, CauseSoon},
		"paused":            {func(r *Reading) { r.Paused, r.Pending = true, 5 }, 90 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			before := d.reading
			c.happens(&d.reading)
			d.awake(c.silent)
			d.expect()
			if c.cause == "" {
				return
			}
			d.awake(45 * time.Minute)
			d.expect(string(c.cause))
			for range 5 {
				d.awake(5 * time.Hour) // and the agent starts anew, each time
				d.reading.Stuck = false
				d.judge(0)
			}
			d.expect()
			d.reading.AccountStatus = before.AccountStatus
			d.online()
			d.awake(10 * time.Minute)
			d.expect("over " + string(c.cause))
		})
	}
}

// TestOneTroubleIsToldOnce: what follows from something told is nothing new.
func TestOneTroubleIsToldOnce(t *testing.T) {
	d := newDevice(t)
	d.reading.Pending = 4
	d.failing(syscall.ENOSPC)
	d.awake(20 * time.Hour)
	d.expect("disk")
	d.failing(providers.ErrTransient) // now there is room, but no network
	d.awake(20 * time.Hour)
	d.expect()
	d.failing(syscall.ENOSPC)
	d.awake(time.Hour)
	d.expect()
	d.online()
	d.awake(time.Hour)
	d.expect("over disk")
	d.failing(syscall.ENOSPC) // it flaps
	d.awake(30 * time.Minute)
	d.online()
	d.awake(30 * time.Minute)
	d.expect()
	d.awake(6 * time.Hour)
	d.failing(syscall.ENOSPC) // the next day it is news again
	d.awake(30 * time.Minute)
	d.expect("disk")
}

// TestAlarmsAreGathered: a place that loses one object after the other is told of
// hourly at most, and each loss once.
func TestAlarmsAreGathered(t *testing.T) {
	d := newDevice(t)
	for i := range 30 {
		d.reading.Problems = append(d.reading.Problems, engine.Problem{Kind: "missing", Object: fmt.Sprint(i), Alarm: true})
		d.awake(time.Minute)
	}
	d.expect("alarm")
	d.awake(10 * time.Hour)
	d.expect("alarm")
	d.reading.Problems = nil
	d.awake(time.Hour)
	d.expect("over alarm")
}

func TestNoticesNameNoContact(t *testing.T) {
	r := Reading{AccountStatus: api.AccountStatus{Name: "alice.eth", Place: "https://place.example/hidden"}}
	r.Pending, r.LastError = 3, "engine: bob.eth"
	r.Problems = []engine.Problem{{Kind: "damaged", Alarm: true, Contact: "bob.eth", Detail: "of bob.eth"}}
	for _, cause := range causes {
		for _, over := range []bool{false, true} {
			n := newNotice(Verdict{Cause: cause, Over: over}, &r, time.Now())
			text := n.Title + n.Text
			if !strings.Contains(text, "alice.eth") || n.Title == "" || n.Text == "" {
				t.Errorf("%s: %q, %q", cause, n.Title, n.Text)
			}
			for _, private := range []string{"bob", "hidden", "%"} {
				if strings.Contains(text, private) {
					t.Errorf("%s tells %q: %q, %q", cause, private, n.Title, n.Text)
				}
			}
		}
	}
}
