package login

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// TestWarnings: what will end soon is said before, what has ended after.
func TestWarnings(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		limit time.Duration // told by the server at the login; 0: nothing
		after time.Duration
		want  string
	}{
		{"a testing app, new", 7 * day, 0, ""},
		{"a testing app, on the fourth day", 7 * day, 4*day - time.Hour, ""},
		{"a testing app, on the fifth day", 7 * day, 4*day + time.Hour, "ends on 2026-11-29: the server gives this client no longer (at Google: an app whose publishing status is \"Testing\" gets 7 days); run `dm3sync login drive` before"},
		{"a testing app, too late", 7 * day, 8 * day, "should have ended on 2026-11-29"},
		{"published, in use", 0, 100 * day, ""},
		{"published, idle", 0, 160 * day, "ends on 2027-05-21: nothing used it for six months"},
		{"published, long forgotten", 0, 200 * day, "should have ended"},
		{"a long limit, idle", 1000 * day, 160 * day, "six months"},
	} {
		l := openOffline(t, nil)
		l.now = func() time.Time { return now }
		answer := &oauth2.Token{AccessToken: "a", RefreshToken: "r", ExpiresIn: 3600}
		if c.limit > 0 {
			answer = answer.WithExtra(map[string]any{"refresh_token_expires_in": c.limit.Seconds()})
		}
		keep(t, l, record{Client: "client", Scope: scopeFiles}.answered(answer, now), true)
		got := openAt(t, l.store.folder, nil).Warning(now.Add(c.after))
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	l := openOffline(t, nil)
	if end, why := l.Expiry(); !end.IsZero() || why != "" || !strings.Contains(l.Warning(now), "nobody is logged in") {
		t.Errorf("without a login: %v %q", end, why)
	}
}

// TestAnnouncedEnd: the server's word for a limit arrives, and a use moves the idle time.
func TestAnnouncedEnd(t *testing.T) {
	r := newRig(t, habits{"announce": 7 * 24 * 3600})
	l := r.open()
	r.login(l)
	end, why := l.Expiry()
	if left := end.Sub(r.clock.now()); left < 7*24*time.Hour-time.Minute || left > 7*24*time.Hour || !strings.Contains(why, "Testing") {
		t.Errorf("%v, %s", left, why)
	}
	other := newRig(t, nil)
	l = other.open()
	other.login(l)
	before, _ := l.Expiry()
	other.clock.advance(30 * 24 * time.Hour)
	if _, err := l.Token(); err != nil {
		t.Fatal(other.err(err))
	}
	if after, _ := l.Expiry(); after.Sub(before) < 29*24*time.Hour {
		t.Errorf("%v after %v", after, before)
	}
}

// TestLives: when a token is used no more, and when it is replaced ahead of time; short lives count in parts.
func TestLives(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		life, left    time.Duration
		usable, fresh bool
	}{
		{time.Hour, time.Hour, true, true},
		{time.Hour, early + time.Second, true, true},
		{time.Hour, early, true, false},
		{time.Hour, margin + time.Second, true, false},
		{time.Hour, margin, false, false},
		{time.Minute, time.Minute, true, true},
		{time.Minute, 10 * time.Second, true, false},
		{time.Minute, 6 * time.Second, false, false},
		{time.Minute, -time.Hour, false, false},
	} {
		r := record{Access: "a", Used: now.Add(c.left - c.life), Ends: now.Add(c.left)}
		if r.usable(now) != c.usable || r.fresh(now) != c.fresh {
			t.Errorf("%+v: usable %v, fresh %v", c, r.usable(now), r.fresh(now))
		}
	}
	if r := (record{Access: "a"}); !r.usable(now) || !r.fresh(now) {
		t.Error("a token without an end ends")
	}
}
