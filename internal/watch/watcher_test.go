package watch

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
)

// told is a Notifier that keeps what it is told.
type told struct {
	mu      sync.Mutex
	notices []Notice
	fail    error
}

func (t *told) Notify(_ context.Context, n Notice) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notices = append(t.notices, n)
	return t.fail
}

func (t *told) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.notices)
}

// rig is a watcher with one account.
type rig struct {
	options Options
	told    *told
	log     strings.Builder

	mu       sync.Mutex
	readings []Reading
	settings Settings
}

func newRig(t *testing.T) *rig {
	r := &rig{told: &told{}, readings: make([]Reading, 1), settings: Settings{Rules: Rules{After: 12 * time.Hour}, Interval: 5 * time.Minute}}
	r.change(func(a *Reading) { a.Name, a.Open = "alice.eth", true })
	r.options = Options{
		Read: func() []Reading {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]Reading(nil), r.readings...)
		},
		Settings:  func() Settings { return r.settings },
		Notifiers: func() []Notifier { return []Notifier{r.told} },
		File:      filepath.Join(t.TempDir(), FileName),
		Log:       slog.New(slog.NewTextHandler(&r.log, nil)), Now: time.Now, Random: rand.Reader,
	}
	return r
}

func (r *rig) change(f func(a *Reading)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.readings[0])
}

// run runs a watcher for some time.
func (r *rig) run(t *testing.T, long time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	New(r.options).Run(ctx)
}

// TestNoticesOverRestarts: what was told is remembered, whoever asks again.
func TestNoticesOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.change(func(a *Reading) { a.State = "blocked" })
		for range 5 {
			r.run(t, 10*time.Minute)
		}
		if n := r.told.count(); n != 1 || r.told.notices[0].Cause != CauseBlocked {
			t.Fatalf("%+v", r.told.notices)
		}
		r.told.fail = errors.New("no")
		r.change(func(a *Reading) { a.State, a.LastSuccess = "idle", time.Now() })
		r.run(t, 10*time.Minute)
		if n := r.told.count(); n != 2 || !r.told.notices[1].Over {
			t.Errorf("%+v", r.told.notices)
		}
		if !strings.Contains(r.log.String(), "could not be delivered") {
			t.Error(r.log.String())
		}
	})
	// and hours that were waited before a restart count
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.change(func(a *Reading) {
			a.Stuck, a.Pending, a.LastError = true, 1, providers.ErrTransient.Error()
		})
		for range 5 {
			r.run(t, 3*time.Hour)
		}
		if r.told.count() != 1 {
			t.Errorf("%+v", r.told.notices)
		}
	})
}

// TestWhatIsKept: the file names nobody, and a damaged one is begun anew.
func TestWhatIsKept(t *testing.T) {
	r := newRig(t)
	w := New(r.options)
	r.change(func(a *Reading) { a.State = "blocked" })
	notices := make(chan Notice, 9)
	for range 9 {
		w.step(t.Context(), time.Now(), time.Minute, notices)
	}
	data, err := os.ReadFile(r.options.File)
	if err != nil || strings.Contains(string(data), "alice") || !strings.Contains(string(data), w.Number("alice.eth")) {
		t.Fatalf("%s, %v", data, err)
	}
	if info, err := os.Stat(r.options.File); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Error(info.Mode(), err)
	}
	if other := New(newRig(t).options); other.Number("alice.eth") == w.Number("alice.eth") {
		t.Error("the number is the same elsewhere")
	}
	if again := New(r.options); again.Number("alice.eth") != w.Number("alice.eth") {
		t.Error("the number changes")
	}
	for _, text := range []string{"", "{", `{"salt":""}`, "null", `{"salt":"x","accounts":{"a":null,"b":{"causes":{"stuck":null}}}}`} {
		if err := os.WriteFile(r.options.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w := New(r.options)
		w.step(t.Context(), time.Now(), time.Minute, notices)
	}
	if !strings.Contains(r.log.String(), "may come twice") {
		t.Error(r.log.String())
	}
}

// hearer counts calls of a heartbeat, and answers as it is told.
type hearer struct {
	*httptest.Server
	calls  atomic.Int64
	status atomic.Int64
}

