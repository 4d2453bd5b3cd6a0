package webui

import (
	"net/http"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
)

// eventsMost is how many events the page of activity shows.
const eventsMost = 150

// jobRow is a piece of long work with what a person wants to know of it.
type jobRow struct {
	activity.JobStatus
	Title   string
	Known   bool // how much there is to do
	Percent int
	Left    string // how long it will still take, "" while nobody can say
	Took    string // once it ended
}

// eventRow is one event.
type eventRow struct {
	activity.Event
	Icon, Title, Tone string
	Path              string // of the conversation that it is about
}

// activityData is what the page of activity shows.
type activityData struct {
	Running, Ended []jobRow
	Events         []eventRow
	Account        string
	Accounts       []string
}

func (s *Site) activityPage(w http.ResponseWriter, r *http.Request) error {
	data := activityData{Account: r.FormValue("account")}
	for _, a := range s.o.Backend.Status().Accounts {
		data.Accounts = append(data.Accounts, a.Name)
	}
	mine := func(account string) bool { return data.Account == "" || account == data.Account || account == "" }
	now := s.o.Now()
	byNumber := make(map[uint64]activity.JobStatus)
	for _, job := range s.feed.Jobs() {
		byNumber[job.Number] = job
		switch row := newJobRow(job, now); {
		case !mine(job.Account):
		case job.Ended.IsZero():
			data.Running = append(data.Running, row)
		default:
			data.Ended = append(data.Ended, row)
		}
	}
	slices.SortStableFunc(data.Ended, func(a, b jobRow) int { return b.JobStatus.Ended.Compare(a.JobStatus.Ended) })
	data.Ended = data.Ended[:min(len(data.Ended), 8)]
	events, _ := s.feed.Since(0)
	for _, e := range slices.Backward(events) {
		if len(data.Events) == eventsMost {
			break
		}
		if mine(e.Account) {
			data.Events = append(data.Events, newEventRow(e, byNumber))
		}
	}
	return s.render(w, r, "activity.html", view{Title: "Activity", Section: "activity", Data: data})
}

// runningJobs is the long work that goes on now.
func (s *Site) runningJobs() (rows []jobRow) {
	now := s.o.Now()
	for _, job := range s.feed.Jobs() {
		if job.Ended.IsZero() {
			rows = append(rows, newJobRow(job, now))
		}
	}
	return rows
}

func newJobRow(job activity.JobStatus, now time.Time) jobRow {
	row := jobRow{JobStatus: job, Title: jobTitle(job)}
	row.Percent, row.Known = percent(job.Done, job.Total)
	if !job.Ended.IsZero() {
		row.Took = lasting(job.Ended.Sub(job.Started))
		return row
	}
	// Too little tells nothing about the rest.
	if spent := now.Sub(job.Started); row.Known && job.Done > 0 && spent >= 3*time.Second {
		left := float64(spent) / float64(job.Done) * float64(job.Total-min(job.Done, job.Total))
		row.Left = lasting(time.Duration(min(left, float64(1000*time.Hour))))
	}
	return row
}

func jobTitle(job activity.JobStatus) string {
	if job.Text != "" {
		return job.Text
	}
	known := map[string]string{
		activity.JobVerify: "Verifying what is at the place", activity.JobMirror: "Copying to a mirror", activity.JobPull: "Taking messages from the dm3 node",
		activity.JobImport: "Importing", activity.JobExport: "Exporting", activity.JobRepair: "Writing again what is here",
		activity.JobFetch: "Fetching older messages", activity.JobSync: "A pass",
	}
	if title, ok := known[job.Kind]; ok {
		return title
	}
	return job.Kind
}

func newEventRow(e activity.Event, jobs map[uint64]activity.JobStatus) eventRow {
	row := eventRow{Event: e, Icon: "activity", Title: e.Text}
	if e.Account != "" && e.Contact != "" {
		row.Path = conversationPath(e.Account, e.Contact)
	}
	switch e.Kind {
	case activity.KindMessages:
		row.Icon = "conversations"
		if row.Title == "" {
			row.Title = "Messages changed"
		}
	case activity.KindConversation:
		row.Icon = "conversations"
	case activity.KindPass:
		row.Icon = "sync"
	case activity.KindProblem:
		row.Icon, row.Tone = "problems", toneBad
	case activity.KindHealed:
		row.Icon, row.Tone = "check", toneGood
	case activity.KindStatus:
		row.Icon = "overview"
	case activity.KindJob:
		row.Icon = "activity"
		if job, ok := jobs[e.Job]; ok {
			if row.Title == "" {
				row.Title = jobTitle(job)
			}
			row.Title += map[bool]string{true: ": begun", false: ": ended"}[e.Time.Equal(job.Started) && e.Error == ""]
		}
	}
	if e.Error != "" {
		row.Tone = toneWarn
	}
	if row.Title == "" {
		row.Title = e.Kind
	}
	return row
}
