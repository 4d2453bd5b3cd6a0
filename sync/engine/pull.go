package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

const (
	pullRounds = 5 // listings in one pull when heads vanish between list and read
	refusals   = 4 // listings that show a head that can't be found before a pull goes on without it
	parallel   = 8 // requests at once where the place names no number
)

var errHeadsMove = errors.New("heads changed faster than they could be read")

// pull lists the heads, reads the new ones and unites them with the catalogue.
// When nothing is new it costs one request. It returns how many it read.
func (e *Engine) pull(ctx context.Context) (int, error) {
	read := 0
	refused := make(map[string]int)
	for range pullRounds {
		listing, shown, err := e.listHeads(ctx)
		if err != nil {
			return read, err
		}
		fresh, vanished := e.compareHeads(shown)
		again, err := e.checkRoot(ctx, shown, vanished)
		if err != nil {
			return read, err
		}
		if again {
			continue
		}
		absent, err := e.readHeads(ctx, fresh)
		if err != nil {
			return read, err
		}
		read += len(fresh) - len(absent)
		if anew(absent, refused) {
			continue
		}
		e.mu.Lock()
		e.passes++
		e.mu.Unlock()
		e.flushes = 0
		e.refused(absent)
		if err := e.watchGaps(ctx, listing, len(absent) > 0); err != nil {
			return read, err
		}
		if err := e.settleVanished(ctx, shown, vanished); err != nil {
			return read, err
		}
		if err := e.judge(ctx, listing); err != nil {
			return read, err
		}
		return read, e.caughtUp()
	}
	return read, fmt.Errorf("engine: pull: %w", errHeadsMove)
}

// anew counts listed heads that could not be found, and tells whether another
// listing is to explain one of them.
func anew(absent []string, refused map[string]int) bool {
	again := false
	for _, name := range absent {
		refused[name]++
		again = again || refused[name] < refusals
	}
	return again
}

// refused names heads that listing after listing showed and that could not be
// found: the pass goes on without them. A place that promises current listings
// shows nothing that it does not have; elsewhere the listings may be old.
func (e *Engine) refused(absent []string) {
	for _, name := range absent {
		if e.o.Store.Properties().CurrentListings {
			e.problem(Problem{Kind: "missing", Alarm: true, Object: e.headObject(name), Detail: "the place lists this head and says that it does not have it"})
		}
	}
}

// listHeads lists the heads and numbers the listing.
func (e *Engine) listHeads(ctx context.Context) (listing int64, shown map[string]bool, err error) {
	e.mu.Lock()
	e.listings++
	listing = e.listings
	e.mu.Unlock()
	shown = make(map[string]bool)
	prefix := string(e.headsKey) + "/"
	for object, err := range e.o.Store.List(ctx, prefix) {
		if err != nil {
			return 0, nil, fmt.Errorf("engine: list heads: %w", err)
		}
		shown[strings.TrimPrefix(object.Name, prefix)] = true
	}
	return listing, shown, nil
}

