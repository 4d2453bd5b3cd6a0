package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// Rules say how long something has to last before somebody is told. All times are
// those that this device was awake.
type Rules struct {
	// After is how long messages wait for a place that can't be reached.
	After time.Duration
}

const (
	// settle is how long a cause must be there that is sure, and how long all must
	// be gone before that is told.
	settle = 2 * time.Minute
	// closedAfter is for accounts that can't be opened: keyrings and drives come late.
	closedAfter = 15 * time.Minute
	// refusedAfter is for places that refuse: a hotel's network answers in their name
	// until somebody has logged in there.
	refusedAfter = time.Hour
	// hangingAfter is for passes that do not end, and fail with nothing.
	hangingAfter = time.Hour
	// lostAfter is for a place that was not reached although nothing waits for it:
	// what other devices write does not come.
	lostAfter = 72 * time.Hour
	// again is how long a cause that comes back is not told again, and alarmsAgain is
	// how long further alarms wait to be told together.
	again       = 6 * time.Hour
	alarmsAgain = time.Hour
	// most bounds how many alarms are remembered as told.
	most = 1000
)

// Known is what is remembered of one cause.
type Known struct {
	Lasted time.Duration `json:"lasted,omitempty"` // for how long it is there now; 0: it is not
	Told   bool          `json:"told,omitempty"`   // and not over since
	At     time.Duration `json:"at,omitempty"`     // when it, or that it was over, was told last, in Memory.Awake
	Ever   bool          `json:"ever,omitempty"`   // it was told once
	Marks  []string      `json:"marks,omitempty"`  // of what was told
}

// Memory is what is remembered of one account from one judgement to the next, also
// over restarts. The zero value knows nothing.
type Memory struct {
	Awake   time.Duration    `json:"awake"`             // this device, in all
	Success time.Time        `json:"success,omitzero"`  // of the last pass that was seen to succeed
	Pending int              `json:"pending,omitempty"` // messages
	Waited  time.Duration    `json:"waited,omitempty"`  // they, while nothing got through
	Hung    time.Duration    `json:"hung,omitempty"`    // of that, without an error
	Lost    time.Duration    `json:"lost,omitempty"`    // the place, whether something waited or not
	Fine    time.Duration    `json:"fine,omitempty"`    // since all told causes are gone
	Causes  map[Cause]*Known `json:"causes,omitempty"`
}

// Verdict is something to tell.
type Verdict struct {
	Cause Cause // of Over: the gravest that was told
	Over  bool  // nothing of what was told is left
}

// Judge decides what has to be told of an account now, passed after the last
// judgement. It changes nothing but m, and needs nothing but its arguments.
func (rules Rules) Judge(m *Memory, passed time.Duration, r *Reading) (verdicts []Verdict) {
	if m.Causes == nil {
		m.Causes = make(map[Cause]*Known)
	}
	passed = max(passed, 0)
	m.Awake += passed
	progressed := m.measure(passed, r)
	present := m.present(passed, r, rules)
	for _, cause := range causes {
		known := m.Causes[cause]
		if known == nil || !present[cause] {
			continue
		}
		if m.tells(cause, known, r) {
			known.Told, known.Ever, known.At, known.Marks = true, true, m.Awake, nil
			if cause == CauseAlarm {
				known.Marks = alarms(r)[:min(len(alarms(r)), most)]
			}
			verdicts = append(verdicts, Verdict{Cause: cause})
		}
	}
	if cause, over := m.over(passed, progressed, r); over {
		verdicts = append(verdicts, Verdict{Cause: cause, Over: true})
	}
	m.forget()
	return verdicts
}

