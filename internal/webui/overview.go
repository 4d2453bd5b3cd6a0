package webui

import (
	"net/http"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/limits"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// alarmCount is what the navigation says of problems on every page.
type alarmCount struct {
	Alarms, Problems int
}

func (s *Site) countAlarms() (n alarmCount) {
	for _, a := range s.o.Backend.Status().Accounts {
		n.add(a.Problems)
		for _, m := range a.Mirrors {
			n.add(m.Problems)
		}
	}
	return n
}

func (n *alarmCount) add(problems []engine.Problem) {
	for _, p := range problems {
		if p.Alarm {
			n.Alarms++
		} else {
			n.Problems++
		}
	}
}

type overviewData struct {
	Cards   []accountCard
	Needing []accountCard // the first of those that need somebody
	Needs   int           // how many do
	More    int           // of them are not in Needing
	Setup   bool          // a page for setting up is there
	Running []jobRow
	Limits  []notice // why less is done than could be
	Room    bool     // the disk of this machine needs room
}

// needingMost is how many accounts the summary names.
const needingMost = 6

func (s *Site) overview(w http.ResponseWriter, r *http.Request) error {
	data := overviewData{Cards: s.cards(), Setup: hasSection("setup"), Running: s.runningJobs()}
	for _, limit := range s.o.Backend.Status().Limits {
		data.Limits = append(data.Limits, limitNotice(limit))
		data.Room = data.Room || limit.Kind == limits.KindDisk
	}
	for _, c := range data.Cards {
		if c.Needs {
			data.Needing = append(data.Needing, c)
		}
	}
	data.Needs = len(data.Needing)
	data.More = max(data.Needs-needingMost, 0)
	data.Needing = data.Needing[:data.Needs-data.More]
	return s.render(w, r, "overview.html", view{Title: "Overview", Section: "overview", Data: data})
}

// limitNotice says which limit is in force, and what that means.
func limitNotice(limit api.Limit) notice {
	if limit.Kind == limits.KindDisk {
		return notice{Tone: toneWarn, Title: "This machine needs room.", Way: sentence(limit.Text)}
	}
	return notice{Tone: toneInfo, Title: "A limit is in force.", Way: sentence(limit.Text)}
}

// hasSection says whether a section of the navigation is there.
func hasSection(section string) bool {
	for _, l := range navigation() {
		if l.Section == section {
			return true
		}
	}
	return false
}
