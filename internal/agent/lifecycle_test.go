package agent

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func TestTwoAgents(t *testing.T) {
	d := newDevice(t, "alice.eth")
	client, stop := d.start()
	other, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	err = other.Run(t.Context())
	if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), d.config.Data) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("same folder: %v", err)
	}
	elsewhere := newDevice(t, "alice.eth")
	elsewhere.config.Socket = d.config.Socket
	other, err = New(elsewhere.config, elsewhere.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("same socket: %v", err)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Errorf("the first agent was disturbed: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestListen(t *testing.T) {
	d := newDevice(t)
	path := filepath.Join(d.config.Data, "deep", "s.sock")
	stale := func() {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		dead.Close()
	}
	stale()
	listener, err := listen(path)
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := listen(path); !errors.Is(err, ErrRunning) {
		t.Errorf("a living socket was taken: %v", err)
	}
	listener.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(path); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Error("a file was removed")
	}
}

func TestStuck(t *testing.T) {
	d := newDevice(t, "alice.eth")
	now := time.Now()
	d.options.Now = func() time.Time { return now }
	d.options.Config = d.config
	r := newRunner(d.config.Accounts[0], d.options.withDefaults())
	if status := r.observe(); status.Stuck || status.Open || status.Reason == "" {
		t.Errorf("at the start: %+v", status)
	}
	began := now
	now = now.Add(stuckAfter)
	if status := r.observe(); !status.Stuck || !status.Since.Equal(began) {
		t.Errorf("later: %+v", status)
	}
	r.schedule.Pause(true)
	if status := r.observe(); status.Stuck {
		t.Errorf("paused: %+v", status)
	}
	if text := d.log.String(); strings.Count(text, "stuck") != 1 || !strings.Contains(text, "moves again") {
		t.Errorf("log:\n%s", text)
	}
}

// Progress of passes that fail keeps no account from being stuck; a long pass
// that moves does, and so does a failed one that got something done.
func TestMovement(t *testing.T) {
	began := time.Now()
	at := func(d time.Duration) time.Time { return began.Add(d) }
	const limit = 10 * time.Minute
	var m movement
	for i := range 10 {
		m.begin(at(time.Duration(i) * time.Minute))
		m.note(at(time.Duration(i) * time.Minute))
		m.end(at(time.Duration(i)*time.Minute), engine.Report{Pending: 3})
	}
	if got := m.counts(at(10*time.Minute), limit); !got.IsZero() {
		t.Errorf("failing passes count: %v", got.Sub(began))
	}
	m.begin(at(20 * time.Minute))
	m.note(at(24 * time.Minute))
	if got := m.counts(at(24*time.Minute), limit); !got.IsZero() {
		t.Errorf("a young pass counts: %v", got.Sub(began))
	}
	if got := m.counts(at(25*time.Minute), limit); !got.Equal(at(24 * time.Minute)) {
		t.Errorf("an old pass that moves: %v", got.Sub(began))
	}
	m.begin(at(30 * time.Minute)) // another one waits
	m.end(at(31*time.Minute), engine.Report{Pushed: 1})
	m.end(at(32*time.Minute), engine.Report{})
	if got := m.counts(at(50*time.Minute), limit); !got.Equal(at(31 * time.Minute)) {
		t.Errorf("what was done: %v", got.Sub(began))
	}
}

func TestFirstScrub(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stamp")
	now := time.Now()
	every := 24 * time.Hour
	if got := firstScrub(path, every, now); got != time.Hour {
		t.Errorf("never: %v", got)
	}
	for ago, want := range map[time.Duration]time.Duration{
		10 * time.Hour: 14 * time.Hour, 100 * time.Hour: time.Hour, -100 * time.Hour: every, // a clock that was wrong
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-ago), now.Add(-ago)); err != nil {
			t.Fatal(err)
		}
		if got := firstScrub(path, every, now); (got - want).Abs() > time.Second {
			t.Errorf("%v ago: %v", ago, got)
		}
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		config   config.Log
		terminal bool
		want     string
	}{
		{config.Log{}, false, `"msg":"hello"`},
		{config.Log{Format: "auto"}, true, "hello"},
		{config.Log{Format: "json"}, true, `"msg":"hello"`},
		{config.Log{Format: "text"}, false, " INF hello\n"},
		{config.Log{Level: "error"}, false, ""},
	} {
		var out bytes.Buffer
		log, err := NewLogger(&out, c.config, c.terminal)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("hello")
		if !strings.Contains(out.String(), c.want) || (c.want == "") != (out.Len() == 0) {
			t.Errorf("%+v: %q", c, out.String())
		}
	}
	if _, err := NewLogger(&bytes.Buffer{}, config.Log{Level: "loud"}, false); !errors.Is(err, config.ErrConfig) {
		t.Error(err)
	}
}

// systemd is told that the agent is ready, alive, and stopping.
func TestNotify(t *testing.T) {
	d := newDevice(t, "alice.eth")
	path := filepath.Join(d.config.Data, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "100000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	var mu sync.Mutex
	var got strings.Builder
	told := func(part string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(got.String(), part)
	}
	go func() { // all the time: whoever tells a full socket waits
		buffer := make([]byte, 1000)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return // it is closed
			}
			mu.Lock()
			got.Write(append(buffer[:n], '\n'))
			mu.Unlock()
		}
	}()
	_, stop := d.start()
	wait(t, "signs of life", func() bool { return told("WATCHDOG=1") >= 3 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	wait(t, "the end to be told", func() bool { return told("STOPPING=1") > 0 })
	mu.Lock()
	defer mu.Unlock()
	if text := got.String(); strings.Count(text, "READY=1") != 1 || strings.Contains(text, "alice") || !strings.Contains(text, "STATUS=1 accounts, 0 messages waiting") {
		t.Errorf("told:\n%s", text)
	}
}
