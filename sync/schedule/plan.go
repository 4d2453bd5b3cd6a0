package schedule

import "time"

// plan is what a schedule knows: when things happened, when things are due. It
// has no lock and reads no clock. The zero time means "not" everywhere.
type plan struct {
	paused  bool
	small   bool      // only flushes; what else is due waits
	owed    bool      // while small: a full pass was asked for
	kick    string    // reason of a pass that is due at once
	dirty   time.Time // first append that no pass has taken
	last    time.Time // last append that no pass has taken
	noticed time.Time // first notice that no pass has followed
	look    time.Time // a full pass is owed after a flush
	full    time.Time // the interval's next full pass
	scrub   time.Time // the next scrub
	hold    time.Time // after a failure: no pass before, a full one then

	failures int // in a row
}

func (p *plan) start(now time.Time, o Options) {
	p.full = now.Add(o.vary(o.Interval))
	p.scrub = now.Add(o.vary(o.FirstScrub))
	p.kick = ReasonStart
}

// appended notes an append and reports whether it is the first.
func (p *plan) appended(now time.Time) bool {
	first := p.dirty.IsZero()
	if first {
		p.dirty = now
	}
	p.last = now
	return first
}

// due is one thing that may be next.
type due struct {
	at      time.Time
	trigger Trigger
}

// decide returns what is next and when; what is due already comes with a time
// that is not after now. Of several that are due the one that does most wins,
// since it does the others' work, too. The zero time: nothing is planned.
func (p *plan) decide(now time.Time, o Options) (Trigger, time.Time) {
	if p.paused {
		return Trigger{}, time.Time{}
	}
	if p.small {
		return p.decideSmall(now, o)
	}
	if p.kick != "" {
		return Trigger{Full: true, Reason: p.kick}, now
	}
	if !p.hold.IsZero() {
		return Trigger{Full: true, Reason: ReasonRetry}, p.hold
	}
	var best due
	for _, d := range p.candidates(o) { // the one that does most comes first
		if d.at.IsZero() {
			continue
		}
		if !d.at.After(now) {
			return d.trigger, d.at
		}
		if best.at.IsZero() || d.at.Before(best.at) {
			best = d
		}
	}
	return best.trigger, best.at
}

// decideSmall is decide for flushes alone: at the start, when somebody asks, after appends
// and after failures.
func (p *plan) decideSmall(now time.Time, o Options) (Trigger, time.Time) {
	switch {
	case p.kick != "":
		return Trigger{Flush: true, Reason: p.kick}, now
	case !p.hold.IsZero():
		return Trigger{Flush: true, Reason: ReasonRetry}, p.hold
	}
	return Trigger{Flush: true, Reason: ReasonAppend}, earlier(after(p.last, o.Idle), after(p.dirty, o.Longest))
}

// setSmall begins or ends flushes alone.
func (p *plan) setSmall(small bool) {
	p.small = small
	if !small && p.owed {
		p.owed, p.kick = false, ReasonKick
	}
}

func (p *plan) candidates(o Options) [5]due {
	return [...]due{
		{p.scrub, Trigger{Full: true, Scrub: true, Reason: ReasonScrub}},
		{after(p.noticed, o.Idle), Trigger{Full: true, Reason: ReasonNotice}},
		{p.full, Trigger{Full: true, Reason: ReasonInterval}},
		{p.look, Trigger{Full: true, Reason: ReasonLook}},
		{earlier(after(p.last, o.Idle), after(p.dirty, o.Longest)), Trigger{Flush: true, Reason: ReasonAppend}},
	}
}

// begin forgets what the pass takes care of. Appends and notices that come
// while it runs are news again.
func (p *plan) begin(t Trigger) {
	p.dirty, p.last = time.Time{}, time.Time{}
	if t.Full {
		p.kick, p.noticed, p.look = "", time.Time{}, time.Time{}
	} else if p.kick != "" {
		p.kick, p.owed = "", true
	}
}

// finish plans what follows a pass.
func (p *plan) finish(t Trigger, err error, now time.Time, o Options) {
	if t.Scrub {
		p.scrub = now.Add(o.vary(o.Scrub))
		if err != nil { // sooner, but never instead of the plain retry
			p.scrub = now.Add(o.vary(o.Scrub / 24))
		}
	}
	if err != nil {
		p.failures++
		p.hold = now.Add(max(o.backoff(p.failures), o.Wait(err)))
		return
	}
	p.failures, p.hold = 0, time.Time{}
	if t.Full {
		p.full = now.Add(o.vary(o.Interval))
	} else {
		p.look = now.Add(lookAfter * o.Idle)
	}
}

// after is t+d, or the zero time for the zero time.
func after(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}

// earlier is the earlier of two times that are either both zero or both not.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
