package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

const (
	pullRounds = 4 // listings in one pull when heads vanish between list and read
	parallel   = 8 // requests at once where the place names no number
)

var errHeadsMove = errors.New("heads changed faster than they could be read")

// pull lists the heads, reads the new ones and unites them with the catalogue.
// When nothing is new it costs one request. It returns how many it read.
func (e *Engine) pull(ctx context.Context) (int, error) {
	read := 0
	for range pullRounds {
		shown, err := e.listHeads(ctx)
		if err != nil {
			return read, err
		}
		fresh, vanished := e.compareHeads(shown)
		if err := e.checkRoot(ctx, shown, vanished); err != nil {
			return read, err
		}
		again, err := e.readHeads(ctx, fresh)
		if err != nil {
			return read, err
		}
		read += len(fresh)
		if again {
			continue
		}
		e.passes++
		e.flushes = 0
		e.watchGaps()
		if err := e.settleVanished(ctx, shown, vanished); err != nil {
			return read, err
		}
		return read, e.caughtUp()
	}
	return read, fmt.Errorf("engine: pull: %w", errHeadsMove)
}

func (e *Engine) listHeads(ctx context.Context) (map[string]bool, error) {
	shown := make(map[string]bool)
	prefix := string(e.headsKey) + "/"
	for object, err := range e.o.Store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("engine: list heads: %w", err)
		}
		shown[strings.TrimPrefix(object.Name, prefix)] = true
	}
	return shown, nil
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
	for name, live := range e.heads {
		if !shown[name] {
			vanished = append(vanished, name)
			continue
		}
		live.missing, live.shown = 0, true
		delete(e.problems, "withheld "+e.headObject(name))
	}
	slices.Sort(fresh)
	slices.Sort(vanished)
	return fresh, vanished
}

// covered tells whether another live head stands for the one with that name.
// The caller holds e.mu.
func (e *Engine) covered(name string) bool {
	incarnation, sequence, ok := container.ParseHeadName(name)
	if !ok {
		return false
	}
	for other, live := range e.heads {
		if other == name {
			continue
		}
		if live.stands(incarnation, sequence) {
			return true
		}
	}
	return false
}

