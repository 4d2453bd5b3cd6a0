package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
)

// VerifyOptions say how much Verify does. The zero value checks the structure:
// heads and lists open and agree, and the listing shows every state that a head
// names, at a size that can be. Messages are then counted from the heads.
type VerifyOptions struct {
	Deep    bool  // fetch and open every object, and compare every chunk with the base
	Rate    int64 // bytes a second that are fetched at most; 0 is no limit
	Restart bool  // begin anew where an interrupted deep run would go on
}

// Bounds of the part of a walk during which no pass runs.
const (
	verifyBatch   = 64
	verifyBytes   = 8 << 20
	verifySeconds = 10 // of the given rate
	verifyLooks   = 3  // walks through a container that others replace meanwhile
)

// verifier walks the tree once.
type verifier struct {
	*Engine
	options VerifyOptions
	store   providers.Store
	listed  map[string]int64
	cursor  place        // the last container that was walked
	walked  Verification // what the walk through the containers found
	tally   sync.Mutex   // guards found
	found   Verification // all else
}

// Verify walks the tree from the provider. Structure: chunks are listed by their
// conversation and conversations by the root; every state is named by a head and
// nothing else lies there. Deep: besides, every object opens and is what its
// place says, and chunks partition time. What others replace meanwhile is looked
// at anew. It works in parts, with room for passes between them. An interrupted
// deep run is gone on with by the next one, from what is kept in the cache. It
// changes nothing at the provider; the next pass looks after what it found.
func (e *Engine) Verify(ctx context.Context, o VerifyOptions) (Verification, error) {
	v := &verifier{Engine: e, options: o, store: e.o.Store, listed: make(map[string]int64)}
	if o.Rate > 0 {
		v.store = providers.Limit(e.o.Store, &providers.LimitOptions{Down: o.Rate})
	}
	if err := v.resume(); err != nil {
		return Verification{}, fmt.Errorf("engine: verify: %w", err)
	}
	var err error
	for _, step := range []func(context.Context) error{v.top, v.containers, v.orphans} {
		if err = step(ctx); err != nil {
			err = fmt.Errorf("engine: verify: %w", err)
			break
		}
	}
	v.found.add(&v.walked)
	v.found.Deep = o.Deep
	if v.found.Problems == nil {
		v.found.Problems = []Problem{}
	}
	e.saveProblems()
	return v.found, err
}

// add adds what another walk counted and found.
func (v *Verification) add(other *Verification) {
	v.Conversations += other.Conversations
	v.Chunks += other.Chunks
	v.States += other.States
	v.Messages += other.Messages
	v.Tombstones += other.Tombstones
	v.Problems = append(v.Problems, other.Problems...)
}

// verifyRun is what is kept of an unfinished deep run.
type verifyRun struct {
	Cursor place        `json:"cursor"`
	Walked Verification `json:"walked"`
}

func (v *verifier) resume() error {
	if !v.options.Deep || v.options.Restart {
		return nil
	}
	plain, ok, err := v.record("verify", "run")
	var kept verifyRun
	if err != nil || !ok || json.Unmarshal(plain, &kept) != nil {
		return err
	}
	v.cursor, v.walked, v.found.Resumed = kept.Cursor, kept.Walked, true
	return nil
}

// keep writes down how far a deep run came; done ends it.
func (v *verifier) keep(done bool) error {
	if !v.options.Deep {
		return nil
	}
	plain, err := json.Marshal(verifyRun{v.cursor, v.walked})
	if err != nil {
		return err
	}
	return v.o.Cache.Records().Update(func(tx *cache.Tx) error {
		if done {
			return tx.Delete("verify", "run")
		}
		return v.putRecord(tx, "verify", "run", plain)
	})
}

// top looks at what there is in all, at the heads and at the root.
func (v *verifier) top(ctx context.Context) error {
	if err := v.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-v.turn }()
	if _, err := v.pull(ctx); err != nil {
		return err
	}
	if err := v.list(ctx); err != nil {
		return err
	}
	return v.walkAll(ctx, []place{{}}, &v.found)
}

