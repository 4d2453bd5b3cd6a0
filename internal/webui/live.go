package webui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// How often a page is told that something changed, at most and at least. The least also shows that the agent still answers.
const (
	liveMost  = 600 * time.Millisecond
	liveLeast = 20 * time.Second
)

// pulse is what a page is told: the figures that stand on every page, and whether it has to look again.
type pulse struct {
	Last     uint64 `json:"last"`  // number of the newest event
	Moved    uint64 `json:"moved"` // changes when long work goes on
	Alarms   int    `json:"alarms"`
	Problems int    `json:"problems"`
	Said     string `json:"said"` // a sentence about alarms, for those who listen
	Run      string `json:"run"`  // changes with every start of the agent
}

func (s *Site) pulse() pulse {
	n := s.countAlarms()
	p := pulse{Last: s.feed.Last(), Moved: s.feed.Moved(), Alarms: n.Alarms, Problems: n.Problems, Said: "No alarm."}
	if n.Alarms > 0 {
		p.Said = "There " + map[bool]string{true: "is ", false: "are "}[n.Alarms == 1] + count(n.Alarms, "alarm") + "."
	}
	p.Run = strconv.FormatInt(s.o.Backend.Status().Started.UnixNano(), 36)
	return p
}

// live is a stream of server-sent events: one "pulse" at once, and one whenever something happened.
func (s *Site) live(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	// A server may bound how long answers take; this one has no end.
	if err := control.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("webui: streaming: %w", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	wake := s.feed.Watch(r.Context())
	beat := time.NewTicker(liveLeast)
	defer beat.Stop()
	for {
		text, err := json.Marshal(s.pulse())
		if err != nil {
			return fmt.Errorf("webui: streaming: %w", err)
		}
		if _, err := fmt.Fprintf(w, "event: pulse\ndata: %s\n\n", text); err != nil {
			return nil // the browser left
		}
		if control.Flush() != nil {
			return nil
		}
		select { // several things at once are one
		case <-time.After(liveMost):
		case <-s.ctx.Done():
			return nil
		}
		select {
		case _, open := <-wake:
			if !open {
				return nil
			}
		case <-beat.C:
		case <-s.ctx.Done():
			return nil
		}
	}
}
