package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Bounds of what is remembered about problems.
const (
	problemsMost = 1000 // present ones; further ones are noticed again when there is room, alarms before others
	healedMost   = 100  // healed ones
)

// Problem is something that is wrong and stays so until it is healed. It is an
// Alarm when the provider, or this device's disk, did not keep what it promised;
// else it is for the user to know. Contact is for the user's eyes, never for a
// log. Since and Count are the engine's: when it was noticed first, by this
// device's clock, and how many times.
type Problem struct {
	Kind      string    `json:"kind"`
	Alarm     bool      `json:"alarm,omitempty"`
	Container string    `json:"container,omitempty"` // "root", "conversation", "chunk" or "head" where it is one
	Object    string    `json:"object,omitempty"`
	Contact   string    `json:"contact,omitempty"`
	Detail    string    `json:"detail"`
	Since     time.Time `json:"since,omitzero"`
	Count     int       `json:"count,omitempty"`
}

// Healed is a problem that is over: until when it lasted, and what ended it.
type Healed struct {
	Problem
	Until time.Time `json:"until,omitzero"`
	How   string    `json:"how"`
}

// Alarms counts, by kind, how often an alarm was raised and healed in the life of
// this device's cache.
type Alarms struct {
	Raised map[string]int64 `json:"raised"`
	Healed map[string]int64 `json:"healed"`
}

func problemKey(kind, object string) string { return kind + " " + object }