// measure notes how long the account has waited, and tells whether it has got
// anywhere since.
func (m *Memory) measure(passed time.Duration, r *Reading) (progressed bool) {
	progressed = succeeded(r, m.Success)
	if progressed {
		m.Success = r.LastSuccess
		m.Waited, m.Hung, m.Lost = 0, 0, 0
	}
	fewer := r.Open && r.Pending < m.Pending
	if fewer || r.Open && r.Pending == 0 {
		m.Waited, m.Hung = 0, 0
	}
	if r.Open {
		m.Pending = r.Pending
	}
	if progressed || r.Paused || !r.Stuck { // the agent sees also that a long pass moves
		return progressed
	}
	m.Lost += passed
	if m.Pending > 0 {
		m.Waited += passed
		if r.LastError == "" && r.Open {
			m.Hung += passed
		}
	}
	return false
}

// present finds the causes of now that have lasted long enough.
func (m *Memory) present(passed time.Duration, r *Reading, rules Rules) map[Cause]bool {
	hindered := hindrance(r)
	found := map[Cause]bool{
		hindered:   hindered != "",
		CauseAlarm: len(alarms(r)) > 0,
		CauseSoon:  soon(r),
		// What keeps passes from succeeding explains why nothing gets through.
		CauseStuck: hindered == "" && (m.Waited > 0 && m.Waited >= rules.After || m.Hung >= hangingAfter || m.Lost >= lostAfter),
	}
	for _, cause := range causes {
		known := m.Causes[cause]
		switch {
		case !found[cause]:
			if known != nil {
				known.Lasted = 0
			}
			continue
		case known == nil:
			known = &Known{Lasted: 1} // it begins
			m.Causes[cause] = known
		default:
			known.Lasted += max(passed, 1)
		}
		if known.Lasted < least(cause, r) && !known.Told {
			delete(found, cause)
		}
	}
	return found
}

// least is how long a cause must last to count.
func least(cause Cause, r *Reading) time.Duration {
	switch cause {
	case CauseClosed:
		return closedAfter
	case CauseLogin:
		if r.Obstacle == obstacle.Refused && r.Warning == "" { // nobody but the place says so
			return refusedAfter
		}
	case CauseRoom:
		return refusedAfter
	case CauseStuck:
		return 0 // it has waited
	}
	return settle
}

// tells tells whether a cause that is present is news.
func (m *Memory) tells(cause Cause, known *Known, r *Reading) bool {
	since := m.Awake - known.At
	switch {
	case cause == CauseStuck && m.toldOther():
		return false // it is the same trouble
	case !known.Ever:
		return true
	case cause != CauseAlarm:
		return !known.Told && since >= again
	}
	for _, mark := range alarms(r) {
		if !slices.Contains(known.Marks, mark) && len(known.Marks) < most {
			return since >= alarmsAgain
		}
	}
	return !known.Told && since >= again
}

// toldOther tells whether something is told already that explains why nothing gets
// through.
func (m *Memory) toldOther() bool {
	return slices.ContainsFunc(hindrances, func(cause Cause) bool { return m.Causes[cause] != nil && m.Causes[cause].Told })
}

// over tells whether nothing is left of all that was told, for long enough and with
// a pass that succeeded meanwhile.
func (m *Memory) over(passed time.Duration, progressed bool, r *Reading) (gravest Cause, is bool) {
	for _, cause := range causes {
		known := m.Causes[cause]
		if known == nil || !known.Told {
			continue
		}
		if known.Lasted > 0 {
			m.Fine = 0
			return "", false
		}
		if gravest == "" {
			gravest = cause
		}
	}
	switch {
	case gravest == "" || !r.Open || r.LastError != "":
		m.Fine = 0
	case m.Fine > 0:
		m.Fine += passed
	case progressed:
		m.Fine = 1 // it begins
	}
	if m.Fine < settle {
		return "", false
	}
	m.Fine = 0
	for _, known := range m.Causes {
		if known.Told {
			known.Told, known.At = false, m.Awake
		}
	}
	return gravest, true
}

// forget lets go what no judgement needs any more.
func (m *Memory) forget() {
	for cause, known := range m.Causes {
		if !known.Told && known.Lasted == 0 && (!known.Ever || m.Awake-known.At >= again) {
			delete(m.Causes, cause)
		}
	}
}

// mark stands for something in what is kept, and does not tell what it is.
func mark(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write([]byte(part))
		hash.Write([]byte{0})
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
