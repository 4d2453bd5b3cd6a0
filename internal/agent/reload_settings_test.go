package agent

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/internal/watch"
)

// reloading is a running agent whose configuration a test changes.
type reloading struct {
	*device
	agent  *Agent
	client *Client
	fresh  *config.Config
	fails  error
}

func newReloading(t *testing.T) *reloading {
	r := &reloading{device: newDevice(t, "alice.eth")}
	fresh := *r.config
	r.fresh = &fresh
	r.options.Load = func() (*config.Config, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		now := *r.fresh
		return &now, r.fails
	}
	r.agent, r.client = r.startAgent()
	until(t, r.client, "alice.eth", isOpen)
	return r
}

// edit changes what the next reload reads.
func (r *reloading) edit(how func(c *config.Config)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how(r.fresh)
}

// change lets another configuration be in force, and checks that no account was opened anew for it.
func (r *reloading) change(how func(c *config.Config)) {
	r.t.Helper()
	before := r.agent.all()[0]
	r.edit(how)
	if err := r.client.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if r.agent.all()[0] != before {
		r.t.Error("the account was opened anew")
	}
}

func listens(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

// TestReloadTakesInterface: the listener opens, moves, stays where it is while the new address is somebody else's,
// and closes; who may come in changes with it.
func TestReloadTakesInterface(t *testing.T) {
	r := newReloading(t)
	token, err := r.client.ReplaceToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status := func(address string, lines ...string) int {
		t.Helper()
		return ask(t, browser(t), http.MethodGet, "http://"+address+"/v1/status", append(lines, "Authorization: Bearer "+token)...)
	}
	first, second := servertest.FreeAddress(t), servertest.FreeAddress(t)
	r.change(func(c *config.Config) { c.Interface.Listen = first })
	if got := status(first); got != http.StatusOK {
		t.Errorf("opened: %d", got)
	}
	r.change(func(c *config.Config) { c.Interface.Listen = second })
	if listens(first) || status(second) != http.StatusOK {
		t.Error("it did not move")
	}
	taken, err := net.Listen("tcp", servertest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	r.change(func(c *config.Config) { c.Interface.Listen = taken.Addr().String() })
	if status(second) != http.StatusOK || !r.logged("can't be opened, will try again") {
		t.Error("it can be reached nowhere")
	}
	taken.Close()
	r.agent.loopback.tend()
	if listens(second) || status(taken.Addr().String()) != http.StatusOK {
		t.Error("it did not move when it could")
	}
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	r.change(func(c *config.Config) { c.Interface.Listen = "localhost:" + port }) // the same port in other words
	if got := status(taken.Addr().String()); got != http.StatusOK {
		t.Errorf("at the same port: %d", got)
	}
	page := "http://" + taken.Addr().String() + "/"
	if got := ask(t, browser(t), http.MethodGet, page, "Authorization: Bearer "+token); got != http.StatusOK {
		t.Errorf("the page: %d", got)
	}
	no := false
	r.change(func(c *config.Config) { c.Interface.Page, c.Interface.Origins = &no, []string{"https://app.example"} })
	if got := ask(t, browser(t), http.MethodGet, page, "Authorization: Bearer "+token); got != http.StatusNotFound {
		t.Errorf("no page: %d", got)
	}
	if got := status(taken.Addr().String(), "Origin: https://app.example"); got != http.StatusOK {
		t.Errorf("a page that may come in now: %d", got)
	}
	if _, err := r.client.NewLink(t.Context(), api.LinkOptions{}); err == nil {
		t.Error("there is a link to no page")
	}
	r.change(func(c *config.Config) { c.Interface.Listen = "" })
	if listens(taken.Addr().String()) || !r.logged("no longer names an address") {
		t.Error("it did not close")
	}
}

// TestReloadTakesMetrics: their listener opens, moves and closes, and the names in them are those of now.
func TestReloadTakesMetrics(t *testing.T) {
	r := newReloading(t)
	over := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	opens := func(address string) {
		t.Helper()
		wait(t, "the metrics at "+address, func() bool {
			status, _ := fetch(t, over, "http://"+address+"/metrics", "")
			return status == http.StatusOK
		})
	}
	closes := func(address string) {
		t.Helper()
		wait(t, "the end of "+address, func() bool { return !listens(address) })
	}
	first, second := servertest.FreeAddress(t), servertest.FreeAddress(t)
	r.change(func(c *config.Config) { c.Metrics.Listen = first })
	opens(first)
	if _, text := fetch(t, over, "http://"+first+"/metrics", ""); strings.Contains(text, "alice.eth") {
		t.Error("the metrics tell a name")
	}
	r.change(func(c *config.Config) { c.Metrics.Names = true })
	if _, text := fetch(t, over, "http://"+first+"/metrics", ""); !strings.Contains(text, `dm3sync_open{account="alice.eth"} 1`) {
		t.Error("the metrics tell no name")
	}
	r.change(func(c *config.Config) { c.Metrics.Listen = second })
	opens(second)
	closes(first)
	r.change(func(c *config.Config) { c.Metrics.Listen = "" })
	closes(second)
}

// TestReloadTakesNotices: what is told, to whom, and whom the heartbeat calls are those of now.
func TestReloadTakesNotices(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command is a shell's")
	}
	r := newReloading(t)
	if list := r.agent.notifiers(); len(list) != 0 {
		t.Fatalf("%d are told", len(list))
	}
	out := filepath.Join(t.TempDir(), "told")
	r.change(func(c *config.Config) {
		c.Notice.Command, c.Notice.CommandTimeout = []string{"/bin/sh", "-c", "cat > " + out}, config.Duration(time.Minute)
		c.Notice.After, c.Notice.Heartbeat, c.Notice.HeartbeatInterval = hour, "https://beat.example/hidden", hour
		c.Accounts = append([]config.Account(nil), c.Accounts...)
		c.Accounts[0].Notice.Heartbeat = "https://beat.example/alice"
	})
	for _, notifier := range r.agent.notifiers() {
		if err := notifier.Notify(t.Context(), watch.Notice{Account: "alice.eth", Cause: watch.CauseStuck}); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(out); err != nil || !strings.Contains(string(text), `"cause":"stuck"`) {
		t.Errorf("the command was told %q, %v", text, err)
	}
	if s := r.agent.watchSettings(); s.Rules.After != time.Hour || s.Heartbeat != "https://beat.example/hidden" || s.Interval != time.Hour {
		t.Errorf("%+v", s)
	}
	if got := r.agent.readings()[0].Heartbeat; got != "https://beat.example/alice" {
		t.Errorf("the account's heartbeat is %q", got)
	}
	if r.logged("beat.example") {
		t.Error("the log has the heartbeat's address")
	}
}

// TestReloadIsWholeOrNothing: a configuration that is wrong changes nothing, and what can't be taken is named.
func TestReloadIsWholeOrNothing(t *testing.T) {
	r := newReloading(t)
	address := servertest.FreeAddress(t)
	r.change(func(c *config.Config) { c.Interface.Listen = address })
	for name, c := range map[string]struct {
		how  func(c *config.Config)
		says string
	}{
		"wrong":             {func(*config.Config) { r.fails = config.ErrConfig }, "configuration"},
		"other data folder": {func(c *config.Config) { c.Data += "/other" }, "other folders"},
		"other socket":      {func(c *config.Config) { c.Socket += "2" }, "other folders"},
	} {
		var good config.Config
		r.edit(func(fresh *config.Config) {
			good = *fresh
			fresh.Interface.Listen, fresh.Metrics.Names = "", true
			c.how(fresh)
		})
		if err := r.client.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if !listens(address) || r.agent.current.Load().Metrics.Names {
			t.Errorf("%s: it was taken in part", name)
		}
		r.edit(func(fresh *config.Config) { *fresh, r.fails = good, nil })
	}
	r.change(func(c *config.Config) { c.Log.Level, c.Warnings = "debug", []string{"that is odd"} })
	if !r.logged("[log] has changed") || !r.logged("that is odd") {
		t.Error("the log does not say what needs a restart")
	}
	before := r.agent.all()[0]
	r.edit(func(c *config.Config) { c.Cache.BlobBudget = 1 << 20 }) // the cache has to be opened anew for it
	if err := r.client.Reload(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if r.agent.all()[0] == before {
		t.Error("the account goes on with the old cache")
	}
	until(t, r.client, "alice.eth", isOpen)
}
