package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func TestAgent(t *testing.T) {
	defer func() {
		wait(t, "the last goroutines", func() bool { return goleak.Find() == nil || t.Failed() })
		goleak.VerifyNone(t) // names them
	}()
	d := newDevice(t, "alice.eth", "carol.eth")
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	summary, err := client.Append(t.Context(), "Alice.eth", "", strings.NewReader(envelopes(50)+"bad\n"))
	if err != nil || summary.Accepted != 50 || summary.Rejected != 1 {
		t.Fatalf("%+v, %v", summary, err)
	}
	spoolFile(t, filepath.Join(d.config.Data, "spool-alice.eth"), "s.ndjson", envelopes(80))
	until(t, client, "alice.eth", func(s api.AccountStatus) bool { return isPushed(s) && s.Conversations == 1 })
	wait(t, "the spooled messages", func() bool {
		page, err := client.Messages(t.Context(), "alice.eth", "Bob.eth", engine.Range{})
		return err == nil && len(page.Messages) == 80
	})
	list, err := client.Conversations(t.Context(), "alice.eth")
	if err != nil || len(list) != 1 || list[0].Contact != "bob.eth" {
		t.Errorf("%+v, %v", list, err)
	}
	if report, err := client.Sync(t.Context(), "alice.eth", engine.Work{Settle: true}, nil); err != nil || report.Pending != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if v, err := client.Verify(t.Context(), "alice.eth", engine.VerifyOptions{Deep: true}, nil); err != nil || v.Messages != 80 || len(v.Problems) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := client.Conversations(t.Context(), ""); !errors.Is(err, api.ErrRequest) {
		t.Errorf("no name among several: %v", err)
	}
	if _, err := client.Conversations(t.Context(), "nobody.eth"); !errors.Is(err, api.ErrNoAccount) {
		t.Errorf("unknown name: %v", err)
	}
	_ = client.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.config.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if text := d.log.String(); strings.Contains(text, "bob.eth") || strings.Contains(text, "message 1") {
		t.Errorf("the log tells contacts or texts:\n%s", text)
	}
}

// Two devices of one account see each other's messages.
func TestTwoDevices(t *testing.T) {
	one, two := newDevice(t, "alice.eth"), newDevice(t, "alice.eth")
	two.places = one.places
	first, _ := one.start()
	second, _ := two.start()
	until(t, first, "", isOpen)
	until(t, second, "", isOpen)
	if _, err := first.Append(t.Context(), "", "", strings.NewReader(envelopes(3))); err != nil {
		t.Fatal(err)
	}
	wait(t, "the other device", func() bool {
		page, err := second.Messages(t.Context(), "", "bob.eth", engine.Range{})
		return err == nil && len(page.Messages) == 3
	})
}

func TestOpenAccount(t *testing.T) {
	d := newDevice(t, "alice.eth")
	o := d.options.AccountOptions
	o.Config = d.config
	steps := 0
	o.Progress = func(engine.Progress) { steps++ }
	ctx := t.Context()
	for round := range 2 {
		a, err := OpenAccount(ctx, d.config.Accounts[0], o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Append(ctx, strings.NewReader(envelopes(10)), history.AppendOptions{}); err != nil {
			t.Fatal(err)
		}
		if round == 0 { // the second round finds what waits in the journal
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		report, err := a.Sync(ctx, engine.Work{Settle: true}, func(engine.Progress) {})
		status, _ := a.Status(ctx)
		if err != nil || report.Pending != 0 || status.Pending != 0 || !status.Open || status.Traffic.Puts == 0 || a.Counts().Up == 0 {
			t.Errorf("%+v, %v, %+v", report, err, status)
		}
		if page, err := a.Messages(ctx, "BOB.eth", engine.Range{Last: 3}); err != nil || len(page.Messages) != 3 {
			t.Errorf("%d messages, %v", len(page.Messages), err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	o.Unlock = func(context.Context, config.Account) (key [32]byte, err error) { return key, errors.New("locked") }
	if _, err := OpenAccount(ctx, d.config.Accounts[0], o); err == nil {
		t.Error("opened without a key")
	}
	o.Unlock = func(context.Context, config.Account) (key [32]byte, err error) { return key, nil }
	if _, err := OpenAccount(ctx, d.config.Accounts[0], o); !errors.Is(err, ErrOtherKey) || !strings.Contains(err.Error(), d.config.Data) {
		t.Errorf("opened with another key: %v", err)
	}
	o.Unlock = d.options.Unlock
	a, err := OpenAccount(ctx, d.config.Accounts[0], o)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := a.Status(ctx); status.Alarms.Raised["cache"] != 0 || len(status.Problems) != 0 {
		t.Errorf("the other key left traces: %+v", status)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPause(t *testing.T) {
	d := newDevice(t, "alice.eth")
	client, stop := d.start()
	until(t, client, "", isPushed)
	if err := client.Pause(t.Context(), "", true); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(2))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return s.Paused && s.Pending == 2 && s.NextPass.IsZero() })
	if err := client.Pause(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	until(t, client, "", func(s api.AccountStatus) bool { return isPushed(s) && !s.Paused })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// The last flush brings out what was appended just before the stop.
func TestLastFlush(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.config.Accounts[0].Schedule = config.Schedule{Idle: config.Duration(time.Hour), Longest: config.Duration(time.Hour), Interval: config.Duration(time.Hour)}
	client, stop := d.start()
	until(t, client, "", isPushed)
	before := d.places["alice.eth"].(*memory.Store)
	objects := objectsIn(t, before)
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(2))); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if after := objectsIn(t, before); after <= objects {
		t.Errorf("%d objects before, %d after", objects, after)
	}
}

func objectsIn(t *testing.T, store providers.Store) (n int) {
	for _, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
