package search

import (
	"context"
	"errors"
	"slices"
)

// takeFar fetches and indexes what is not here, the conversations with the newest first. again says that it stopped
// because something else changed. A place that can't be reached ends it; the next update tries again.
func (x *Index) takeFar(ctx context.Context) (again bool, err error) {
	var todo []agenda
	x.mu.RLock()
	for contact, gaps := range x.gaps {
		for _, gap := range gaps {
			if gap.Reason == ReasonFar {
				todo = append(todo, agenda{contact, gap.To})
				break
			}
		}
	}
	x.mu.RUnlock()
	slices.SortFunc(todo, func(a, b agenda) int { return compareTimes(b.last, a.last) })
	for _, a := range todo {
		if again, err := x.takeFarOf(ctx, a.contact); again || err != nil {
			return again, err
		}
	}
	return false, nil
}

func (x *Index) takeFarOf(ctx context.Context, contact string) (again bool, err error) {
	defer x.look(contact)
	pieces := x.o.Source.Pieces(contact)
	slices.SortFunc(pieces, func(a, b Piece) int { return compareTimes(b.Last, a.Last) })
	for i := range pieces {
		p := &pieces[i]
		if p.Last < x.manifest.floor || p.Here || x.covers(p) {
			continue
		}
		err := x.takePiece(ctx, p)
		if fault := (*readError)(nil); errors.As(err, &fault) {
			return false, ctx.Err()
		}
		if err != nil {
			return false, err
		}
		if _, next := x.o.Source.Changed(x.mark); next != x.mark {
			return true, nil
		}
	}
	return false, nil
}
