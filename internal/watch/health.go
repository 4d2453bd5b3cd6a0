package watch

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// overdue is how long after its time a pass may begin before the schedule is called
// stopped, and blindFor how long the watcher may not have looked.
const (
	overdue  = 15 * time.Minute
	blindFor = 5 * time.Minute
)

// Health tells why the agent does not do its work, in words that name nobody; empty
// when it does. It goes by progress: an agent that is alive and gets nothing done is
// not healthy.
func Health(readings []Reading, now time.Time) string {
	var stuck, blocked, late int
	for i := range readings {
		r := &readings[i]
		switch {
		case r.State == "blocked":
			blocked++
		case r.Stuck:
			stuck++
		case r.Open && !r.Paused && r.State != "working" && !r.NextPass.IsZero() && now.Sub(r.NextPass) > overdue:
			late++
		}
	}
	switch {
	case blocked > 0:
		return fmt.Sprintf("%d of %d accounts stopped to be safe", blocked, len(readings))
	case stuck > 0:
		return fmt.Sprintf("%d of %d accounts are stuck", stuck, len(readings))
	case late > 0:
		return fmt.Sprintf("the passes of %d of %d accounts do not begin", late, len(readings))
	}
	return ""
}

// Readiness tells why the agent can't take requests for all accounts; empty when it
// can.
func Readiness(readings []Reading) string {
	closed := 0
	for i := range readings {
		if !readings[i].Open {
			closed++
		}
	}
	if closed > 0 {
		return fmt.Sprintf("%d of %d accounts are not open", closed, len(readings))
	}
	return ""
}

// blind tells that the watcher no longer looks.
func (w *Watcher) blind(now time.Time) string {
	if looked := w.looked.Load(); looked != nil && now.Sub(*looked) > blindFor {
		return "nobody looks after the accounts any more"
	}
	return ""
}

// Handler answers /healthz and /readyz, which need no credential, and /metrics.
func (w *Watcher) Handler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) {
		reason := Health(w.o.Read(), w.o.Now())
		if reason == "" {
			reason = w.blind(w.o.Now())
		}
		answer(out, reason)
	})
	mux.HandleFunc("GET /readyz", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, Readiness(w.o.Read()))
	})
	mux.Handle("GET /metrics", metrics)
	return mux
}

// answer says "ok", or why not.
func answer(w http.ResponseWriter, reason string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if reason == "" {
		reason = "ok"
	} else {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, reason+"\n") // whoever asked has left
}
