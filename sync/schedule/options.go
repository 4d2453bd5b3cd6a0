package schedule

import (
	"math/rand/v2"
	"time"
)

// Options are the times of a schedule. Zero values take the defaults.
type Options struct {
	Idle       time.Duration // quiet time after an append before a flush; default 2 s
	Longest    time.Duration // longest wait of an append for a flush; default 15 s
	Interval   time.Duration // between full passes; default 60 s
	Jitter     float64       // fraction by which intervals and retries vary, 0 to 1; 0 is none
	Scrub      time.Duration // between scrubs; default 24 h
	FirstScrub time.Duration // from the start to the first scrub; default Scrub
	Retry      time.Duration // wait after the first failure, doubled after each further; default 5 s
	RetryLimit time.Duration // longest wait after a failure; default 5 min, never more than Interval
	Tick       time.Duration // how often sleep of the machine is looked for; default 30 s

	// Wait is the least time to wait after err, because the provider said so;
	// nil is none.
	Wait func(err error) time.Duration
	// Random returns numbers in [0, 1) for the jitter; nil is math/rand.
	Random func() float64
	// Wall is the wall clock, which runs on while the machine sleeps; nil is
	// time.Now. It is compared with the monotonic clock, and used for nothing else.
	Wall func() time.Time
}

// lookAfter is the owed look: a full pass that many idle times after the last
// flush, when nothing else happens.
const lookAfter = 5

// withDefaults returns o with every zero value replaced.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.Idle, 2 * time.Second},
		{&o.Longest, 15 * time.Second},
		{&o.Interval, time.Minute},
		{&o.Scrub, 24 * time.Hour},
		{&o.Retry, 5 * time.Second},
		{&o.RetryLimit, 5 * time.Minute},
		{&o.Tick, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	o.RetryLimit = min(o.RetryLimit, o.Interval) // when the fault is over, one interval must do
	if o.FirstScrub <= 0 {
		o.FirstScrub = o.Scrub
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Wait == nil {
		o.Wait = func(error) time.Duration { return 0 }
	}
	return o
}

// vary changes d by up to the jitter's fraction, in both directions.
func (o Options) vary(d time.Duration) time.Duration {
	return d + time.Duration(o.Jitter*(2*o.Random()-1)*float64(d))
}

// backoff is the wait after that many failures in a row, with jitter and all not above RetryLimit.
func (o Options) backoff(failures int) time.Duration {
	wait := o.Retry
	for i := 1; i < failures && wait < o.RetryLimit; i++ {
		wait *= 2
	}
	return min(o.vary(min(wait, o.RetryLimit)), o.RetryLimit)
}
