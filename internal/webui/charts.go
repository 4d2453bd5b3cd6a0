package webui

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Bounds of one page of charts.
const (
	chartTalks  = 2000 // conversations that are summed up, the largest ones
	chartListed = 200  // conversations that can be chosen
	chartBars   = 120  // bars of one chart
)

// chartData is what the page of charts shows.
type chartData struct {
	Accounts []string
	Account  string
	Contacts []string
	Contact  string
	Problem  *notice // why there is nothing to draw

	Unit     string // "day", "month" or "year"
	Bars     []bar  // oldest first, without holes
	Messages int64
	Bytes    int64
	Here     int // of a hundred messages, those that are on this device
	Talks    int // conversations that are summed up
	Left     int // conversations that are not, since there are too many
	Outside  int64
	Busiest  bar
	First    time.Time
	Last     time.Time
}

// bar is one day, month or year.
type bar struct {
	Start    time.Time
	Label    string
	Messages int64
	Bytes    int64
}

func (s *Site) charts(w http.ResponseWriter, r *http.Request) error {
	data := chartData{Account: r.FormValue("account"), Contact: r.FormValue("contact")}
	for _, a := range s.o.Backend.Status().Accounts {
		data.Accounts = append(data.Accounts, a.Name)
	}
	if data.Account == "" && len(data.Accounts) > 0 {
		data.Account = data.Accounts[0]
	}
	v := view{Title: "Charts", Section: "charts"}
	if len(data.Accounts) > 0 {
		parts, err := s.chartParts(r.Context(), &data)
		if err != nil {
			_, n := explain(err)
			data.Problem = &n
		} else {
			data.draw(parts, s.o.Now())
		}
	}
	v.Data = data
	return s.render(w, r, "charts.html", v)
}

// chartParts gathers the stretches of what was chosen.
func (s *Site) chartParts(ctx context.Context, data *chartData) ([]engine.Stretch, error) {
	account, err := s.o.Backend.Account(data.Account)
	if err != nil {
		return nil, err
	}
	talks, err := account.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	talks = api.ForPeople(talks)
	slices.SortStableFunc(talks, func(a, b engine.Conversation) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Contact, b.Contact))
	})
	for _, talk := range talks[:min(len(talks), chartListed)] {
		data.Contacts = append(data.Contacts, talk.Contact)
	}
	if data.Contact != "" {
		if !slices.Contains(data.Contacts, data.Contact) {
			data.Contacts = append(data.Contacts, data.Contact)
		}
		data.Talks = 1
		return account.Stretches(ctx, data.Contact)
	}
	data.Talks = min(len(talks), chartTalks)
	data.Left = len(talks) - data.Talks
	return sumUp(ctx, account, talks[:data.Talks])
}

// sumUp gathers the stretches of several conversations; one that went meanwhile is left out.
func sumUp(ctx context.Context, account api.Account, talks []engine.Conversation) (all []engine.Stretch, err error) {
	for _, talk := range talks {
		parts, err := account.Stretches(ctx, talk.Contact)
		if errors.Is(err, engine.ErrNoConversation) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
	}
	return all, nil
}

// draw turns stretches into bars. The messages of a stretch count as spread evenly between its first and its last; times that
// nobody could have written at are counted apart.
func (d *chartData) draw(parts []engine.Stretch, now time.Time) {
	oldest, newest := time.Date(2015, time.January, 1, 0, 0, 0, 0, time.UTC), now.AddDate(0, 0, 2)
	var here int64
	shown := parts[:0:0]
	for _, p := range parts {
		if p.Messages <= 0 {
			continue
		}
		d.Messages += p.Messages
		d.Bytes += max(p.Bytes, 0)
		if p.Cached {
			here += p.Messages
		}
		first, last := time.UnixMilli(p.First).UTC(), time.UnixMilli(max(p.Last, p.First)).UTC()
		if first.Before(oldest) || last.After(newest) {
			d.Outside += p.Messages
			continue
		}
		if d.First.IsZero() || first.Before(d.First) {
			d.First = first
		}
		if last.After(d.Last) {
			d.Last = last
		}
		shown = append(shown, p)
	}
	d.Here, _ = percent(here, d.Messages)
	if len(shown) == 0 {
		return
	}
	d.Bars = d.emptyBars()
	for _, p := range shown {
		spreadOver(d.Bars, p)
	}
	d.Busiest = slices.MaxFunc(d.Bars, func(a, b bar) int { return cmp.Compare(a.Messages, b.Messages) })
}

// emptyBars are those from the first to the last time, in the smallest unit that gives no more than a chart can show.
func (d *chartData) emptyBars() []bar {
	for _, step := range []struct {
		unit, label         string
		years, months, days int
	}{{"day", dayLayout, 0, 0, 1}, {"month", "2006-01", 0, 1, 0}, {"year", "2006", 1, 0, 0}} {
		start := time.Date(d.First.Year(), d.First.Month(), d.First.Day(), 0, 0, 0, 0, time.UTC)
		if step.days == 0 {
			start = start.AddDate(0, 0, 1-start.Day())
		}
		if step.years > 0 {
			start = time.Date(start.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
		}
		var bars []bar
		for at := start; !at.After(d.Last) && len(bars) <= chartBars; at = at.AddDate(step.years, step.months, step.days) {
			bars = append(bars, bar{Start: at, Label: at.Format(step.label)})
		}
		d.Unit = step.unit
		if len(bars) <= chartBars {
			return bars
		}
	}
	return nil // no more years than bars lie between the oldest time and now
}

// spreadOver adds a stretch to the bars that it touches, so that the parts sum up to the whole.
func spreadOver(bars []bar, p engine.Stretch) {
	first, last := p.First, max(p.Last, p.First)
	index, _ := slices.BinarySearchFunc(bars, first+1, func(b bar, at int64) int { return cmp.Compare(b.Start.UnixMilli(), at) })
	index = max(index-1, 0)
	var messages, bytes int64
	for ; index < len(bars) && bars[index].Start.UnixMilli() <= last; index++ {
		share := 1.0
		if index+1 < len(bars) && last > first {
			if end := bars[index+1].Start.UnixMilli(); end <= last {
				share = float64(end-first) / float64(last-first+1)
			}
		}
		m, b := int64(share*float64(p.Messages)), int64(share*float64(max(p.Bytes, 0)))
		bars[index].Messages += m - messages
		bars[index].Bytes += b - bytes
		messages, bytes = m, b
	}
}
