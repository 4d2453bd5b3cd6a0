package login

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// secret is text that no verb prints and no log encodes. It does go into the JSON that is sealed.
type secret string

// Format implements fmt.Formatter.
func (s secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// String is what the end of a panic prints.
func (s secret) String() string { return "(secret)" }

// LogValue implements slog.LogValuer.
func (s secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// record is what is kept of a login. Times are those of the wall clock.
type record struct {
	Client  string    `json:"client"`           // the client_id that it belongs to
	Scope   string    `json:"scope"`            // what was granted, as the server writes it
	Refresh secret    `json:"refresh"`          // the refresh token
	Access  secret    `json:"access,omitempty"` // empty where the keyring had no room for it
	Ends    time.Time `json:"ends"`             // when the access token stops working; zero: not told
	Used    time.Time `json:"used"`             // when the refresh token was last used
	// Limit is when the server will end the login whatever happens; zero: not told.
	Limit time.Time `json:"limit"`
	// Refused says that the server will not take the refresh token any more.
	Refused bool `json:"refused,omitempty"`
}

// LogValue implements slog.LogValuer.
func (r record) LogValue() slog.Value { return slog.StringValue("(login)") }

// Format implements fmt.Formatter: for verbs that don't fit, fmt would print the fields without their methods.
func (r record) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(login)")) }

// fmt calls no methods of fields that are not exported, so each type that has a secret in one says itself how it prints.

// Format implements fmt.Formatter.
func (l *Login) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, l.place) }

// Format implements fmt.Formatter.
func (u unkept) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(unkept login)")) }

// Format implements fmt.Formatter.
func (a attempt) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("(login to come back to " + a.redirect + ")"))
}

// Format implements fmt.Formatter.
func (a answer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(answer)")) }

const (
	// early is how long before its end a token is refreshed while it is still used.
	early = 5 * time.Minute
	// margin is how long before its end a token is used no more: a request takes its time, and clocks differ.
	margin = 30 * time.Second
)

// left says whether the access token works for longer than a while, or than a part of a life that is short.
func (r *record) left(now time.Time, while time.Duration, part time.Duration) bool {
	if r.Access == "" {
		return false
	}
	return r.Ends.IsZero() || r.Ends.Sub(now) > min(while, r.Ends.Sub(r.Used)/part)
}

func (r *record) usable(now time.Time) bool { return r.left(now, margin, 10) }
func (r *record) fresh(now time.Time) bool  { return r.left(now, early, 4) }

// token is the access token alone: nobody outside needs the refresh token.
func (r *record) token() *oauth2.Token {
	return &oauth2.Token{AccessToken: string(r.Access), TokenType: "Bearer", Expiry: r.Ends}
}

// answered is the record after the server's answer at a moment. What the answer leaves out stays.
func (r record) answered(answer *oauth2.Token, now time.Time) record {
	now = now.Round(0) // a monotonic reading would stand still while the machine sleeps
	r.Access, r.Ends, r.Used = secret(answer.AccessToken), time.Time{}, now
	if answer.ExpiresIn > 0 {
		r.Ends = now.Add(time.Duration(answer.ExpiresIn) * time.Second)
	}
	if answer.RefreshToken != "" {
		r.Refresh = secret(answer.RefreshToken)
	}
	if scope, ok := answer.Extra("scope").(string); ok && scope != "" {
		r.Scope = scope
	}
	if seconds := secondsIn(answer, "refresh_token_expires_in"); seconds > 0 {
		r.Limit = now.Add(time.Duration(seconds) * time.Second)
	}
	return r
}

// secondsIn reads a number of an answer; 0 where there is none, or none that makes sense.
func secondsIn(answer *oauth2.Token, name string) int64 {
	const century = 100 * 365 * 24 * 3600
	switch value := answer.Extra(name).(type) {
	case float64:
		if value > 0 && value < century {
			return int64(value)
		}
	case int64:
		return min(max(value, 0), century)
	}
	return 0
}

// missing returns the first scope that was asked for and not granted, or "".
func (r *record) missing(scopes []string) string {
	granted := strings.Fields(r.Scope)
	for _, scope := range scopes {
		if !slices.Contains(granted, scope) {
			return scope
		}
	}
	return ""
}
