// Package doctor looks at everything that dm3sync needs, and says what is wrong and
// what to do: the configuration, this machine, and each account's places. It changes
// nothing, and works where nothing else does.
//
// Import order: beside internal/agent, below cmd. What a check needs is passed in.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Level says how much a finding matters.
type Level string

// The levels.
const (
	OK    Level = "ok"    // as it should be
	Note  Level = "note"  // works, or could not be looked at
	Wrong Level = "wrong" // somebody has to do something
)

// Finding is what a check says, in one line. It holds no secret.
type Finding struct {
	Check   string `json:"check"`
	Account string `json:"account,omitempty"` // its name; empty: it concerns all
	Level   Level  `json:"level"`
	Says    string `json:"says"`         // what is, and what it means
	Do      string `json:"do,omitempty"` // what to do; empty where there is nothing
}

// Check looks at one thing. Look honours its context.
type Check struct {
	Name    string
	Account string
	Look    func(ctx context.Context) []Finding
}

// Examine runs checks side by side and returns what they found, in their order. One
// that does not answer within the given time is a finding itself; it may go on in
// the background until its context is heard.
func Examine(ctx context.Context, checks []Check, patience time.Duration) []Finding {
	found := make([][]Finding, len(checks))
	var group sync.WaitGroup
	for i := range checks {
		group.Go(func() { found[i] = look(ctx, &checks[i], patience) })
	}
	group.Wait()
	all := slices.Concat(found...)
	if all == nil {
		return []Finding{}
	}
	return all
}

// look runs one check, but not for ever.
func look(ctx context.Context, c *Check, patience time.Duration) []Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() { done <- c.Look(ctx) }()
	var list []Finding
	select {
	case list = <-done:
	case <-ctx.Done():
		// One that heard of the end, too, knows more of what it waited for.
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		select {
		case list = <-done:
		case <-timer.C:
			list = []Finding{{Level: Note, Says: fmt.Sprintf("could not be found out: nothing answered within %s", patience)}}
		}
	}
	for i := range list {
		if list[i].Check == "" {
			list[i].Check = c.Name
		}
		if list[i].Account == "" {
			list[i].Account = c.Account
		}
	}
	return list
}

// Healthy tells whether nothing is wrong.
func Healthy(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Wrong })
}

func fine(format string, values ...any) Finding {
	return Finding{Level: OK, Says: fmt.Sprintf(format, values...)}
}

func note(do, format string, values ...any) Finding {
	return Finding{Level: Note, Says: fmt.Sprintf(format, values...), Do: do}
}

func wrong(do, format string, values ...any) Finding {
	return Finding{Level: Wrong, Says: fmt.Sprintf(format, values...), Do: do}
}
