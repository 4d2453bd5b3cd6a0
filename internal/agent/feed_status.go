package agent

import (
	"fmt"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
)

// Why an account is not open, while nothing is wrong.
const (
	reasonStarting = "starting"
	reasonStopped  = "stopped"
)

// standing is what of a status is told when it changes.
type standing struct {
	reason, warning, blocked, spool string
	stuck, paused                   bool
}

func standingOf(s *api.AccountStatus) standing {
	at := standing{reason: s.Reason, warning: s.Warning, spool: s.SpoolError, stuck: s.Stuck, paused: s.Paused}
	if s.State == "blocked" {
		at.blocked = s.LastError
	}
	return at
}

// tellNow tells the feed what is different now: of two at once, the second looks when the first has told.
func (r *runner) tellNow() {
	r.telling.Lock()
	defer r.telling.Unlock()
	status := r.status()
	r.tellStatus(&status)
}

// tellStatus tells the feed what is different from the last time. The caller has telling.
func (r *runner) tellStatus(s *api.AccountStatus) {
	now := standingOf(s)
	r.mu.Lock()
	before := r.told
	r.told = now
	r.mu.Unlock()
	note := func(text, failure string) {
		r.options.Activity.Note(activity.Event{Account: r.config.Name, Kind: activity.KindStatus, Text: text, Error: failure})
	}
	if now.reason != before.reason && now.reason != reasonStopped {
		if now.reason == "" {
			note("The account is open.", "")
		} else {
			note("The account can't be opened; it is tried again and again.", now.reason)
		}
	}
	for _, c := range []struct {
		before, now  string
		begins, ends string
	}{
		{before.blocked, now.blocked, "The account stopped to be safe.", "The account goes on."},
		{before.spool, now.spool, "The spool folder can't be read.", "The spool folder can be read again."},
	} {
		switch {
		case c.now == c.before:
		case c.now != "":
			note(c.begins, c.now)
		default:
			note(c.ends, "")
		}
	}
	if now.warning != before.warning {
		if now.warning != "" {
			note(now.warning, "")
		} else {
			note("What the place warned of is over.", "")
		}
	}
	switch {
	case now.stuck && !before.stuck:
		note(fmt.Sprintf("Sync is stuck: nothing has got through since %s.", s.Since.Format("2 January 15:04")), s.LastError)
	case before.stuck && !now.stuck:
		note("Sync moves again.", "")
	}
	switch {
	case now.paused && !before.paused:
		note("Passes are paused: nothing is uploaded or fetched until they go on.", "")
	case before.paused && !now.paused:
		note("Passes go on.", "")
	}
}
