package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/internal/watch"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fetch returns the status and the body of an address.
func fetch(t *testing.T, client *http.Client, address, host string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestWatching: a running agent tells monitors how it goes, and none of them a name.
func TestWatching(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.config.Metrics = config.Metrics{Listen: servertest.FreeAddress(t)}
	d.config.Interface.Listen = servertest.FreeAddress(t)
	_, client := d.startAgent()
	until(t, client, "alice.eth", isOpen)
	if _, err := client.Sync(t.Context(), "alice.eth", engine.Work{}, nil); err != nil {
		t.Fatal(err)
	}
	socket := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.config.Socket)
	}}}
	over := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	own, guarded := "http://"+d.config.Metrics.Listen, "http://"+d.config.Interface.Listen
	wait(t, "the listeners", func() bool {
		one, _ := fetch(t, over, own+"/readyz", "")
		two, _ := fetch(t, over, guarded+"/readyz", "")
		return one == http.StatusOK && two == http.StatusOK
	})
	for _, c := range []struct {
		client        *http.Client
		address, host string
		status        int
	}{
		{socket, "http://agent/metrics", "", http.StatusOK},
		{socket, "http://agent/healthz", "", http.StatusOK},
		{over, own + "/metrics", "", http.StatusOK},
		{over, own + "/healthz", "localhost:1", http.StatusOK},
		{over, own + "/v1/status", "", http.StatusNotFound},
		{over, own + "/metrics", "evil.example", http.StatusMisdirectedRequest},
		{over, guarded + "/healthz", "", http.StatusOK},
		{over, guarded + "/metrics", "", http.StatusUnauthorized},
	} {
		status, text := fetch(t, c.client, c.address, c.host)
		if status != c.status {
			t.Errorf("%s as %q: %d %s", c.address, c.host, status, text)
		}
		if strings.Contains(text, "alice") {
			t.Errorf("%s tells a name", c.address)
		}
		if status == http.StatusOK && strings.HasSuffix(c.address, "/metrics") && !strings.Contains(text, "dm3sync_passes_total{account=") {
			t.Errorf("%s: no passes in\n%s", c.address, text)
		}
	}
}

// TestNamesInMetrics: they are there where the configuration says so.
func TestNamesInMetrics(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.config.Metrics = config.Metrics{Names: true}
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	a.watcher = a.newWatcher()
	w := httptest.NewRecorder()
	a.watchHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), `dm3sync_open{account="alice.eth"} 0`) {
		t.Error(w.Body.String())
	}
}

// TestReadings: passes are counted, and those that failed.
func TestReadings(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.options.Config = d.config
	account, err := OpenAccount(t.Context(), d.config.Accounts[0], d.options.AccountOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	if _, err := account.Sync(t.Context(), engine.Work{}, nil); err != nil {
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := account.Sync(stopped, engine.Work{}, nil); err == nil {
		t.Fatal("a pass that was ended succeeded")
	}
	if passes, failed := account.passes.Load(), account.failed.Load(); passes != 2 || failed != 1 {
		t.Errorf("%d passes, %d failed", passes, failed)
	}
	if _, err := os.Stat(filepath.Join(d.config.Data, watch.FileName)); err == nil {
		t.Error("an account alone keeps what only an agent tells")
	}
}
