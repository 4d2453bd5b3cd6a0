package agent

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
)

// TestPauseForATime: a pause with an end ends, unless something else was asked for meanwhile.
func TestPauseForATime(t *testing.T) {
	d := newDevice(t, "alice.eth")
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	r := a.all()[0]
	account := served{runner: r}
	ctx := t.Context()
	until, err := account.PauseFor(ctx, time.Hour)
	if status := r.status(); err != nil || !status.Paused || !status.PausedUntil.Equal(until) || time.Until(until) < 50*time.Minute {
		t.Errorf("%+v, %v, %v", status, until, err)
	}
	if err := account.Pause(ctx, false); err != nil {
		t.Fatal(err)
	}
	if status := r.status(); status.Paused || !status.PausedUntil.IsZero() {
		t.Errorf("%+v", status)
	}
	if _, err := account.PauseFor(ctx, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if a.look(ctx); r.status().Paused { // as the running agent does when the time has come
		t.Error("the pause is over")
	}
	if _, err := account.PauseFor(ctx, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if err := account.Pause(ctx, true); err != nil {
		t.Fatal(err)
	}
	if status := r.status(); !status.Paused || !status.PausedUntil.IsZero() {
		t.Errorf("a pause without an end got one: %+v", status)
	}
	var _ api.TimedPauser = account
}

// TestPausesAtOnce: where several pause and resume at once, what is in force, what is told, and what the next start finds are
// the same in the end.
func TestPausesAtOnce(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.options.Activity = activity.New(1, time.Now)
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	r := a.all()[0]
	for round := range 100 {
		var all sync.WaitGroup
		for _, on := range []bool{true, false} {
			all.Go(func() {
				if err := r.setPause(pausing{On: on}); err != nil {
					t.Error(err)
				}
			})
			all.Go(r.hold)
		}
		all.Wait()
		on := r.pausing().On
		_, err := os.Stat(r.pauseFile())
		if r.schedule.Paused() != on || r.told.paused != on || (err == nil) != on {
			t.Fatalf("round %d: asked for %v; passes are paused: %v, told: %v, kept: %v", round, on, r.schedule.Paused(), r.told.paused, err == nil)
		}
	}
}
