package watch

import (
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// Reading is one account at one moment.
type Reading struct {
	api.AccountStatus
	// Passes and Failed count passes, and those that failed, since the account was
	// opened.
	Passes, Failed int64
	// CacheBytes and JournalBytes are what the account takes on this disk.
	CacheBytes, JournalBytes int64
	// Heartbeat is the account's own address to call; empty: none.
	Heartbeat string
}

// Cause is a reason for which somebody should look.
type Cause string

// The causes, in the order in which one explains another.
const (
	CauseBlocked Cause = "blocked" // the account stopped to be safe
	CauseClosed  Cause = "closed"  // it can't be opened
	CauseDisk    Cause = "disk"    // this device's disk is full
	CauseLogin   Cause = "login"   // the place wants a login, or refuses the one it got
	CauseRoom    Cause = "room"    // the place is full
	CauseStuck   Cause = "stuck"   // nothing gets through
	CauseAlarm   Cause = "alarm"   // the place did not keep a promise
	CauseSoon    Cause = "soon"    // the place asks for something while passes still succeed
)

// causes is the order in which they are judged and told.
var causes = []Cause{CauseBlocked, CauseClosed, CauseDisk, CauseLogin, CauseRoom, CauseStuck, CauseAlarm, CauseSoon}

// hindrances are the causes that keep passes from succeeding.
var hindrances = causes[:5]

// hindrance is what keeps passes from succeeding where the status tells; empty when
// it does not, as without a network.
func hindrance(r *Reading) Cause {
	switch {
	case r.State == "blocked":
		return CauseBlocked
	case !r.Open && r.Obstacle == obstacle.None: // it was not tried yet, or is being closed
		return ""
	case r.Obstacle == obstacle.Disk:
		return CauseDisk
	case !r.Open:
		return CauseClosed
	case r.Obstacle == obstacle.Login, r.Obstacle == obstacle.Refused:
		return CauseLogin
	case r.Obstacle == obstacle.Room:
		return CauseRoom
	}
	return ""
}

// alarms are marks of the promises that are broken now; they tell nothing outside.
func alarms(r *Reading) (marks []string) {
	for i := range r.Problems {
		if p := &r.Problems[i]; p.Alarm {
			marks = append(marks, mark("", p.Kind, p.Object))
		}
	}
	for i := range r.Mirrors {
		for _, p := range r.Mirrors[i].Problems {
			if p.Alarm {
				marks = append(marks, mark(r.Mirrors[i].Name, p.Kind, p.Object))
			}
		}
	}
	return marks
}

// soon tells whether a place asks for something although passes succeed.
func soon(r *Reading) bool {
	if r.Warning != "" && r.LastError == "" {
		return true
	}
	for i := range r.Mirrors {
		if r.Mirrors[i].Warning != "" {
			return true
		}
	}
	return false
}

// succeeded tells whether a pass got through since another moment.
func succeeded(r *Reading, since time.Time) bool {
	return !r.LastSuccess.IsZero() && !r.LastSuccess.Equal(since) && r.LastError == ""
}