// problemRecord names the record of a problem: its key says too much.
func problemRecord(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// openProblems reads what earlier runs noticed.
func (e *Engine) openProblems() error {
	e.alarms = Alarms{Raised: make(map[string]int64), Healed: make(map[string]int64)}
	var damaged []string
	err := e.o.Cache.Records().Each("problem", func(name string, sealed []byte) error {
		plain, err := e.o.Sealer.OpenRecord(nil, "problem/"+name, sealed)
		var p Problem
		if err != nil || json.Unmarshal(plain, &p) != nil {
			damaged = append(damaged, name)
			return nil //nolint:nilerr // reported below
		}
		e.problems[problemKey(p.Kind, p.Object)] = p
		return nil
	})
	if err != nil {
		return err
	}
	for name, into := range map[string]any{"alarms": &e.alarms, "healed": &e.past} {
		plain, ok, err := e.record("meta", name)
		if err != nil {
			return err
		}
		if ok && json.Unmarshal(plain, into) != nil {
			damaged = append(damaged, name)
		}
	}
	for _, name := range damaged {
		e.problem(Problem{Kind: "cache", Alarm: true, Object: "problem/" + name, Detail: "a local record of a problem is damaged and was dropped"})
		e.healed("cache", "problem/"+name, "it is noticed again if it lasts")
	}
	return nil
}

// problem keeps a finding until it is healed. It must not be called with e.mu
// held nor inside an update of the records.
func (e *Engine) problem(p Problem) {
	e.mu.Lock()
	fresh := e.raise(p)
	e.mu.Unlock()
	if fresh {
		e.saveProblems()
	}
}

// raise tells whether the problem, or that it is an alarm, was not known. The
// caller holds e.mu.
func (e *Engine) raise(p Problem) bool {
	key := problemKey(p.Kind, p.Object)
	old, known := e.problems[key]
	if !known && len(e.problems) >= problemsMost && !(p.Alarm && e.makeRoom()) {
		return false
	}
	if p.Container == "" {
		p.Container, p.Contact = e.whereIs(p.Object, p.Contact)
	}
	p.Since, p.Count = e.o.Now().UTC().Round(0), 1
	if known {
		p.Since, p.Count, p.Alarm = old.Since, old.Count+1, p.Alarm || old.Alarm
	}
	e.problems[key] = p
	e.unsaved[key] = true
	if known && p.Alarm == old.Alarm {
		return false
	}
	if p.Alarm {
		e.alarms.Raised[p.Kind]++
	}
	e.o.Log.Warn("problem", "kind", p.Kind, "alarm", p.Alarm, "container", p.Container, "object", p.Object)
	return true
}

// makeRoom forgets a problem that is no alarm, which is noticed again if it lasts: a
// place can plant any number of objects that are each worth a word, and must not drown
// an alarm in them. The caller holds e.mu.
func (e *Engine) makeRoom() bool {
	for _, key := range slices.Sorted(maps.Keys(e.problems)) {
		if !e.problems[key].Alarm {
			delete(e.problems, key)
			e.unsaved[key] = true
			return true
		}
	}
	return false
}

// whereIs tells what an object is. The caller holds e.mu.
func (e *Engine) whereIs(object, contact string) (word, owner string) {
	if e.underHeads(object) {
		return "head", contact
	}
	e.catalogue.States(func(of string, identifier *container.ChunkIdentifier, _ *reconcile.State) bool {
		kind, key := e.locate(of, identifier)
		if len(object) < len(key) || object[:len(key)] != string(key) {
			return true
		}
		word, owner = kindWord(kind), of
		return false
	})
	return word, cmp.Or(owner, contact)
}

func kindWord(kind container.Kind) string {
	switch kind {
	case container.KindRoot:
		return "root"
	case container.KindConversation:
		return "conversation"
	case container.KindChunk:
		return "chunk"
	}
	return "head"
}

// present tells whether a problem is known and lasts.
func (e *Engine) present(kind, object string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, known := e.problems[problemKey(kind, object)]
	return known
}

// healed moves a problem, if there is one, to those that are over; how says what
// ended it. The rules of problem hold.
func (e *Engine) healed(kind, object, how string) {
	e.mu.Lock()
	over := e.lower(kind, object, how)
	e.mu.Unlock()
	if over {
		e.saveProblems()
	}
}

// lower is healed without the saving. The caller holds e.mu.
func (e *Engine) lower(kind, object, how string) bool {
	if len(e.problems) == 0 {
		return false // as mostly, and what is read well says so each time
	}
	key := problemKey(kind, object)
	p, known := e.problems[key]
	if !known {
		return false
	}
	delete(e.problems, key)
	e.unsaved[key] = true
	if p.Alarm {
		e.alarms.Healed[kind]++
	}
	e.past = append(e.past, Healed{Problem: p, Until: e.o.Now().UTC().Round(0), How: how})
	if most := len(e.past) - healedMost; most > 0 {
		e.past = slices.Delete(e.past, 0, most)
	}
	e.o.Log.Info("problem healed", "kind", kind, "alarm", p.Alarm, "container", p.Container, "object", p.Object, "since", p.Since, "how", how)
	return true
}

// saveProblems writes what changed to the cache. A cache that can't take it
// costs the memory of problems, not the work.
func (e *Engine) saveProblems() {
	e.saving <- struct{}{}
	defer func() { <-e.saving }()
	e.mu.Lock()
	changed := e.unsaved
	e.unsaved = make(map[string]bool)
	values := make(map[string][]byte, len(changed))
	var errs [3]error
	for key := range changed {
		if p, there := e.problems[key]; there {
			if values[key], errs[0] = json.Marshal(p); errs[0] != nil {
				break
			}
		}
	}
	alarms, err := json.Marshal(e.alarms)
	errs[1] = err
	past, err := json.Marshal(e.past)
	errs[2] = err
	e.mu.Unlock()
	if len(changed) == 0 {
		return
	}
	err = errors.Join(errs[:]...)
	if err == nil {
		err = e.o.Cache.Records().Update(func(tx *cache.Tx) error {
			for _, key := range slices.Sorted(maps.Keys(changed)) {
				name := problemRecord(key)
				if values[key] == nil {
					if err := tx.Delete("problem", name); err != nil {
						return err
					}
				} else if err := e.putRecord(tx, "problem", name, values[key]); err != nil {
					return err
				}
			}
			if err := e.putRecord(tx, "meta", "alarms", alarms); err != nil {
				return err
			}
			return e.putRecord(tx, "meta", "healed", past)
		})
	}
	if err != nil {
		e.o.Log.Warn("what was noticed is not kept over a restart", "error", err)
		e.mu.Lock()
		maps.Copy(e.unsaved, changed)
		e.mu.Unlock()
	}
}

// fillProblems adds to a status what is wrong and what was. The caller holds e.mu.
func (e *Engine) fillProblems(status *Status) {
	status.Problems = slices.SortedFunc(maps.Values(e.problems), func(a, b Problem) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object, b.Object))
	})
	if status.Problems == nil {
		status.Problems = []Problem{}
	}
	status.Healed = slices.Clone(e.past)
	slices.Reverse(status.Healed)
	status.Alarms = Alarms{Raised: maps.Clone(e.alarms.Raised), Healed: maps.Clone(e.alarms.Healed)}
}
