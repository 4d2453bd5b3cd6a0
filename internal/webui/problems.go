package webui

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// problemRow is a problem that lasts, or that is over.
type problemRow struct {
	engine.Healed // what it is; Until and How only once it is over
	Words         display.Problem
	Account       string
	Mirror        string // where it is at a mirror
	ID            string // of its element
}

// problemsData is what the page of problems shows.
type problemsData struct {
	Present, Past []problemRow // alarms first and then the newest; the newest end
	Hidden        int          // of the present ones, beyond what a page shows
	Counts        []alarmTally
}

// alarmTally is how often one kind of alarm was raised and healed.
type alarmTally struct {
	Account, Kind  string
	Raised, Healed int64
}

// problemsMost is how many problems one page shows.
const problemsMost = 200

// problems gathers what is wrong with all accounts and their mirrors.
func (s *Site) problems() (data problemsData) {
	for _, a := range s.o.Backend.Status().Accounts {
		data.add(a.Name, "", a.Problems, a.Healed, a.Alarms)
		for _, m := range a.Mirrors {
			data.add(a.Name, m.Name, m.Problems, m.Healed, m.Alarms)
		}
	}
	slices.SortStableFunc(data.Present, func(a, b problemRow) int {
		if a.Alarm != b.Alarm {
			return map[bool]int{true: -1, false: 1}[a.Alarm]
		}
		return b.Since.Compare(a.Since)
	})
	slices.SortStableFunc(data.Past, func(a, b problemRow) int { return b.Until.Compare(a.Until) })
	return data
}

func (d *problemsData) add(account, mirror string, present []engine.Problem, past []engine.Healed, alarms engine.Alarms) {
	explain := wordsOf
	if mirror != "" {
		explain = mirrorWordsOf
	}
	row := func(h engine.Healed) problemRow {
		id := "p" + digest([]byte(account+"\x00"+mirror+"\x00"+h.Kind+"\x00"+h.Object+"\x00"+h.Until.String()))
		return problemRow{h, explain(h.Problem), account, mirror, id}
	}
	for _, p := range present {
		d.Present = append(d.Present, row(engine.Healed{Problem: p}))
	}
	for _, h := range past {
		d.Past = append(d.Past, row(h))
	}
	for kind, raised := range alarms.Raised {
		d.Counts = append(d.Counts, alarmTally{cmp.Or(mirror, account), kind, raised, alarms.Healed[kind]})
	}
	slices.SortStableFunc(d.Counts, func(a, b alarmTally) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind))
	})
}

func (s *Site) problemsPage(w http.ResponseWriter, r *http.Request) error {
	data := s.problems()
	if data.Hidden = max(len(data.Present)-problemsMost, 0); data.Hidden > 0 {
		data.Present = data.Present[:problemsMost]
	}
	data.Past = data.Past[:min(len(data.Past), problemsMost)]
	return s.render(w, r, "problems.html", view{Title: "Problems", Section: "problems", Data: data})
}
