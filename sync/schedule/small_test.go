package schedule

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSmall: only what was appended is flushed, also after a failure; what else became due runs
// when everything may run again.
func TestSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Options{Idle: 2 * time.Second, Longest: 15 * time.Second, Interval: time.Minute, Scrub: 24 * time.Hour})
		r.want("0s full start")
		r.Small(true)
		r.Notice()
		r.sleep(10 * time.Minute)
		r.want()
		r.set(errPass, 0)
		r.Appended()
		r.sleep(3 * time.Second)
		r.want("10m2s flush append")
		r.set(nil, 0)
		r.sleep(5 * time.Second)
		r.want("10m7s flush retry")
		r.Kick() // a network came: what waits may go now
		r.want("10m8s flush kick")
		r.sleep(10 * time.Minute)
		r.want()
		r.Small(false)
		r.want("20m8s full kick")
	})
}

// TestSmallFromTheStart: what an earlier run left is flushed, and everything else waits.
func TestSmallFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.Small(true)
		r := &rig{Schedule: s, t: t, began: time.Now()}
		go func() { _ = s.Run(t.Context(), r.pass) }()
		r.sleep(time.Hour)
		r.want("0s flush start")
		s.Small(false)
		r.want("1h0m0s full kick")
	})
}
