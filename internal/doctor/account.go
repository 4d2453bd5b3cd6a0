package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
)

// ErrNoFolder is an account that was never opened on this device: no fault.
var ErrNoFolder = errors.New("the account has no folder here")

// answer is what the agent said.
type answer struct {
	status api.Status
	err    error
}

// askOnce returns what asks the agent, once for all checks.
func (s *Surroundings) askOnce() func(ctx context.Context) answer {
	var once sync.Once
	var got answer
	return func(ctx context.Context) answer {
		once.Do(func() { got.status, got.err = s.Agent(ctx) })
		return got
	}
}

// agent tells whether one runs, and whether it is this program.
func (s *Surroundings) agent(a answer) []Finding {
	switch {
	case errors.Is(a.err, api.ErrNoAgent) && s.Holder() != 0:
		return []Finding{wrong(fmt.Sprintf("look what process %d is; an agent that does not listen has to be ended", s.Holder()), "nobody listens on %s, but a process holds the data folder", s.Config.Socket)}
	case errors.Is(a.err, api.ErrNoAgent):
		return []Finding{note("start it with `dm3sync run`, or as a service; without it nothing is kept in step", "no agent runs")}
	case a.err != nil:
		return []Finding{wrong("look at its log; restart it", "%v", a.err)}
	}
	if found := s.other(&a.status); found != nil {
		return found
	}
	return []Finding{fine("process %d, started %s", a.status.PID, humanize.RelTime(a.status.Started, s.Now(), "ago", "from now"))}
}

func (s *Surroundings) secret(ctx context.Context, account config.Account) []Finding {
	if account.Secret.Credential != "" && s.elsewhere() {
		return s.credentials(&account)
	}
	if err := s.Unlock(ctx, account); err != nil {
		return []Finding{wrong(s.advice(err, "check [account.secret]"), "%v", err)}
	}
	return []Finding{fine("can be read here")}
}

// account tells how the account is: as the agent says, or from its folder.
func (s *Surroundings) account(ctx context.Context, account config.Account, agent func(context.Context) answer) []Finding {
	a := agent(ctx)
	if a.err == nil {
		for i := range a.status.Accounts {
			if a.status.Accounts[i].Name == account.Name {
				return s.judge(&a.status.Accounts[i], true)
			}
		}
		return []Finding{wrong("restart the agent", "the running agent does not know this account: it was started with another configuration")}
	}
	if !errors.Is(a.err, api.ErrNoAgent) || s.Holder() != 0 {
		return []Finding{note("", "is in use by an agent that does not answer, so that its folder can't be looked at")}
	}
	status, err := s.Open(ctx, account)
	if errors.Is(err, ErrNoFolder) {
		return []Finding{fine("keeps nothing on this device yet")}
	}
	if err != nil {
		return []Finding{wrong(s.advice(err, ""), "%v", err)}
	}
	return s.judge(&status, false)
}

// judge says what a status means.
func (s *Surroundings) judge(status *api.AccountStatus, byAgent bool) (found []Finding) {
	add := func(f Finding) { found = append(found, f) }
	switch {
	case !status.Open:
		add(wrong(way(status.Obstacle, "the agent goes on trying; see what else is wrong here"), "is not open: %s", status.Reason))
	case status.State == "blocked":
		add(wrong("`dm3sync status` says how to go on", "stopped to be safe: %s", status.LastError))
	case status.Stuck:
		add(wrong(way(status.Obstacle, "see what is wrong with its place"), "is stuck since %s; %s: %s", status.Since.Local().Format(time.DateTime), waiting(status), orNothing(status.LastError)))
	case status.LastError != "":
		add(note(way(status.Obstacle, "the next pass tries again"), "the last pass failed: %s", status.LastError))
	}
	found = append(found, judgeNewer(status)...)
	alarms := 0
	for i := range status.Problems {
		if status.Problems[i].Alarm {
			alarms++
		}
	}
	if alarms > 0 {
		add(wrong("`dm3sync status` names them; `dm3sync repair` puts back what this device has", "the place broke promises: %s", counted(alarms, "alarm")))
	} else if others := len(status.Problems) - newerObjects(status); others > 0 {
		add(note("`dm3sync status` names them", "%s", counted(others, "problem")))
	}
	if status.JournalDamaged > 0 {
		add(wrong("check this device's disk; what could not be read was set aside in the data folder", "the journal has %s: messages that waited may be lost", counted(status.JournalDamaged, "damaged frame")))
	}
	if status.CacheRebuilt {
		add(note("nothing; it is filled again from the place", "the cache was damaged or missing"))
	}
	if status.Warning != "" {
		add(wrong("", "%s", status.Warning))
	}
	if status.SpoolError != "" {
		add(wrong("check the spool folder", "%s", status.SpoolError))
	}
	if status.Paused {
		add(note("`dm3sync status` says since when; resume when you want", "passes are paused"))
	}
	found = append(found, s.judgeOthers(status)...)
	if len(found) == 0 {
		text := waiting(status)
		if byAgent && !status.LastSuccess.IsZero() {
			text += ", last success " + humanize.RelTime(status.LastSuccess, s.Now(), "ago", "from now")
		}
		add(fine("%s", text))
	}
	return found
}

// judgeOthers looks at mirrors and the bridge.
func (s *Surroundings) judgeOthers(status *api.AccountStatus) (found []Finding) {
	for i := range status.Mirrors {
		m := &status.Mirrors[i]
		switch {
		case len(m.Problems) > 0:
			found = append(found, wrong("`dm3sync status` names them", "the mirror %s has %s", m.Name, counted(len(m.Problems), "problem")))
		case m.Warning != "":
			found = append(found, wrong("", "the mirror %s: %s", m.Name, m.Warning))
		case m.LastError != "":
			found = append(found, note(way(m.Obstacle, "it is tried again; nothing waits for it"), "the mirror %s fails: %s", m.Name, m.LastError))
		}
	}
	if status.Node != nil && status.Node.Error != "" {
		found = append(found, wrong(way(status.Node.Obstacle, "check [account.node] and the network"), "the bridge to the dm3 node fails: %s", status.Node.Error))
	}
	return found
}

func waiting(status *api.AccountStatus) string {
	if status.Pending == 0 {
		return "nothing waits"
	}
	return counted(status.Pending, "message") + " waiting"
}

func orNothing(failure string) string {
	if failure == "" {
		return "passes do not end, and say nothing"
	}
	return failure
}

// advice is what to do about an error; otherwise where it has no way out of its own.
func (s *Surroundings) advice(err error, otherwise string) string {
	if text := s.Advice(err); text != "" {
		return text
	}
	return otherwise
}
