package watch

import (
	"fmt"
	"strings"
	"time"
)

// Notice is one thing that somebody is told. It holds no contact, no message and no
// secret.
type Notice struct {
	// Account is the account's own name.
	Account string `json:"account"`
	Cause   Cause  `json:"cause"`
	// Over says that nothing is left of what was told.
	Over bool `json:"over"`
	// Title and Text are what people read: what is, what it means, what to do.
	Title string `json:"title"`
	Text  string `json:"text"`
	// Pending is how many messages wait on this device.
	Pending int `json:"pending"`
	// Time is when it was decided, by this device's clock.
	Time time.Time `json:"time"`
}

// words are what people read of a cause.
var words = map[Cause][2]string{
	CauseBlocked: {"%s has stopped to be safe", "Something at the place is not as it was left, so nothing is written there until you decide. `dm3sync status` says what it is and how to go on."},
	CauseClosed:  {"%s can't be opened", "Its secret or its folder is not available, so nothing is kept in step. `dm3sync doctor` says what is missing."},
	CauseDisk:    {"The disk of this device is full", "%s can't go on without room in the data folder. Nothing that was acknowledged is lost; make room, and it goes on by itself."},
	CauseLogin:   {"%s needs a login", "The place no longer accepts the login, so messages wait on this device. `dm3sync status` says how to log in again."},
	CauseRoom:    {"The place of %s is full", "Messages wait on this device until there is room. Make room at the place, and it goes on by itself."},
	CauseStuck:   {"%s is stuck", "Nothing has reached the place, or come from it, for a long time. Nothing is lost; `dm3sync doctor` says what is in the way."},
	CauseAlarm:   {"The place of %s lost or changed something", "What this device still has is put back by itself. `dm3sync status` says what is damaged."},
	CauseSoon:    {"%s needs you soon", "It still works, but its place asks for something. `dm3sync status` says what."},
}

// newNotice writes what people read.
func newNotice(v Verdict, r *Reading, now time.Time) Notice {
	n := Notice{Account: r.Name, Cause: v.Cause, Over: v.Over, Pending: r.Pending, Time: now.Round(0)}
	if v.Over {
		n.Title, n.Text = r.Name+" goes on", "What was in the way is over, and passes succeed again."
		return n
	}
	w := words[v.Cause]
	n.Title, n.Text = named(w[0], r.Name), named(w[1], r.Name)
	if r.Pending > 0 && v.Cause != CauseAlarm && v.Cause != CauseSoon {
		n.Text += fmt.Sprintf(" Waiting: %d.", r.Pending)
	}
	return n
}

// named puts the name where a sentence has room for it.
func named(sentence, name string) string {
	return strings.Replace(sentence, "%s", name, 1)
}
