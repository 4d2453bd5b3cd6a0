package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// That an object is not found proves nothing by itself: another device may have
// replaced it since the last look, and removed it. But whoever removes an object
// has first written the head that stands for it or replaces it. So a listing
// that begins after the vain attempt shows that head, and what the catalogue
// still uses after such a look was lost or withheld (record 10). Bytes that are
// wrong need no such proof: objects never change.

// lateLooks is for how many looks a place that does not promise current listings
// may still owe the head that explains what is not there.
const lateLooks = 4

// suspicion is an object that was not there, until a later look tells.
type suspicion struct {
	problem Problem
	listing int64  // listings of heads begun before it was noticed
	pass    int64  // looks finished before
	how     string // what healed it meanwhile, "" nothing
	doubt   bool   // it was contested then; a head written since may not show that any more
}

// suspect notes that an object in use was not found. With how, it was healed so
// at once: then the later look decides only whether that was an alarm.
func (e *Engine) suspect(p Problem, how string) {
	key := problemKey(p.Kind, p.Object)
	e.mu.Lock()
	_, known := e.problems[key]
	_, waits := e.suspicions[key]
	e.mu.Unlock()
	doubt := false
	if !known && !waits && !e.underHeads(p.Object) {
		contested, err := e.contested(e.stopped, p.Object)
		doubt = contested || err != nil
	}
	e.mu.Lock()
	_, known = e.problems[key]
	if known {
		e.raise(p)
	} else if s, waits := e.suspicions[key]; waits {
		s.how = how
		e.suspicions[key] = s
	} else {
		e.suspicions[key] = suspicion{problem: p, listing: e.listings, pass: e.passes, how: how, doubt: doubt}
	}
	e.mu.Unlock()
	if known && how != "" {
		e.healed(p.Kind, p.Object, how)
	}
}

// acquit ends suspicions of an object that was now read whole. On a lone device it
// is an alarm that it was not found before; another one may have written it again,
// which it does for what it takes for missing.
func (e *Engine) acquit(object string) {
	found := false
	e.mu.Lock()
	key := problemKey("missing", object)
	if s, waits := e.suspicions[key]; waits && s.how == "" { // what this device wrote again waits for the next look
		delete(e.suspicions, key)
		s.problem.Alarm = len(e.others) == 0 && !e.o.Store.Properties().Carried
		e.raise(s.problem)
		found = e.lower("missing", object, "it is there again")
	}
	e.mu.Unlock()
	if found {
		e.saveProblems()
	}
}

// judge decides on suspicions after a look whose listing had the given number.
func (e *Engine) judge(ctx context.Context, listing int64) error {
	e.mu.Lock()
	var due []suspicion
	for key, s := range e.suspicions {
		if !e.used(s.problem.Kind, s.problem.Object) {
			delete(e.suspicions, key) // replaced or absorbed: nobody broke a promise
			continue
		}
		if s.listing < listing && e.patient(s.pass) {
			due = append(due, s)
		}
	}
	e.mu.Unlock()
	slices.SortFunc(due, func(a, b suspicion) int {
		return cmp.Or(cmp.Compare(a.problem.Object, b.problem.Object), cmp.Compare(a.problem.Kind, b.problem.Kind))
	})
	for _, s := range due {
		certain, err := e.certain(ctx, s.problem)
		if err != nil {
			return err
		}
		certain = certain && !s.doubt
		s.problem.Alarm = certain
		if !certain && s.how != "" {
			s.how += "; it may as well have been replaced"
		}
		e.problem(s.problem)
		if s.how != "" {
			e.healed(s.problem.Kind, s.problem.Object, s.how)
		}
		e.mu.Lock()
		delete(e.suspicions, problemKey(s.problem.Kind, s.problem.Object))
		e.mu.Unlock()
	}
	return nil
}

// patient tells whether a look begun after pass proves what it does not show.
// The caller holds e.mu.
func (e *Engine) patient(pass int64) bool {
	return e.o.Store.Properties().CurrentListings || e.passes-pass >= lateLooks
}

// used tells whether an object is a state in use or a live head; pull looks after
// one that is not listed, unless that is what is suspected. The caller holds e.mu.
func (e *Engine) used(kind, object string) bool {
	if e.underHeads(object) {
		name := strings.TrimPrefix(object, string(e.headsKey)+"/")
		return e.heads[name] != nil && !e.covered(name) && (kind == "withheld" || e.heads[name].shown)
	}
	_, _, _, ok := e.find(object)
	return ok
}

func (e *Engine) underHeads(object string) bool {
	return strings.HasPrefix(object, string(e.headsKey)+"/")
}

// certain tells whether it is out of the question that another device removed
// an object rightly. In a carried folder files come in any order, so nothing
// that is not there proves anything. Elsewhere one case is left (record 8): a
// head that was held up between its writer's look and its put still names what
// was replaced and forgotten since. Then all that the object held is elsewhere;
// of a list it always is.
func (e *Engine) certain(ctx context.Context, p Problem) (bool, error) {
	if e.o.Store.Properties().Carried {
		return false, nil
	}
	if e.underHeads(p.Object) {
		return true, nil
	}
	if kind, _, state, ok := e.inUse(p.Object); ok {
		if kind != container.KindChunk {
			return false, nil // heads say all that a list says: nothing can be missing with it
		}
		elsewhere, err := e.outlived(ctx, &outgoing{}, e.namedObjects()[p.Object], state, []reconcile.State{state})
		if err != nil || elsewhere {
			return false, err
		}
	}
	contested, err := e.contested(ctx, p.Object)
	return !contested, err
}