func newHearer(t *testing.T) *hearer {
	h := &hearer{}
	h.status.Store(http.StatusOK)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.calls.Add(1)
		if r.URL.Path == "/round/s3cret" {
			http.Redirect(w, r, "/round/s3cret", http.StatusFound)
			return
		}
		w.WriteHeader(int(h.status.Load()))
		_, _ = w.Write(make([]byte, 10*heartbeatBody)) // more than anybody reads
	}))
	t.Cleanup(h.Close)
	return h
}

// TestHeartbeat: it is called after successes, and never else.
func TestHeartbeat(t *testing.T) {
	h := newHearer(t)
	r := newRig(t)
	r.settings.Heartbeat = h.URL + "/s3cret"
	w := New(r.options)
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	notices := make(chan Notice, 9)
	step := func(passed time.Duration, change func(a *Reading)) {
		now = now.Add(passed)
		r.change(change)
		w.step(t.Context(), now, passed, notices)
		w.hearts.wait()
	}
	success := func(a *Reading) { a.LastSuccess, a.LastError = now, "" }
	expect := func(calls int64, what string) {
		t.Helper()
		if got := h.calls.Swap(0); got != calls {
			t.Errorf("%s: %d calls, want %d", what, got, calls)
		}
	}
	step(0, success)
	expect(0, "a success from before the start")
	step(time.Hour, func(*Reading) {})
	expect(0, "no pass since")
	step(time.Minute, success)
	expect(1, "a pass")
	step(time.Minute, success)
	expect(0, "too soon")
	for range 60 {
		step(time.Minute, success)
	}
	if calls := h.calls.Swap(0); calls < 9 || calls > 12 {
		t.Errorf("%d calls in an hour", calls)
	}
	step(time.Hour, func(a *Reading) { a.LastError = "offline" })
	expect(0, "a failure")
	step(time.Hour, func(a *Reading) { a.LastSuccess, a.LastError = now, "a mirror hangs" })
	expect(0, "a success before a failure")
	step(time.Hour, func(a *Reading) { success(a); a.State = "blocked" })
	expect(0, "blocked")
	step(-300*24*time.Hour, func(a *Reading) { success(a); a.State = "idle" })
	expect(1, "a clock that was put back")
	r.readings = append(r.readings, Reading{Heartbeat: h.URL})
	r.readings[1].Name, r.readings[1].Open = "bob.eth", true
	step(time.Hour, success)
	expect(0, "the other account has had no pass")
	r.readings[1].LastSuccess = now
	step(time.Hour, success)
	expect(2, "both: the one of all, and bob's own")
}

// TestHeartbeatFails: that is told without the address.
func TestHeartbeatFails(t *testing.T) {
	h := newHearer(t)
	h.status.Store(http.StatusNotFound)
	closed := "http://" + servertest.FreeAddress(t)
	for name, c := range map[string]struct{ address, want string }{
		"refused":  {h.URL + "/s3cret", "answered 404"},
		"redirect": {h.URL + "/round/s3cret", "on and on"},
		"closed":   {closed + "/s3cret", "refused"},
		"no name":  {"http://nowhere.invalid/s3cret", "not known to DNS"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			hearts := newHearts(r.options)
			err := hearts.call(t.Context(), c.address)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v", err)
			}
		})
	}
	if calls := h.calls.Load(); calls > 6 {
		t.Errorf("%d calls: it went round and round", calls)
	}
	r := newRig(t)
	r.settings.Heartbeat = h.URL + "/s3cret"
	w := New(r.options)
	for i := range 4 {
		now := time.Now().Add(time.Duration(i) * time.Hour)
		r.change(func(a *Reading) { a.LastSuccess = now })
		w.step(t.Context(), now, time.Minute, make(chan Notice, 9))
		w.hearts.wait()
	}
	w.save(time.Now(), true)
	if text := r.log.String(); strings.Count(text, "heartbeat") != 2 || strings.Contains(text, "s3cret") { // the line, and its error
		t.Error(text)
	}
	kept, err := Load(r.options.File, rand.Reader)
	if err != nil || !strings.Contains(kept.Heartbeats[BeatOfAll].Error, "404") {
		t.Errorf("%+v, %v", kept, err)
	}
}
