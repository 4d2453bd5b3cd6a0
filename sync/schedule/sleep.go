package schedule

import "time"

// sleepJump is by how much the wall clock must run ahead of the monotonic one
// before the machine counts as having slept. A clock that is set forward looks
// the same, which costs one pass.
const sleepJump = 10 * time.Second

// sleepClock compares the two clocks: the monotonic one stands still while a
// machine sleeps (and with it all timers), the wall clock does not.
type sleepClock struct {
	wall    func() time.Time
	last    time.Time // wall clock only
	started time.Time // with the monotonic reading
}

func newSleepClock(wall func() time.Time) *sleepClock {
	c := &sleepClock{wall: wall}
	c.reset()
	return c
}

func (c *sleepClock) reset() {
	c.last, c.started = c.wall().Round(0), time.Now()
}

// slept reports whether the machine slept since the last call.
func (c *sleepClock) slept() bool {
	ahead := c.wall().Round(0).Sub(c.last) - time.Since(c.started)
	c.reset()
	return ahead > sleepJump
}
