package webui_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/webui"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// one is an agent with one account.
type one struct {
	account *agent.Account
	feed    *activity.Log
}

// Account implements [api.Backend].
func (o one) Account(name string) (api.Account, error) {
	if name != "alice.eth" {
		return nil, api.ErrNoAccount
	}
	return o.account, nil
}

// Status implements [api.Backend].
func (o one) Status() api.Status {
	status, err := o.account.Status(context.Background())
	if err != nil {
		status.Reason = err.Error()
	}
	status.Name, status.Open = "alice.eth", err == nil
	return api.Status{Accounts: []api.AccountStatus{status}}
}

// Activity implements [api.Backend].
func (o one) Activity() *activity.Log { return o.feed }

// device is alice.eth on a device with an empty cache, at a place.
func device(t *testing.T, place providers.Store) one {
	t.Helper()
	o := one{feed: activity.New(100, time.Now)}
	settings := &config.Config{Data: t.TempDir(), Accounts: []config.Account{{Name: "alice.eth", Provider: config.Provider{Kind: "memory"}}}}
	settings.Cache.BlobBudget = 1 << 30
	var err error
	o.account, err = agent.OpenAccount(t.Context(), settings.Accounts[0], agent.AccountOptions{
		Config: settings, Activity: o.feed,
		Open:   func(context.Context, config.Account) (providers.Store, error) { return place, nil },
		Unlock: func(context.Context, config.Account) ([32]byte, error) { return sha256.Sum256([]byte("alice")), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.account.Close() })
	return o
}

// TestReadWithARealAccount: what one device wrote is scrolled back to the first message on another one that has nothing of it
// yet: each message once and in its order, fetched from the place as it comes into view.
func TestReadWithARealAccount(t *testing.T) {
	const n = 10_000
	place := memory.New(nil)
	writer := device(t, place)
	var lines bytes.Buffer
	for _, record := range counted(t, n, time.Now()) {
		lines.Write(record.JSON)
		lines.WriteByte('\n')
	}
	if summary, err := writer.account.Append(t.Context(), &lines, history.AppendOptions{Contact: "bob.eth"}); err != nil || summary.Accepted != n {
		t.Fatal(summary, err)
	}
	if _, err := writer.account.Sync(t.Context(), engine.Work{Settle: true}, nil); err != nil {
		t.Fatal(err)
	}
	other := device(t, place)
	if _, err := other.account.Sync(t.Context(), engine.Work{}, nil); err != nil {
		t.Fatal(err)
	}
	site, err := webui.New(webui.Options{Backend: other})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	b := webtest.Open(t, site)
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	b.WaitFor(`document.querySelector(".line-sum")`)
	seen := make([]bool, n)
	for step := 0; slices.Contains(seen, false); step++ {
		if step > 1000 {
			t.Fatalf("after %d steps not all were seen; the first is %d", step, slices.Index(seen, true))
		}
		got := webtest.Evaluate[[]int](b, numbers)
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("messages are out of order, or twice in the page: %v", got)
		}
		for _, number := range got {
			seen[number] = true
		}
		if step > 0 && len(got) > 0 && got[0] == 0 && slices.Contains(seen, false) {
			t.Fatalf("%d was never in the page", slices.Index(seen, false))
		}
		scroll(b, `s.scrollTop = Math.max(0, s.scrollTop - 4000)`)
	}
	if counts := other.account.Counts(); counts == (providers.Counts{}) {
		t.Error("nothing was fetched from the place")
	}
	b.WaitFor(`document.querySelector(".line-sum").textContent.includes("All of this conversation is on this device")`)
	t.Logf("%+v", other.account.Counts())
}
