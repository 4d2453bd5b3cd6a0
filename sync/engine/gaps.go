package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
)

// gapsMost bounds the gaps that are followed one by one.
const gapsMost = 1000

// gap is a head that was written and confirmed, that no live head stands for,
// and that no listing showed.
type gap struct {
	pass, listing int64 // of the look that asked for it by name in vain first; listing 0 is none
}

// watchGaps looks for heads that another run wrote and that no live head stands
// for: sequence numbers below one that is, which nobody called void, or ones
// that a live head saw. Each is asked for by name. One that a later listing does
// not explain either is withheld. A new one makes the next pass list everything.
// unread tells that a shown head could not be had, which may explain all.
func (e *Engine) watchGaps(ctx context.Context, listing int64, unread bool) error {
	e.mu.Lock()
	found := e.findGaps()
	before := e.gaps
	e.gaps = make(map[string]*gap, len(found))
	for _, name := range found {
		e.gaps[name] = &gap{}
		if old := before[name]; old != nil {
			e.gaps[name] = old
		} else if before != nil {
			e.leftover = true
		}
	}
	e.closeGaps()
	unread = unread || e.newerHead()
	e.mu.Unlock()
	for _, name := range found {
		if err := e.lookForGap(ctx, name, listing, unread); err != nil {
			return err
		}
	}
	return nil
}

// hasGaps tells whether findGaps finds any. Each page read asks for that, so the
// answer is kept for as long as what it rests on. The caller holds e.mu.
func (e *Engine) hasGaps() bool {
	if e.gapless == nil {
		gapless := len(e.findGaps()) == 0
		e.gapless = &gapless
	}
	return !*e.gapless
}

// findGaps names the gaps, sorted. Whatever changes what it reads sets e.gapless
// to nil: live heads and unread ones, e.void, e.incarnation. The caller holds e.mu.
func (e *Engine) findGaps() []string {
	covers, known, void := e.said()
	explained := container.JoinCovers(covers, void)
	names := make(map[string]bool)
	last := make(map[string]int64)
	for _, cover := range covers {
		last[cover.Incarnation] = cover.To // sorted: the last one counts
	}
	for _, incarnation := range slices.Sorted(maps.Keys(last)) {
		next := int64(0)
		for _, cover := range explained {
			if cover.Incarnation != incarnation || incarnation == e.incarnation {
				continue
			}
			for ; next < min(cover.From, last[incarnation]) && len(names) < gapsMost; next++ {
				names[container.HeadName(incarnation, next)] = true
			}
			next = max(next, cover.To+1)
		}
	}
	for _, cover := range known {
		if cover.Incarnation != e.incarnation && !within(explained, cover.Incarnation, cover.To) && len(names) < gapsMost {
			names[container.HeadName(cover.Incarnation, cover.To)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// said unites what all live heads say of sequence numbers, and what this device
// read before it lost the bodies. The caller holds e.mu.
func (e *Engine) said() (covers, known, void []container.Cover) {
	void = e.void
	for _, name := range e.unread {
		if incarnation, sequence, ok := container.ParseHeadName(name); ok {
			known = append(known, container.Cover{Incarnation: incarnation, From: sequence, To: sequence})
		}
	}
	for _, live := range e.heads {
		covers = append(covers, live.covers...)
		known = append(known, live.known...)
		void = append(slices.Clip(void), live.void...)
	}
	return container.JoinCovers(covers), known, container.JoinCovers(void)
}

func within(covers []container.Cover, incarnation string, sequence int64) bool {
	return slices.ContainsFunc(covers, func(c container.Cover) bool {
		return c.Incarnation == incarnation && c.From <= sequence && sequence <= c.To
	})
}

// confirmed tells whether a head that is not live was surely written whole: its
// run went on without calling it void, or another device read it. The caller
// holds e.mu.
func (e *Engine) confirmed(name string) bool {
	incarnation, sequence, ok := container.ParseHeadName(name)
	covers, known, void := e.said()
	if !ok || within(void, incarnation, sequence) {
		return false
	}
	return slices.ContainsFunc(slices.Concat(covers, known), func(c container.Cover) bool {
		return c.Incarnation == incarnation && c.To >= sequence
	})
}

// closeGaps takes back what was said of heads that are explained since. The
// caller holds e.mu.
func (e *Engine) closeGaps() {
	for _, key := range slices.Sorted(maps.Keys(e.problems)) {
		p := e.problems[key]
		name, ok := strings.CutPrefix(p.Object, string(e.headsKey)+"/")
		if !ok || p.Kind != "withheld" || e.heads[name] != nil || e.gaps[name] != nil {
			continue
		}
		if e.covered(name) || len(e.heads) > 0 {
			e.lower(p.Kind, p.Object, "another head stands for it")
		}
	}
}

// newerHead tells whether a head of a newer program lies there: what it stands
// for is not known. The caller holds e.mu.
func (e *Engine) newerHead() bool {
	for _, p := range e.problems {
		if p.Kind == "newer" && e.underHeads(p.Object) {
			return true
		}
	}
	return false
}

// lookForGap asks for a head by name. It is an alarm when a look that began
// after a vain attempt shows nothing that stands for it, and a second attempt is
// as vain: whoever removes a head has written another one that stands for it
// before. Where listings lag, more looks must agree; in a carried folder, where
// files come in any order, it is only said.
func (e *Engine) lookForGap(ctx context.Context, name string, listing int64, unread bool) error {
	object := e.headObject(name)
	if e.present("withheld", object) && !e.leftover {
		return nil // asked again by each scrub
	}
	sealed, err := e.o.Store.Get(ctx, object)
	if err == nil {
		err = e.takeHead(name, sealed)
		e.mu.Lock()
		if live := e.heads[name]; live != nil {
			live.shown = false // no listing did; the next ones are to
			delete(e.gaps, name)
		}
		e.mu.Unlock()
		return err
	}
	if !errors.Is(err, providers.ErrNotFound) {
		return fmt.Errorf("engine: look for head %s: %w", name, err)
	}
	e.mu.Lock()
	at := e.gaps[name]
	proven := at.listing > 0 && at.listing < listing && e.patient(at.pass) && !unread
	if at.listing == 0 {
		at.listing, at.pass = e.listings, e.passes
	}
	e.mu.Unlock()
	if proven {
		e.problem(Problem{Kind: "withheld", Alarm: !e.o.Store.Properties().Carried, Object: object,
			Detail: "another device wrote this head, and the place shows neither it nor one that stands for it; this device never saw it"})
	}
	return nil
}
