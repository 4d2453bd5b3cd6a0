package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// settleVanished explains live heads that the listing did not show: most were
// absorbed by one that is live. The others were withheld or lost, or the place
// was rolled back, or the listing is stale.
func (e *Engine) settleVanished(ctx context.Context, shown map[string]bool, vanished []string) error {
	var gone, lost []string
	e.mu.Lock()
	for _, name := range vanished {
		if e.covered(name) {
			gone = append(gone, name)
			continue
		}
		live := e.heads[name]
		if live.missing++; live.missing >= 2 && (!live.hidden || e.leftover) { // a hidden one is looked for by scrubs
			lost = append(lost, name)
		}
	}
	e.mu.Unlock()
	if err := e.dropHeads(gone); err != nil {
		return err
	}
	if len(lost) > 0 {
		if err := e.lostHeads(ctx, shown, lost); err != nil {
			return err
		}
	}
	dropped, err := e.dropLeftovers(ctx, shown)
	if err != nil || !dropped && len(gone) == 0 {
		return err
	}
	return e.rebuild(ctx)
}

// lostHeads looks after live heads that two looks in a row did not show. Each is
// asked for by name, and then the heads are listed once more: whoever removed one
// rightly wrote another that stands for it before, so a listing that begins after
// the vain attempt and shows no head that is not known here proves that nobody
// did. Where listings lag, that takes more looks; in a carried folder it is no
// proof at all. Whatever the reason, writing them again is harmless.
func (e *Engine) lostHeads(ctx context.Context, shown map[string]bool, names []string) error {
	var hidden, lost []string
	for _, name := range names {
		_, err := e.o.Store.Get(ctx, e.headObject(name))
		switch {
		case err == nil:
			hidden = append(hidden, name)
		case errors.Is(err, providers.ErrNotFound):
			lost = append(lost, name)
		default:
			return fmt.Errorf("engine: look for head %s: %w", name, err)
		}
	}
	_, after, err := e.listHeads(ctx)
	if err != nil {
		return err
	}
	known := func(name string) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.heads[name] != nil || e.covered(name)
	}
	for name := range after {
		if !known(name) && !shown[name] {
			return nil // something new: it may explain all, and the next look reads it
		}
	}
	isThere := func(name string) bool { return after[name] }
	hidden, lost = slices.DeleteFunc(hidden, isThere), slices.DeleteFunc(lost, isThere)
	properties := e.o.Store.Properties()
	if properties.CurrentListings {
		for _, name := range hidden {
			e.mu.Lock()
			e.heads[name].hidden = true
			e.mu.Unlock()
			// It was there between two listings that left it out; in a carried folder it
			// may have come and gone meanwhile.
			e.problem(Problem{Kind: "withheld", Alarm: !properties.Carried, Object: e.headObject(name), Detail: "the place has this head and does not list it"})
		}
	}
	if len(lost) == 0 {
		return nil
	}
	if e.newlyLost(lost) {
		e.leftover = true // more than heads may be gone: the next pass lists everything
	}
	if err := e.nameLost(ctx, shown, lost); err != nil {
		return err
	}
	for _, name := range lost {
		if sealed, ok := e.sound(e.headObject(name)); ok {
			if err := e.putWhole(ctx, e.headObject(name), sealed, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// newlyLost tells whether one of these heads was still shown lately.
func (e *Engine) newlyLost(lost []string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(lost, func(name string) bool { return e.heads[name].missing == 2 })
}

// nameLost says what became of lost heads: the place was rolled back when what
// they absorbed or replaced is there again; else they are withheld.
func (e *Engine) nameLost(ctx context.Context, shown map[string]bool, lost []string) error {
	properties := e.o.Store.Properties()
	back := 0
	if !properties.Carried && properties.CurrentListings { // elsewhere removals may show late
		var err error
		if back, err = e.cameBack(ctx, shown, lost); err != nil {
			return err
		}
	}
	if back > 0 {
		e.problem(Problem{Kind: "rolled back", Alarm: true, Container: "account", Object: "account",
			Detail: fmt.Sprintf("the place shows an older state of the account: %d of the newest heads are gone, %d objects that were replaced are back; "+
				"what this device holds is written again", len(lost), back)})
		return nil
	}
	for _, name := range lost {
		detail := "the place no longer has this head, and this device holds no copy"
		if _, ok := e.sound(e.headObject(name)); ok {
			detail = "the place no longer has this head; it is written again from the cache"
		}
		p := Problem{Kind: "withheld", Alarm: properties.CurrentListings && !properties.Carried, Object: e.headObject(name), Detail: detail}
		if properties.CurrentListings {
			e.problem(p) // healed when a listing shows it
			continue
		}
		e.suspect(p, "")
	}
	return nil
}

// cameBack counts the objects at the place that lost heads absorbed or that
// states in use replaced.
func (e *Engine) cameBack(ctx context.Context, shown map[string]bool, lost []string) (int, error) {
	replaced := make(map[string]bool)
	back := 0
	e.mu.Lock()
	for name := range shown {
		incarnation, sequence, _ := container.ParseHeadName(name)
		if e.heads[name] == nil && slices.ContainsFunc(lost, func(l string) bool { return e.heads[l].stands(incarnation, sequence) }) {
			back++
		}
	}
	e.catalogue.States(func(_ string, _ *container.ChunkIdentifier, state *reconcile.State) bool {
		for _, name := range state.Replaces {
			replaced[name] = true
		}
		return true
	})
	for name := range e.gone {
		replaced[name] = true
	}
	e.mu.Unlock()
	waiting, err := e.replacements()
	if err != nil {
		return 0, err
	}
	for _, r := range waiting {
		for _, object := range r.old {
			_, name, _ := strings.Cut(object, "/")
			replaced[name] = true
		}
	}
	for object, err := range e.o.Store.List(ctx, "") {
		if err != nil {
			return 0, fmt.Errorf("engine: list objects: %w", err)
		}
		if _, name, _ := strings.Cut(object.Name, "/"); replaced[name] && !e.underHeads(object.Name) {
			back++
		}
	}
	return back, nil
}

// rereadHeads reads every live head from the provider and writes those again
// that are not what the cache holds: heads never change. One that is not found
// may have been absorbed since the last look; the next one tells.
func (e *Engine) rereadHeads(ctx context.Context) error {
	e.mu.Lock()
	var names []string
	for name := range e.heads {
		names = append(names, name)
	}
	e.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		if err := e.rereadHead(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// isShownHead tells whether the last listing showed a live head.
func (e *Engine) isShownHead(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heads[name] != nil && e.heads[name].shown
}

func (e *Engine) rereadHead(ctx context.Context, name string) error {
	object := e.headObject(name)
	there, err := e.o.Store.Get(ctx, object)
	kept, cached := e.o.Cache.Blobs().Get(object)
	if cached {
		_, keptErr := e.openNamed(name, kept)
		cached = keptErr == nil
	}
	switch {
	case absent(err) && !e.isShownHead(name):
		return nil // pull looks after it
	case absent(err):
		e.suspect(Problem{Kind: "missing", Object: object, Detail: "the place says that it does not have this head, which it lists"}, "")
		return nil
	case err != nil:
		return fmt.Errorf("engine: read head %s: %w", name, err)
	case !cached:
		return e.takeHead(name, there) // names the fault, or keeps the copy
	case bytes.Equal(there, kept):
		e.readable(object)
		return nil
	}
	head, err := e.openNamed(name, there)
	if err == nil {
		return e.uniteTwins(ctx, name, head)
	}
	if word, _ := fault(err); word == "newer" {
		err = seal.ErrDamaged // a copy is here: it is not what it says
	}
	e.accuse(object, "", altered(kept, there, err))
	if err := e.putWhole(ctx, object, kept, true); err != nil {
		return err
	}
	e.healedAll(object, "written again from the cache")
	return nil
}
