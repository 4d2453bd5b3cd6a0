package watch

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// full is an account of which everything is known, with what must not be told.
func full() Reading {
	problem := engine.Problem{Kind: "damaged", Alarm: true, Contact: "private", Object: "private", Detail: "private"}
	r := Reading{Passes: 9, Failed: 2, CacheBytes: 11, JournalBytes: 12, Heartbeat: "https://private"}
	r.AccountStatus = api.AccountStatus{
		Name: "alice.eth", Open: true, Place: "https://private", Warning: "private", Reason: "private", Space: &api.Space{Used: 13, Left: 14},
		Traffic: providers.Counts{Puts: 21, Gets: 22, Ranges: 23, Lists: 24, Deletes: 25, Failed: 26, Up: 27, Down: 28},
		Node:    &api.NodeStatus{Moved: 31, Forged: 32, Error: "private", Obstacle: obstacle.Certificate},
		Mirrors: []mirror.Status{{Name: "private", Waiting: 41, LastError: "private", Obstacle: obstacle.Room, Problems: []engine.Problem{problem}, Alarms: engine.Alarms{Raised: map[string]int64{"damaged": 42}}}},
	}
	r.Status = engine.Status{
		Account: "alice.eth", State: "blocked", Pending: 51, PendingBytes: 52, LastSuccess: time.Unix(1700000000, 0), LastError: "private", Obstacle: obstacle.Login,
		Problems: []engine.Problem{problem, problem}, Alarms: engine.Alarms{Raised: map[string]int64{"damaged": 53}, Healed: map[string]int64{"damaged": 54}},
	}
	return r
}

func ask(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestMetrics(t *testing.T) {
	other := Reading{}
	other.Name = "bob.eth"
	o := MetricsOptions{
		Read:  func() []Reading { return []Reading{full(), other} },
		Label: func(account string) string { return map[string]string{"alice.eth": "a1", "bob.eth": "b2"}[account] }, Version: "1.2", Started: time.Unix(1600000000, 0),
	}
	code, text := ask(t, Metrics(o), "/metrics")
	if code != http.StatusOK {
		t.Fatal(code, text)
	}
	for _, line := range []string{
		`dm3sync_build_info{version="1.2"} 1`, `dm3sync_started_timestamp_seconds 1.6e+09`,
		`dm3sync_passes_total{account="a1"} 9`, `dm3sync_passes_failed_total{account="a1"} 2`, `dm3sync_last_success_timestamp_seconds{account="a1"} 1.7e+09`,
		`dm3sync_pending_messages{account="a1"} 51`, `dm3sync_pending_bytes{account="a1"} 52`, `dm3sync_cache_bytes{account="a1"} 11`, `dm3sync_journal_bytes{account="a1"} 12`,
		`dm3sync_requests_total{account="a1",kind="put"} 21`, `dm3sync_requests_total{account="a1",kind="delete"} 25`, `dm3sync_requests_failed_total{account="a1"} 26`,
		`dm3sync_bytes_total{account="a1",direction="up"} 27`, `dm3sync_bytes_total{account="a1",direction="down"} 28`,
		`dm3sync_place_used_bytes{account="a1"} 13`, `dm3sync_place_left_bytes{account="a1"} 14`, `dm3sync_blocked{account="a1"} 1`, `dm3sync_open{account="b2"} 0`,
		`dm3sync_problems{account="a1",kind="damaged"} 2`, `dm3sync_alarms_raised_total{account="a1",kind="damaged"} 53`, `dm3sync_alarms_healed_total{account="a1",kind="damaged"} 54`,
		`dm3sync_mirror_waiting_objects{account="a1",mirror="1"} 41`, `dm3sync_mirror_alarms_raised_total{account="a1",kind="damaged",mirror="1"} 42`,
		`dm3sync_node_moved_messages_total{account="a1"} 31`, `dm3sync_stuck{account="b2"} 0`, "go_goroutines ",
		`dm3sync_obstacle{account="a1",kind="login"} 1`, `dm3sync_mirror_obstacle{account="a1",kind="room",mirror="1"} 1`, `dm3sync_node_obstacle{account="a1",kind="certificate"} 1`,
	} {
		if !strings.Contains(text, line+"\n") && !strings.HasSuffix(line, " ") || !strings.Contains(text, line) {
			t.Errorf("no %s", line)
		}
	}
	for _, private := range []string{"private", "alice", "bob"} {
		if strings.Contains(text, private) {
			t.Errorf("it tells %q", private)
		}
	}
	if strings.Contains(text, `dm3sync_place_used_bytes{account="b2"}`) || strings.Contains(text, `dm3sync_node_failing{account="b2"}`) {
		t.Error("it tells what nobody knows")
	}
}

// TestHealth: it goes by progress, and tells nobody's name.
func TestHealth(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change        func(r *Reading)
		health, ready string
	}{
		"fine":           {func(*Reading) {}, "", ""},
		"working long":   {func(r *Reading) { r.State, r.NextPass = "working", now.Add(-time.Hour) }, "", ""},
		"failing":        {func(r *Reading) { r.LastError = "private" }, "", ""}, // the agent says when it is stuck
		"stuck":          {func(r *Reading) { r.Stuck = true }, "1 of 1 accounts are stuck", ""},
		"blocked":        {func(r *Reading) { r.State = "blocked" }, "1 of 1 accounts stopped to be safe", ""},
		"schedule stops": {func(r *Reading) { r.NextPass = now.Add(-time.Hour) }, "the passes of 1 of 1 accounts do not begin", ""},
		"paused":         {func(r *Reading) { r.Paused, r.NextPass = true, now.Add(-time.Hour) }, "", ""},
		"closed":         {func(r *Reading) { r.Open, r.Reason = false, "private" }, "", "1 of 1 accounts are not open"},
		"closed, long":   {func(r *Reading) { r.Open, r.Stuck = false, true }, "1 of 1 accounts are stuck", "1 of 1 accounts are not open"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.options.Now = func() time.Time { return now }
			r.change(func(a *Reading) { a.State, a.NextPass = "idle", now.Add(time.Minute); c.change(a) })
			handler := New(r.options).Handler(http.NotFoundHandler())
			for path, want := range map[string]string{"/healthz": c.health, "/readyz": c.ready} {
				code, text := ask(t, handler, path)
				if want == "" && (code != http.StatusOK || text != "ok\n") || want != "" && (code != http.StatusServiceUnavailable || text != want+"\n") {
					t.Errorf("%s: %d %q", path, code, text)
				}
			}
		})
	}
}

// TestNobodyLooks: an agent whose watcher stands still is not healthy.
func TestNobodyLooks(t *testing.T) {
	now := time.Now()
	r := newRig(t)
	r.options.Now = func() time.Time { return now }
	w := New(r.options)
	handler := w.Handler(http.NotFoundHandler())
	w.step(t.Context(), now, time.Minute, nil)
	if code, text := ask(t, handler, "/healthz"); code != http.StatusOK {
		t.Error(code, text)
	}
	now = now.Add(10 * time.Minute)
	if code, text := ask(t, handler, "/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "looks after") {
		t.Error(code, text)
	}
}
