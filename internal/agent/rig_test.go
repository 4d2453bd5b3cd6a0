package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// device is one device's configuration, with places in memory that may be
// shared with others.
type device struct {
	t       testing.TB
	config  *config.Config
	options Options
	log     *bytes.Buffer // read it after the agent's stop, or through logged
	writer  *locked

	mu     sync.Mutex
	places map[string]providers.Store // by account
}

func newDevice(t testing.TB, names ...string) *device {
	folder, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	d := &device{t: t, places: make(map[string]providers.Store), log: &bytes.Buffer{}}
	d.config = &config.Config{Data: folder, Socket: filepath.Join(folder, "agent.sock")}
	for _, name := range names {
		d.config.Accounts = append(d.config.Accounts, config.Account{
			Name: name, Provider: config.Provider{Kind: "memory"},
			Spool:    filepath.Join(folder, "spool-"+name),
			Schedule: config.Schedule{Idle: config.Duration(20 * time.Millisecond), Interval: config.Duration(200 * time.Millisecond)},
		})
		d.places[name] = memory.New(nil)
	}
	d.options = Options{SpoolSettle: 10 * time.Millisecond, FlushWait: 10 * time.Second, StopWait: time.Minute}
	d.writer = &locked{w: d.log}
	d.options.Log = slog.New(slog.NewTextHandler(d.writer, nil))
	d.options.Open = func(_ context.Context, account config.Account) (providers.Store, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.places[account.Name], nil
	}
	d.options.Unlock = func(_ context.Context, account config.Account) ([32]byte, error) {
		return sha256.Sum256([]byte(account.Name)), nil
	}
	return d
}

// locked is a writer for many goroutines.
type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// logged tells whether the log has a text by now.
func (d *device) logged(text string) bool {
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	return bytes.Contains(d.log.Bytes(), []byte(text))
}

// start runs an agent and returns a client of it, and how to stop it.
func (d *device) start() (*Client, func() error) {
	d.t.Helper()
	a, err := New(d.config, d.options)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.startAs(a)
}

// startAs is start for an agent that is there already.
func (d *device) startAs(a *Agent) (client *Client, stop func() error) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	d.t.Cleanup(func() { _ = stop() })
	wait(d.t, "the agent", func() bool {
		var err error
		client, err = Dial(d.config.Data)
		return err == nil
	})
	d.t.Cleanup(func() { _ = client.Close() })
	return client, stop
}

// until waits until the account's status fits.
func until(t testing.TB, client *Client, name string, fits func(api.AccountStatus) bool) {
	t.Helper()
	var status api.AccountStatus
	defer func() {
		if t.Failed() {
			t.Logf("status: %+v", status)
		}
	}()
	wait(t, "the status of "+name, func() bool {
		var err error
		if status, err = client.Account(name).Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		return fits(status)
	})
}

func isOpen(s api.AccountStatus) bool    { return s.Open }
func isPushed(s api.AccountStatus) bool  { return s.Open && s.Pending == 0 && !s.LastSuccess.IsZero() }
func isFailing(s api.AccountStatus) bool { return s.LastError != "" }