// compareHeads says which heads are new and which live ones were not shown.
// Heads that a live one stands for are neither: leftovers of a removal that is
// under way or was cut short.
func (e *Engine) compareHeads(shown map[string]bool) (fresh, vanished []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range shown {
		if e.heads[name] == nil && !e.covered(name) {
			fresh = append(fresh, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.heads)) { // what heals is listed in one order
		live := e.heads[name]
		if !shown[name] {
			vanished = append(vanished, name)
			live.shown = false // what it carries is not confirmed by this look
			continue
		}
		live.missing, live.shown, live.hidden = 0, true, false
		e.lower("withheld", e.headObject(name), "the place shows it again")
	}
	if len(vanished) == 0 && len(e.heads) > 0 {
		e.lower("rolled back", "account", "every head is shown again")
	}
	slices.Sort(fresh)
	return fresh, vanished
}

// covered tells whether another live head stands for the one with that name.
// The caller holds e.mu.
func (e *Engine) covered(name string) bool {
	return e.coveredBy(name, func(string) bool { return true })
}

// coveredBy is covered, by a head that may count.
func (e *Engine) coveredBy(name string, counts func(other string) bool) bool {
	incarnation, sequence, ok := container.ParseHeadName(name)
	if !ok {
		return false
	}
	for other, live := range e.heads {
		if other != name && live.stands(incarnation, sequence) && counts(other) {
			return true
		}
	}
	return false
}

// leftovers lists the shown heads that another one stands for which is live and
// shown as well: while that one is not there, these may be all that is.
func (e *Engine) leftovers(shown map[string]bool) (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range shown {
		if e.coveredBy(name, func(other string) bool { return shown[other] }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fromOthers tells whether another device wrote what stands for all of these:
// in a carried folder only then has it arrived here.
func (e *Engine) fromOthers(names []string) bool {
	if e.alone() {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range names {
		incarnation, sequence, _ := container.ParseHeadName(name)
		foreign := false
		for _, live := range e.heads {
			foreign = foreign || live.device != e.device && live.stands(incarnation, sequence)
		}
		if !foreign {
			return false
		}
	}
	return true
}

// dropLeftovers takes leftovers out of the catalogue and removes them: this
// device has read the head that names them.
func (e *Engine) dropLeftovers(ctx context.Context, shown map[string]bool) (dropped bool, err error) {
	names := e.leftovers(shown)
	if len(names) == 0 {
		return false, nil
	}
	e.mu.Lock()
	dropped = slices.ContainsFunc(names, func(name string) bool { return e.heads[name] != nil })
	e.mu.Unlock()
	if dropped {
		if err := e.dropHeads(names); err != nil {
			return false, err
		}
	}
	properties := e.o.Store.Properties()
	if !properties.Deletes || properties.Carried && !e.fromOthers(names) {
		return dropped, nil
	}
	if err := e.o.Store.Delete(ctx, prefixed(string(e.headsKey), names)...); err != nil {
		return dropped, fmt.Errorf("engine: remove absorbed heads: %w", err)
	}
	return dropped, nil
}

// checkRoot stops the account when a place shows nothing of it though this
// device knows better (invariant 4). An empty listing alone proves nothing, so
// every known head is asked for by name, and then listed once more: whoever
// removed the last of them rightly wrote another one before. Where listings may
// be old, two looks must say so. Heads whose bodies the cache lost count as known.
// again asks for another round.
func (e *Engine) checkRoot(ctx context.Context, shown map[string]bool, vanished []string) (again bool, err error) {
	vanished = append(vanished, e.unread...)
	if len(shown) > 0 || len(vanished) == 0 {
		e.empty = 0
		e.healed("blocked", "root", "the place shows the account again")
		return false, nil
	}
	for _, name := range vanished {
		_, err := e.o.Store.Get(ctx, e.headObject(name))
		if err == nil {
			return false, nil // a stale listing; the next one will show it
		}
		if !errors.Is(err, providers.ErrNotFound) {
			return false, fmt.Errorf("engine: look for head: %w", err)
		}
	}
	if _, shown, err = e.listHeads(ctx); err != nil || len(shown) > 0 {
		return true, err
	}
	properties := e.o.Store.Properties()
	if e.empty++; e.empty < 2 && !properties.CurrentListings {
		return false, fmt.Errorf("engine: the place shows nothing of this account for the moment: %w", providers.ErrTransient)
	}
	e.problem(Problem{Kind: "blocked", Alarm: !properties.Carried, Container: "root", Object: "root", Detail: "the place shows nothing of this account any more"})
	return false, fmt.Errorf("%w: the place shows nothing of this account, though this device wrote there before; "+
		"check that it is the right place and that it is mounted; to write there again what this device holds, run `dm3sync repair`; "+
		"to give that up and start anew there, run `dm3sync forget`", ErrBlocked)
}

// readHeads reads heads side by side, and takes in one after the other: the first of
// a copy of this device gives it another name, which the next one is judged by. absent
// are those that vanished between the listing and the reading, as one does that
// another head absorbed.
func (e *Engine) readHeads(ctx context.Context, names []string) (absent []string, err error) {
	var mu sync.Mutex
	taking := make(chan struct{}, 1) // holds one while a head is taken in: a lock over I/O
	faulty := make(map[string]error)
	if err := e.abreast(ctx, len(names), func(ctx context.Context, i int) error {
		name := names[i]
		sealed, err := e.o.Store.Get(ctx, e.headObject(name))
		if errors.Is(err, providers.ErrNotFound) {
			mu.Lock()
			defer mu.Unlock()
			absent = append(absent, name)
			return nil
		}
		if err != nil {
			return fmt.Errorf("engine: read head: %w", err)
		}
		head, err := e.openNamed(name, sealed)
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			faulty[name] = err
			return nil
		}
		taking <- struct{}{}
		defer func() { <-taking }()
		if err := e.takeOpened(name, sealed, head); err != nil || !e.isShownHead(name) {
			return err
		}
		e.healed("withheld", e.headObject(name), "the place shows it")
		return nil
	}); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(faulty)) { // another one may call it void
		e.misread(name, faulty[name])
	}
	if len(names) > 0 {
		e.mu.Lock()
		e.announce()
		e.mu.Unlock()
	}
	return absent, nil
}

// rebuild makes the catalogue anew from the live heads, without what only
// absorbed heads said.
func (e *Engine) rebuild(ctx context.Context) error {
	before := e.namedObjects()
	e.mu.Lock()
	names := slices.Sorted(maps.Keys(e.heads))
	e.mu.Unlock()
	fresh, whole := reconcile.Catalogue{}, true
	for _, name := range names {
		head, err := e.loadHead(ctx, name)
		if absent(err) {
			whole = false
			continue // reported as withheld; nothing else holds what it said
		}
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.gather(&fresh, name, head)
		e.mu.Unlock()
	}
	e.mu.Lock()
	e.dropGone(&fresh, &reconcile.Catalogue{})
	fresh.Succeed(&e.catalogue)
	e.catalogue = fresh
	e.mu.Unlock()
	if !whole {
		return nil
	}
	return e.doubtReplaced(before)
}

func (e *Engine) parallel() int {
	if n := e.o.Store.Properties().Parallel; n > 0 {
		return n
	}
	return parallel
}
