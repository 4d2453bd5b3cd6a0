package webui

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// Bounds of a time line, since the times that messages claim can be any.
const (
	mostMonths = 120 // lines; beyond, it shows years: each line weighs half a kilobyte
	longSpan   = 600 // months that one stretch may be spread over
)

// monthView is a line of the time line: a month, or a year where there are too many months.
type monthView struct {
	Key      string // "2026-03" or "2026"
	Year     string // where it is the first of its year
	Label    string // "March", or "2026"
	Date     string // of its first day, for the jump
	Messages int    // about, where About says so
	Here     int    // of them are on this device
	Fetch    int    // objects that reading the rest would fetch
	About    bool
	// Width and Solid are how long the bar is, and how much of it is on this device, from 0 to 100.
	Width, Solid int
}

// Far is how many messages are not on this device.
func (m *monthView) Far() int { return m.Messages - m.Here }

// timeLine cuts stretches of a conversation into months, newest first. A stretch of several months is spread evenly over its
// time, which is about right, and marked so.
func timeLine(stretches []engine.Stretch, in *time.Location) []monthView {
	months := map[string]*monthView{}
	for _, s := range stretches {
		spread(months, s, in)
	}
	lines := make([]monthView, 0, len(months))
	for _, m := range months {
		if m.Messages > 0 {
			lines = append(lines, *m)
		}
	}
	slices.SortFunc(lines, func(a, b monthView) int { return cmp.Compare(b.Date, a.Date) })
	if len(lines) > mostMonths {
		lines = years(lines)
	}
	most, year := 0, ""
	for _, m := range lines {
		most = max(most, m.Messages)
	}
	for i := range lines {
		m := &lines[i]
		m.Width = max(3, int(100*math.Sqrt(float64(m.Messages)/float64(most)))) // by the root, so that quiet months show, too
		m.Solid = m.Width * m.Here / m.Messages
		if y := m.Key[:len(m.Key)-len("-01")]; len(m.Key) > len("2026") && y != year {
			m.Year, year = y, y
		}
	}
	return lines
}

// spread adds a stretch to the months that it touches.
func spread(months map[string]*monthView, s engine.Stretch, in *time.Location) {
	first, last := time.UnixMilli(s.First).In(in), time.UnixMilli(s.Last).In(in)
	n := (last.Year()-first.Year())*12 + int(last.Month()) - int(first.Month()) + 1
	messages := int(s.Messages)
	if messages <= 0 || n < 1 {
		return
	}
	fetch := s.Fetch
	add := func(at time.Time, amount int) {
		key := at.Format("2006-01")
		m := months[key]
		if m == nil {
			m = &monthView{Key: key, Label: at.Format("January"), Date: at.Format("2006-01") + "-01"}
			months[key] = m
		}
		m.Messages += amount
		m.About = m.About || n > 1
		if s.Cached {
			m.Here += amount
		} else if amount > 0 {
			m.Fetch += fetch
			fetch = 0 // what one stretch fetches is there for all of its months
		}
	}
	if n > longSpan { // somebody's clock was far off
		add(first, messages-messages/2)
		add(last, messages/2)
		return
	}
	given, begin, whole := 0, s.First, float64(s.Last-s.First+1)
	for i := range n {
		next := time.Date(first.Year(), first.Month()+time.Month(i)+1, 1, 0, 0, 0, 0, in)
		end := min(next.UnixMilli(), s.Last+1)
		upTo := int(math.Round(float64(s.Messages) * float64(end-s.First) / whole))
		if i == n-1 {
			upTo = messages
		}
		add(time.UnixMilli(begin).In(in), upTo-given)
		given, begin = upTo, end
	}
}

// years joins months of the same year.
func years(months []monthView) []monthView {
	joined := map[string]*monthView{}
	for _, m := range months {
		key := m.Date[:len(m.Date)-len("-01-01")]
		y := joined[key]
		if y == nil {
			y = &monthView{Key: key, Label: key, Date: key + "-01-01"}
			joined[key] = y
		}
		y.Messages, y.Here, y.Fetch, y.About = y.Messages+m.Messages, y.Here+m.Here, y.Fetch+m.Fetch, y.About || m.About
	}
	lines := make([]monthView, 0, len(joined))
	for _, key := range slices.SortedFunc(maps.Keys(joined), func(a, b string) int { return cmp.Compare(b, a) }) {
		lines = append(lines, *joined[key])
	}
	return lines
}
