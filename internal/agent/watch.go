package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/dm3sync/dm3sync/internal/access"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/watch"
	"github.com/dm3sync/dm3sync/providers"
)

// watchPaths are answered by package watch.
var watchPaths = []string{"/healthz", "/readyz", "/metrics"}

// newWatcher makes what tells people and monitors how the agent goes. The data
// folder is there and locked.
func (a *Agent) newWatcher() *watch.Watcher {
	a.desktop = &watch.Desktop{Environ: a.options.Environ}
	return watch.New(watch.Options{
		Read: a.readings, Settings: a.watchSettings, Notifiers: a.notifiers,
		File: filepath.Join(a.config.Data, watch.FileName), Log: a.log, Now: a.options.Now, Random: rand.Reader,
	})
}

// watchSettings are what [notice] says now.
func (a *Agent) watchSettings() watch.Settings {
	n := &a.current.Load().Notice
	return watch.Settings{Rules: watch.Rules{After: time.Duration(n.After)}, Heartbeat: n.Heartbeat, Interval: time.Duration(n.HeartbeatInterval)}
}

// notifiers are who is told now.
func (a *Agent) notifiers() (list []watch.Notifier) {
	n := &a.current.Load().Notice
	if n.HasDesktop() && a.options.Environ != nil {
		list = append(list, a.desktop)
	}
	if len(n.Command) > 0 {
		list = append(list, &watch.Command{Program: n.Command, Timeout: time.Duration(n.CommandTimeout), Environ: a.options.Environ})
	}
	return list
}

// watchHandler answers watchPaths.
func (a *Agent) watchHandler() http.Handler {
	name := func(account string) string {
		if a.current.Load().Metrics.Names {
			return account
		}
		return a.watcher.Number(account)
	}
	return a.watcher.Handler(watch.Metrics(watch.MetricsOptions{
		Read: a.readings, Label: name, Version: a.options.Version, Started: a.started,
	}))
}

// readings are all accounts as they are now. It never waits.
func (a *Agent) readings() []watch.Reading {
	var list []watch.Reading
	for _, r := range a.all() {
		list = append(list, r.reading())
	}
	return list
}

func (r *runner) reading() watch.Reading {
	reading := watch.Reading{AccountStatus: r.status(), Heartbeat: r.heartbeat()}
	r.mu.Lock()
	account := r.account
	r.mu.Unlock()
	if account != nil {
		reading.Passes, reading.Failed = account.passes.Load(), account.failed.Load()
		reading.CacheBytes = account.cache.Blobs().Stats().Bytes
		reading.JournalBytes = account.cache.Journal().Stats().Bytes
	}
	return reading
}

// serveMetrics answers watchPaths on the listener of their own, where one is configured, until ctx ends. A reload
// can move or close it.
func (a *Agent) serveMetrics(ctx context.Context) {
	for ctx.Err() == nil {
		settings := a.current.Load().Metrics
		serving, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.serveMetricsAt(serving, settings)
		}()
		for changed := false; !changed && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case <-a.metrics:
				now := a.current.Load().Metrics
				changed = now.Listen != settings.Listen || now.AllowRemote != settings.AllowRemote
			}
		}
		stop()
		<-done
	}
}

// serveMetricsAt serves until ctx ends. That the address can't be opened stops nothing else, and is tried again.
func (a *Agent) serveMetricsAt(ctx context.Context, settings config.Metrics) {
	if settings.Listen == "" {
		return
	}
	handler := a.watchHandler()
	if !settings.AllowRemote {
		handler = onlyByAddress(handler)
	}
	told := ""
	for ctx.Err() == nil {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", settings.Listen)
		if err == nil {
			a.log.Info("metrics can be read", "address", listener.Addr().String())
			told = ""
			err = access.Serve(ctx, listener, handler, access.ServerOptions{Log: a.log})
		}
		if err != nil && ctx.Err() == nil && err.Error() != told {
			a.log.Error("metrics can't be served, will try again", "error", err)
			told = err.Error()
		}
		if errors.Is(providers.Sleep(ctx, look), context.Canceled) {
			return
		}
	}
}

// lookAtMetrics makes serveMetrics compare what is configured with what it serves.
func (a *Agent) lookAtMetrics() {
	select {
	case a.metrics <- struct{}{}:
	default: // it will look
	}
}

// onlyByAddress refuses requests for a name other than localhost: a web page whose
// name was made to lead to this machine could read the answers.
func onlyByAddress(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			http.Error(w, "ask by address", http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// heartbeat is the account's own address to call, as the configuration says now.
func (r *runner) heartbeat() string {
	if r.agent != nil {
		for _, account := range r.agent.current.Load().Accounts {
			if account.Name == r.config.Name {
				return account.Notice.Heartbeat
			}
		}
	}
	return r.config.Notice.Heartbeat
}

// countPass counts a pass that ended.
func (a *Account) countPass(err error) {
	a.passes.Add(1)
	if err != nil {
		a.failed.Add(1)
	}
}
