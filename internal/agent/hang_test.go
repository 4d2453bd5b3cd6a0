package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// hanging is a store whose calls never return: deaf ones whatever the context
// says.
func hanging(t *testing.T, deaf bool) providers.Store {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	return providertest.NewSlow(memory.New(nil), &providertest.SlowOptions{
		Sleep: func(ctx context.Context, _ time.Duration) error {
			if deaf {
				<-release
				return errors.New("released")
			}
			select {
			case <-release:
				return errors.New("released")
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
}

// An account whose provider hangs for ever keeps taking messages, and holds up
// neither the other accounts nor the stop.
func TestHangingProvider(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf %v", deaf), func(t *testing.T) {
			d := newDevice(t, "alice.eth", "carol.eth")
			d.places["alice.eth"] = hanging(t, deaf)
			d.options.FlushWait = time.Second
			if deaf {
				d.options.StopWait = 3 * time.Second
			}
			client, stop := d.start()
			for _, name := range []string{"alice.eth", "carol.eth"} {
				until(t, client, name, isOpen)
				text := strings.ReplaceAll(envelopes(5), "alice.eth", name)
				summary, err := client.Append(t.Context(), name, "", strings.NewReader(text))
				if err != nil || summary.Accepted != 5 {
					t.Fatalf("%s: %+v, %v", name, summary, err)
				}
			}
			until(t, client, "carol.eth", isPushed)
			until(t, client, "alice.eth", func(s api.AccountStatus) bool { return s.Pending == 5 })
			page, err := client.Messages(t.Context(), "alice.eth", "bob.eth", engine.Range{})
			if err != nil || len(page.Messages) != 5 {
				t.Errorf("%d messages, %v", len(page.Messages), err)
			}
			err = stop() // another answer than this one, where it takes longer than StopWait
			if deaf != errors.Is(err, ErrStop) || deaf && !strings.Contains(err.Error(), "alice.eth") {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

// A provider that cannot be opened is tried again; what was appended meanwhile
// goes there then.
func TestProviderComesLater(t *testing.T) {
	d := newDevice(t, "alice.eth")
	mounted := false
	open := d.options.Open
	d.options.Open = func(ctx context.Context, account config.Account) (providers.Store, error) {
		d.mu.Lock()
		there := mounted
		d.mu.Unlock()
		if !there {
			return nil, fmt.Errorf("test: %w: %w", providers.ErrUnauthorised, errNotMounted)
		}
		return open(ctx, account)
	}
	client, _ := d.start()
	until(t, client, "", isOpen)
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Sync(t.Context(), "", engine.Work{}, nil); !errors.Is(err, providers.ErrUnauthorised) {
		t.Error(err)
	}
	until(t, client, "", isFailing)
	d.mu.Lock()
	mounted = true
	d.mu.Unlock()
	syncs(t, client, "alice.eth")
	until(t, client, "", isPushed)
}

// syncs waits for a pass that succeeds: one may join an attempt to open the place that began when it was still away.
func syncs(t *testing.T, client *Client, name string) {
	t.Helper()
	wait(t, "a pass that succeeds", func() bool {
		report, err := client.Sync(t.Context(), name, engine.Work{Settle: true}, nil)
		if err == nil && report.Pending != 0 {
			t.Errorf("%+v", report)
		}
		return err == nil
	})
}

// An account that cannot be opened does not keep the agent from running, and is
// opened when that becomes possible.
func TestAccountOpensLater(t *testing.T) {
	d := newDevice(t, "alice.eth", "carol.eth")
	o := d.options.AccountOptions
	o.Config = d.config
	held, err := OpenAccount(t.Context(), d.config.Accounts[0], o)
	if err != nil {
		t.Fatal(err)
	}
	client, _ := d.start()
	until(t, client, "carol.eth", isOpen)
	until(t, client, "alice.eth", func(s api.AccountStatus) bool { return strings.Contains(s.Reason, cache.ErrInUse.Error()) })
	if _, err := client.Conversations(t.Context(), "alice.eth"); !errors.Is(err, api.ErrNotReady) {
		t.Error(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isOpen)
	if _, err := OpenAccount(t.Context(), d.config.Accounts[0], o); !errors.Is(err, cache.ErrInUse) {
		t.Error(err)
	}
}
