package login

import (
	"fmt"
	"strings"
	"time"
)

const (
	// idleLimit is after what time servers forget a login that nobody uses: six months at Google.
	idleLimit = 180 * 24 * time.Hour
	// The times before the end at which a warning begins.
	warnLimit = 3 * 24 * time.Hour
	warnIdle  = 21 * 24 * time.Hour
)

// Expiry returns when the login will stop working, as far as that is known, and why, as the end of a sentence. The zero
// time says that nothing is known: nobody is logged in, or what is kept can't be read just now. A login that has ended
// already returns the moment of its last use. It makes no request to the server; the first call may wait for the
// system's keyring, as the first Token.
func (l *Login) Expiry() (time.Time, string) {
	r, err := l.kept(l.ctx)
	if err != nil {
		return time.Time{}, ""
	}
	switch idle := r.Used.Add(idleLimit); {
	case r.Refused:
		return r.Used, "the server ended or revoked it"
	case !r.Limit.IsZero() && r.Limit.Before(idle):
		return r.Limit, "the server gives this client no longer (at Google: an app whose publishing status is \"Testing\" gets 7 days)"
	default:
		return idle, "nothing used it for six months"
	}
}

// Warning is a sentence for status and log when the login has ended, is missing, can't be read, or will end soon; else "".
// It asks and waits as Expiry does.
func (l *Login) Warning(now time.Time) string {
	if _, err := l.current(l.ctx); err != nil {
		return strings.TrimPrefix(err.Error(), "login: ")
	}
	end, why := l.Expiry()
	r, err := l.kept(l.ctx)
	if err != nil || end.IsZero() {
		return ""
	}
	before := warnIdle
	if end.Equal(r.Limit) {
		before = warnLimit
	}
	switch left := end.Sub(now); {
	case left <= 0:
		return fmt.Sprintf("the login to %s should have ended on %s: %s; run `%s`", l.place.Title, end.Format(time.DateOnly), why, l.place.Command)
	case left <= before:
		return fmt.Sprintf("the login to %s ends on %s: %s; run `%s` before", l.place.Title, end.Format(time.DateOnly), why, l.place.Command)
	}
	return ""
}