// leftovers lists the shown heads that a live one stands for, live or not.
func (e *Engine) leftovers(shown map[string]bool) (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range shown {
		if e.covered(name) {
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
// every known head is asked for by name.
func (e *Engine) checkRoot(ctx context.Context, shown map[string]bool, vanished []string) error {
	if len(shown) > 0 || len(vanished) == 0 {
		e.healed("blocked", "root")
		return nil
	}
	for _, name := range vanished {
		_, err := e.o.Store.Get(ctx, e.headObject(name))
		if err == nil {
			return nil // a stale listing; the next one will show it
		}
		if !errors.Is(err, providers.ErrNotFound) {
			return fmt.Errorf("engine: look for head: %w", err)
		}
	}
	// All that is known may have been absorbed since a listing that lags.
	if again, err := e.listHeads(ctx); err != nil || len(again) > 0 {
		return err
	}
	e.problem(Problem{Kind: "blocked", Object: "root", Detail: "the provider shows nothing of this account any more"})
	return fmt.Errorf("%w: the provider shows nothing of this account, though this device wrote there before; "+
		"check that it is the right place and that it is mounted; to write there again what this device holds, run: dm3sync sync --restore", ErrBlocked)
}

// readHeads reads heads side by side. again is true when one vanished between
// the listing and the reading, as it does when another head absorbed it.
func (e *Engine) readHeads(ctx context.Context, names []string) (again bool, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.parallel())
	for _, name := range names {
		group.Go(func() error {
			sealed, err := e.o.Store.Get(ctx, e.headObject(name))
			if errors.Is(err, providers.ErrNotFound) {
				mu.Lock()
				defer mu.Unlock()
				again = true
				return nil
			}
			if err != nil {
				return fmt.Errorf("engine: read head: %w", err)
			}
			return e.takeHead(name, sealed)
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	if len(names) > 0 {
		e.mu.Lock()
		e.announce()
		e.mu.Unlock()
	}
	return again, nil
}

// takeHead opens a head from the provider. One that can't be opened is named
// in the status and left alone; it is looked at again in each pass.
func (e *Engine) takeHead(name string, sealed []byte) error {
	head, err := e.openHead(sealed)
	switch {
	case errors.Is(err, seal.ErrNewerVersion):
		e.problem(Problem{Kind: "newer", Object: e.headObject(name), Detail: "a newer program wrote this head; update dm3sync to see what it says"})
		return nil
	case errors.Is(err, seal.ErrOtherKey):
		e.problem(Problem{Kind: "other key", Object: e.headObject(name), Detail: "this head is sealed with another key; check the account's secret"})
		return nil
	case err != nil:
		e.problem(Problem{Kind: "damaged", Object: e.headObject(name), Detail: "this head can't be opened: " + err.Error()})
		return nil
	}
	if container.HeadName(head.Incarnation, head.Sequence) != name {
		e.problem(Problem{Kind: "swapped", Object: e.headObject(name), Detail: "this head says that it is another one"})
		return nil
	}
	for _, kind := range []string{"newer", "other key", "damaged", "swapped"} {
		e.healed(kind, e.headObject(name))
	}
	if e.isClone(head) {
		if err := e.rename(); err != nil {
			return err
		}
	}
	if err := errors.Join(e.keepHead(name, sealed), e.meet(head.Device)); err != nil {
		return err
	}
	e.adopt(name, int64(len(sealed)), head)
	if err := e.study(head); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heads[name].shown = true
	if head.Device != e.device {
		e.others[head.Device] = e.passes
		e.receive(head)
		e.notice(head)
	}
	for i := range head.Talks {
		contact := head.Talks[i].Contact
		if e.shapeless(e.catalogue.Conversations[contact]) {
			e.strayed = append(e.strayed, contact)
		}
		if e.catalogue.Conversations[contact].Purges() {
			e.purges[contact] = true
		}
	}
	return nil
}

// settleVanished explains live heads that the listing did not show: most were
// absorbed by one that is live. One that nothing stands for was withheld or
// lost, or the listing is stale; from its second absence on it is reported and
// written again from the cache, which is harmless, since objects never change.
func (e *Engine) settleVanished(ctx context.Context, shown map[string]bool, vanished []string) error {
	var gone []string
	for _, name := range vanished {
		e.mu.Lock()
		covered := e.covered(name)
		e.mu.Unlock()
		if covered {
			gone = append(gone, name)
			continue
		}
		if err := e.missingHead(ctx, name); err != nil {
			return err
		}
	}
	if err := e.dropHeads(gone); err != nil {
		return err
	}
	dropped, err := e.dropLeftovers(ctx, shown)
	if err != nil || !dropped && len(gone) == 0 {
		return err
	}
	return e.rebuild(ctx)
}

// watchGaps looks for sequence numbers that another device wrote, or saw
// written, and that no live head stands for. A new gap may be a failed put; it
// may be a head that the provider withholds, so a full listing follows.
func (e *Engine) watchGaps() {
	e.mu.Lock()
	defer e.mu.Unlock()
	var covers, known []container.Cover
	for _, live := range e.heads {
		covers = append(covers, live.covers...)
		known = append(known, live.known...)
	}
	covers = container.JoinCovers(covers)
	gaps := make(map[string]bool)
	for i, cover := range covers {
		if i > 0 && covers[i-1].Incarnation == cover.Incarnation && cover.Incarnation != e.incarnation {
			gaps[container.HeadName(cover.Incarnation, cover.From-1)] = true
		}
	}
	for _, cover := range known {
		if !slices.ContainsFunc(covers, func(have container.Cover) bool {
			return have.Incarnation == cover.Incarnation && have.From <= cover.To && cover.To <= have.To
		}) {
			gaps[container.HeadName(cover.Incarnation, cover.To)] = true
		}
	}
	for gap := range gaps {
		if e.gaps != nil && !e.gaps[gap] {
			e.leftover = true // the next pass lists everything
		}
	}
	e.gaps = gaps
}

func (e *Engine) missingHead(ctx context.Context, name string) error {
	e.mu.Lock()
	e.heads[name].missing++
	missing := e.heads[name].missing
	e.mu.Unlock()
	if missing < 2 {
		return nil
	}
	sealed, ok := e.o.Cache.Blobs().Get(e.headObject(name))
	if !ok {
		e.problem(Problem{Kind: "withheld", Object: e.headObject(name), Detail: "the provider no longer shows this head, and this device holds no copy"})
		return nil
	}
	e.problem(Problem{Kind: "withheld", Object: e.headObject(name), Detail: "the provider no longer shows this head; it is written again from the cache"})
	return e.putWhole(ctx, e.headObject(name), sealed, false)
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
		e.addHead(&fresh, name, head)
		e.mu.Unlock()
	}
	e.mu.Lock()
	e.catalogue = fresh
	e.mu.Unlock()
	if !whole {
		return nil
	}
	return e.forgetReplaced(before)
}

func (e *Engine) parallel() int {
	if n := e.o.Store.Properties().Parallel; n > 0 {
		return n
	}
	return parallel
}
