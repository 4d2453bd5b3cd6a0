package search

import "slices"

// gapList gathers what of a conversation is not indexed.
type gapList struct {
	contact string
	floor   int64
	gaps    []Gap
}

// old tells whether a piece is of a time for which there is no room, and notes what of it is.
func (g *gapList) old(p *Piece) bool {
	if p.First >= g.floor || p.Messages == 0 {
		return false
	}
	if p.Last < g.floor {
		g.add(p, ReasonRoom)
		return true
	}
	part := *p
	part.Last = g.floor - 1
	part.Messages = max(1, int(float64(p.Messages)*float64(g.floor-p.First)/float64(p.Last-p.First+1)))
	g.add(&part, ReasonRoom)
	return false
}

// add notes a piece that is not indexed.
func (g *gapList) add(p *Piece, reason string) {
	if p.Messages == 0 {
		return
	}
	gap := Gap{Contact: g.contact, From: p.First, To: p.Last + 1, Messages: p.Messages, Reason: reason}
	if reason == ReasonFar {
		gap.Fetch = 1
	}
	g.gaps = append(g.gaps, gap)
}

// list unites gaps of one reason that touch, in the order of time.
func (g *gapList) list() (list []Gap) {
	slices.SortFunc(g.gaps, func(a, b Gap) int { return compareTimes(a.From, b.From) })
	for _, reason := range []string{ReasonFar, ReasonRoom, ReasonUnreadable} {
		first := len(list)
		for _, gap := range g.gaps {
			if gap.Reason != reason {
				continue
			}
			if n := len(list); n > first && gap.From <= list[n-1].To {
				last := &list[n-1]
				last.To, last.Messages, last.Fetch = max(last.To, gap.To), last.Messages+gap.Messages, last.Fetch+gap.Fetch
				continue
			}
			list = append(list, gap)
		}
	}
	return list
}

// missing fills in what of the account is not searched, within a query.
func (x *Index) missing(q *Query, r *Result) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r.Indexed, r.Cut = x.counts()
	r.Rebuilt, r.Problem = x.rebuilt, x.problem
	r.Waiting = x.o.Source.CountUnconfirmed(q.Contact, x.journal)
	for contact, n := range x.waiting {
		if q.Contact == "" || q.Contact == contact {
			r.Waiting += n
		}
	}
	for contact, gaps := range x.gaps {
		if q.Contact != "" && q.Contact != contact {
			continue
		}
		for _, gap := range gaps {
			if gap.To <= q.From || gap.From >= q.To {
				continue
			}
			r.Missing = append(r.Missing, gap)
			r.MissingMessages += gap.Messages
			r.MissingFetch += gap.Fetch
			switch gap.Reason {
			case ReasonFar:
				r.MissingFar += gap.Messages
			case ReasonRoom:
				r.MissingRoom += gap.Messages
				r.RoomBefore = x.manifest.floor
			}
		}
	}
	slices.SortFunc(r.Missing, func(a, b Gap) int { return compareTimes(b.To, a.To) })
	r.Missing = slices.Clip(r.Missing[:min(len(r.Missing), MaxGaps)])
}