func (v *verifier) list(ctx context.Context) error {
	for object, err := range v.o.Store.List(ctx, "") {
		if err != nil {
			return err
		}
		v.found.Objects++
		v.found.Bytes += object.Size
		v.listed[object.Name] = object.Size
		if name, ok := strings.CutPrefix(object.Name, string(v.headsKey)+"/"); ok {
			v.found.Heads++
			if err := v.head(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// head reads a head from the provider, not from the cache.
func (v *verifier) head(ctx context.Context, name string) error {
	object := v.headObject(name)
	sealed, err := v.store.Get(ctx, object)
	if absent(err) {
		return nil // absorbed meanwhile; a pull names one that is withheld
	}
	if err != nil {
		return err
	}
	if _, err = v.openNamed(name, sealed); err == nil {
		return nil
	}
	kind, detail := fault(err)
	v.report(kind, object, "", "%s: %v", detail, err)
	v.leftover = true // the next pass reads all heads again, and mends
	return v.takeHead(name, sealed)
}

func (v *verifier) report(kind, object, contact, format string, arguments ...any) {
	v.tally.Lock()
	defer v.tally.Unlock()
	v.found.Problems = append(v.found.Problems, Problem{Kind: kind, Object: object, Contact: contact, Detail: fmt.Sprintf(format, arguments...)})
}

// containers walks the conversations, in parts.
func (v *verifier) containers(ctx context.Context) error {
	places := v.places()
	total := len(places)
	for len(places) > 0 {
		n, err := v.part(ctx, places, total)
		if err != nil {
			return err
		}
		v.cursor, places = places[n-1], places[n:]
		if err := v.keep(false); err != nil {
			return err
		}
	}
	return nil
}

// part walks some containers of a total while no pass runs, and returns how many.
func (v *verifier) part(ctx context.Context, places []place, total int) (n int, err error) {
	if err := v.takeTurn(ctx); err != nil {
		return 0, err
	}
	defer func() { <-v.turn }()
	v.progress("verify", int64(total-len(places)), int64(total), "containers")
	budget := int64(verifyBytes)
	if v.options.Rate > 0 {
		budget = min(budget, v.options.Rate*verifySeconds)
	}
	for n < len(places) && n < verifyBatch && (n == 0 || budget > 0) {
		for _, state := range v.statesOf(places[n]) {
			budget -= state.Size
		}
		n++
	}
	return n, v.walkAll(ctx, places[:n], &v.walked)
}

// walkAll walks containers side by side. Where a state could not be had, another
// look tells whether it was replaced meanwhile: then its container is walked
// anew. What is found in the end is added to a sum. The caller holds the turn.
func (v *verifier) walkAll(ctx context.Context, places []place, sum *Verification) error {
	for look := 1; len(places) > 0; look++ {
		walks := make([]*walk, len(places))
		if err := v.abreast(ctx, len(places), func(ctx context.Context, i int) error {
			walks[i] = &walk{verifier: v, place: places[i]}
			return walks[i].run(ctx)
		}); err != nil {
			return err
		}
		again, err := v.settle(ctx, walks, look < verifyLooks)
		if err != nil {
			return err
		}
		places = nil
		for i, w := range walks {
			if again[i] {
				places = append(places, w.place)
				continue
			}
			sum.add(&w.found)
		}
	}
	return nil
}

// settle decides, after another look, on the states that walks could not have.
// It tells which walks are to be done again.
func (v *verifier) settle(ctx context.Context, walks []*walk, more bool) (again []bool, err error) {
	again = make([]bool, len(walks))
	looked := false
	for i, w := range walks {
		if len(w.bad) > 0 && !looked {
			looked = true
			if _, err := v.pull(ctx); err != nil {
				return nil, err
			}
		}
		for _, b := range w.bad {
			if _, _, _, used := v.inUse(b.object); !used {
				again[i] = more
				continue
			}
			if !absent(b.reason) {
				v.accuse(b.object, w.place.Contact, b.reason)
			}
			v.dangling[w.place.Contact] = v.passes - 1 // the next pass looks after it
		}
		if len(w.bad) == 0 && w.union != nil {
			if err := v.offerAgain(ctx, w.union); err != nil {
				return nil, err
			}
		}
	}
	return again, nil
}

// orphans looks at the objects that no head names.
func (v *verifier) orphans(ctx context.Context) error {
	if err := v.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-v.turn }()
	if _, err := v.pull(ctx); err != nil { // heads that name what was written meanwhile
		return err
	}
	named := v.namedObjects()
	for _, object := range slices.Sorted(maps.Keys(v.listed)) {
		if _, ok := named[object]; ok || v.underHeads(object) {
			continue
		}
		if err := v.orphan(ctx, object); err != nil {
			return err
		}
	}
	return v.keep(true)
}

func (v *verifier) orphan(ctx context.Context, object string) error {
	sealed, err := v.store.Get(ctx, object)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	key, _, _ := strings.Cut(object, "/")
	found, err := v.identify(container.Key(key), sealed)
	switch {
	case isAny(err, seal.ErrOtherKey, seal.ErrDamaged) && !v.isDebris(object, sealed, err):
		v.found.Foreign++
	case err == nil && v.o.Store.Properties().Carried && v.isLeftover(ctx, object, found):
		v.found.Leftovers++
	case err != nil:
		v.report("damaged", object, "", "no head names this object and it can't be read: %v", err)
	default:
		v.report("orphan", object, "", "no head names this state; `dm3sync sync --scrub` takes care of it")
	}
	return nil
}

// isLeftover tells whether a carried folder still has what was replaced.
func (v *verifier) isLeftover(ctx context.Context, object string, found identified) bool {
	_, found.state.Name, _ = strings.Cut(object, "/")
	held, err := v.held(ctx, found)
	return err == nil && held
}