// contested tells whether each live head that names a state was written side by
// side with another live head: neither knew of the other.
func (e *Engine) contested(ctx context.Context, object string) (bool, error) {
	_, state, _ := strings.Cut(object, "/")
	e.mu.Lock()
	live := make(map[string]*liveHead, len(e.heads))
	for name, head := range e.heads {
		live[name] = head
	}
	e.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(live)) {
		head, err := e.loadHead(ctx, name)
		if unusable(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		names := false
		for ref := range head.States() {
			names = names || ref.Name == state
		}
		if names && !besideAnother(name, live) {
			return false, nil
		}
	}
	return true, nil
}

// besideAnother tells whether some other head and this one did not know of each
// other.
func besideAnother(name string, live map[string]*liveHead) bool {
	for other, head := range live {
		if other != name && !live[name].knows(other) && !head.knows(name) {
			return true
		}
	}
	return false
}

// knows tells whether a head's writer had seen another head, by name. Who calls it
// void had not: its put failed, and may have its effect at any time.
func (h *liveHead) knows(name string) bool {
	incarnation, sequence, _ := container.ParseHeadName(name)
	return !within(h.void, incarnation, sequence) && slices.ContainsFunc(slices.Concat(h.covers, h.known), func(c container.Cover) bool {
		return c.Incarnation == incarnation && c.To >= sequence
	})
}

// accuse names an object in use whose bytes are not what they should be. That
// is an alarm at once: it was whole when a head named it, and objects never
// change. Only bytes that claim to be of a newer program may be what they say,
// in a carried folder a file may be there in part, and where puts need not be
// whole, what is there may be a device's write that was to heal it: that is ruled
// out by a copy (errAltered).
func (e *Engine) accuse(object, contact string, err error) {
	kind, detail := fault(err)
	properties := e.o.Store.Properties()
	inPart := properties.Carried || !properties.Durable && kind == "damaged" && !errors.Is(err, errAltered)
	e.problem(Problem{Kind: kind, Object: object, Contact: contact, Detail: detail, Alarm: kind != "newer" && !inPart})
}

// errAltered is bytes that no write of an object left, neither whole nor cut short.
var errAltered = errors.New("not even in part what was written")

// altered looks closer at bytes that can't be opened, where those that were written
// are kept.
func altered(kept, there []byte, err error) error {
	if bytes.HasPrefix(kept, there) {
		return err
	}
	return fmt.Errorf("%w: %w", errAltered, err)
}

// readable takes back what was said of an object: it was read whole.
func (e *Engine) readable(object string) {
	e.acquit(object)
	e.healedAll(object, "it was read whole")
}

// healedAll ends all problems of an object.
func (e *Engine) healedAll(object, how string) {
	over := false
	e.mu.Lock()
	for _, kind := range faults {
		over = e.lower(kind, object, how) || over
	}
	e.mu.Unlock()
	if over {
		e.saveProblems()
	}
}

// care looks after an object in use that was not readable for the given reason:
// it is named, and written again when the cache holds it whole.
func (e *Engine) care(ctx context.Context, kind container.Kind, object, contact string, state reconcile.State, reason error) (mended bool, err error) {
	key, _, _ := strings.Cut(object, "/")
	if !absent(reason) {
		e.accuse(object, contact, reason)
	}
	if mended, err = e.mend(ctx, kind, container.Key(key), object, state); err != nil {
		return false, err
	}
	const how = "written again from the cache"
	switch {
	case absent(reason) && mended:
		e.suspect(missing(object, contact), how)
	case absent(reason):
		e.suspect(missing(object, contact), "")
	case mended:
		if word, _ := fault(reason); word == "newer" { // it only seemed so
			e.problem(Problem{Kind: "damaged", Alarm: !e.o.Store.Properties().Carried, Object: object, Contact: contact, Detail: "this object is not what was written"})
		}
		e.healedAll(object, how)
	}
	return mended, nil
}

func missing(object, contact string) Problem {
	return Problem{Kind: "missing", Object: object, Contact: contact, Detail: "the place no longer has this object, and this device holds no copy; another device may"}
}

// fault says in a word and a sentence what is wrong with an object's bytes.
func fault(err error) (kind, detail string) {
	switch {
	case errors.Is(err, errSwapped):
		return "swapped", "this object holds another state"
	case errors.Is(err, errForeignHead):
		return "swapped", "this head says that it is another one"
	case errors.Is(err, seal.ErrOtherKey):
		return "other key", "this object is sealed with another key"
	case errors.Is(err, seal.ErrNewerVersion):
		return "newer", "a newer program wrote this object; update dm3sync"
	}
	return "damaged", "this object can't be opened; it stays untouched"
}

// faults are the kinds that end when an object was read whole. A withheld head
// ends otherwise: when it is listed, or another one stands for it.
var faults = []string{"damaged", "swapped", "other key", "newer", "missing", "torn"}

var errForeignHead = fmt.Errorf("the head is another one: %w", container.ErrHead)
