package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// Kinds of problems of a mirror. kindGone is the key of the first three: they are one
// problem, and the worst name counts.
const (
	kindGone    = "gone"
	kindWiped   = "wiped"
	kindRolled  = "rolled back"
	kindLost    = "lost"
	kindDamaged = "damaged"

	healedMost  = 20 // problems that are over and still remembered
	askedMost   = 64 // lost objects that are asked for by name
	laggingMost = 4  // of them that are there, and not listed
)

// Status says how a mirror is. It carries no secret.
type Status struct {
	Name        string           `json:"name"`
	Provider    string           `json:"provider"`
	Place       string           `json:"place"`
	Shared      bool             `json:"shared,omitempty"` // other devices still write there: an old place
	State       string           `json:"state"`            // "new", "complete", "behind", "failing"
	Objects     int              `json:"objects"`          // that it is known to hold
	Waiting     int              `json:"waiting"`          // that it lacks
	LastPass    time.Time        `json:"last_pass,omitzero"`
	LastSuccess time.Time        `json:"last_success,omitzero"`
	LastError   string           `json:"last_error,omitempty"`
	Obstacle    obstacle.Kind    `json:"obstacle,omitempty" doc:"What kind of thing last_error is"`
	Warning     string           `json:"warning,omitempty"` // what its place asks of the user
	Problems    []engine.Problem `json:"problems,omitempty"`
	Healed      []engine.Healed  `json:"healed,omitempty"` // newest first
	Alarms      engine.Alarms    `json:"alarms"`
}

// Status says how the mirror is, from local knowledge alone. Objects counts as of the
// last pass.
func (m *Mirror) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.record
	s := Status{
		Name: m.o.Name, Place: m.o.Place, Shared: m.o.Shared, State: "complete", Objects: m.objects, Waiting: r.Missing,
		LastPass: r.Tried, LastSuccess: r.Success, LastError: r.Error, Obstacle: r.Obstacle,
		Healed: slices.Clone(r.Healed), Alarms: engine.Alarms{Raised: maps.Clone(r.Alarms.Raised), Healed: maps.Clone(r.Alarms.Healed)},
	}
	slices.Reverse(s.Healed)
	s.Problems = slices.SortedFunc(maps.Values(r.Problems), func(a, b engine.Problem) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object, b.Object))
	})
	switch {
	case r.Error != "":
		s.State = "failing"
	case r.Success.IsZero():
		s.State = "new"
	case r.Missing > 0:
		s.State = "behind"
	}
	return s
}

// finish keeps how a pass ended.
func (m *Mirror) finish(err error, report *Report) {
	now := m.o.Now().UTC().Round(0)
	m.mu.Lock()
	m.record.Tried, m.record.Error, m.record.Obstacle = now, "", obstacle.Of(err)
	if err == nil {
		m.record.Success, m.record.Missing = now, report.Waiting
	} else {
		m.record.Error = err.Error()
	}
	if errors.Is(err, engine.ErrBlocked) {
		m.record.Obstacle = obstacle.Blocked
	}
	m.objects = len(m.held)
	m.mu.Unlock()
	if err := m.save(); err != nil {
		m.o.Log.Warn("what is known of the mirror was not kept", "mirror", m.o.Name, "error", err)
	}
}

// notice names what the mirror lost of what it held, and takes the listing for what it
// holds. A listing alone is no proof: some of it is asked for by name, there and at the
// primary, and an error is not absence.
func (m *Mirror) notice(ctx context.Context, s *sight, p *plan) error {
	if s.mirror == nil {
		return nil
	}
	if len(p.gone) > 0 && !m.o.Shared {
		certain, err := m.confirm(ctx, p.gone)
		if err != nil {
			return err
		}
		if certain {
			m.accuse(p)
		}
	}
	return m.replace(s.mirror)
}

// confirm tells whether objects are surely gone: the mirror says that it does not have
// one which the primary has. Another device that mirrors there removes only what the
// primary has no more, and what was replaced meanwhile proves nothing.
func (m *Mirror) confirm(ctx context.Context, gone []string) (bool, error) {
	lagging := 0
	for _, name := range gone[:min(askedMost, len(gone))] {
		if _, err := m.o.Primary.Get(ctx, name); errors.Is(err, providers.ErrNotFound) {
			continue
		} else if err != nil {
			return false, fmt.Errorf("looking for %s at the account's own place: %w", name, err)
		}
		_, err := m.o.Mirror.Get(ctx, name)
		if errors.Is(err, providers.ErrNotFound) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("looking for %s: %w", name, err)
		}
		if lagging++; lagging >= laggingMost {
			break // its listing lags
		}
	}
	return false, nil
}

// accuse raises the alarm that fits what a look showed.
func (m *Mirror) accuse(p *plan) {
	kind, detail := kindLost, fmt.Sprintf("this place no longer has %d objects that it held; they are written again", len(p.gone))
	switch {
	case p.wiped:
		kind, detail = kindWiped, fmt.Sprintf("this place was emptied: it held %d objects that the account needs; they are written again", len(p.gone))
	case p.back > 0:
		kind, detail = kindRolled, fmt.Sprintf("this place shows an older state: %d objects that it held are gone, %d that were removed are back; what is missing is written again", len(p.gone), p.back)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raise(kindGone, engine.Problem{Kind: kind, Alarm: !m.o.Mirror.Properties().Carried, Detail: detail})
}

// raise keeps a problem until it is healed. The caller holds m.mu.
func (m *Mirror) raise(key string, p engine.Problem) {
	p.Since, p.Count = m.o.Now().UTC().Round(0), 1
	if old, known := m.record.Problems[key]; known {
		p.Since, p.Count = old.Since, old.Count+1
	} else if p.Alarm {
		m.record.Alarms.Raised[p.Kind]++
	}
	m.record.Problems[key] = p
	m.o.Log.Warn("problem of a mirror", "mirror", m.o.Name, "kind", p.Kind, "alarm", p.Alarm, "object", p.Object)
}

// lower ends a problem. The caller holds m.mu.
func (m *Mirror) lower(key, how string) {
	p, known := m.record.Problems[key]
	if !known {
		return
	}
	delete(m.record.Problems, key)
	if p.Alarm {
		m.record.Alarms.Healed[p.Kind]++
	}
	m.record.Healed = append(m.record.Healed, engine.Healed{Problem: p, Until: m.o.Now().UTC().Round(0), How: how})
	if most := len(m.record.Healed) - healedMost; most > 0 {
		m.record.Healed = slices.Delete(m.record.Healed, 0, most)
	}
	m.o.Log.Info("problem of a mirror healed", "mirror", m.o.Name, "kind", p.Kind, "object", p.Object, "how", how)
}
