package agent

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestClockJumps: the clock jumps by days and by decades while an agent runs. What is appended then bears the wrong times,
// and goes where it should all the same; passes go on, and nothing that was there before is lost.
func TestClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	clocks := []time.Time{
		time.Now(), time.Now().Add(3 * day), time.Now().Add(-10 * 365 * day), time.UnixMilli(1), time.Now().Add(30 * 365 * day), time.Now(),
	}
	d := newDevice(t, "alice.eth")
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) } // a monotonic reading hides jumps
	d.options.Now = now
	client, stop := d.start()
	until(t, client, "", isOpen)
	const many = 30
	for i, clock := range clocks {
		ahead.Store(int64(time.Until(clock)))
		var text strings.Builder
		for j := range many {
			text.WriteString(envelope("alice.eth", "bob.eth", int(now().UnixMilli())+j, fmt.Sprintf("message %d at time %d", j, i)) + "\n")
		}
		before, err := client.Account("").Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		summary, err := client.Append(t.Context(), "", "", strings.NewReader(text.String()))
		if err != nil || summary.Accepted != many {
			t.Fatalf("at %v: %+v, %v", now(), summary, err)
		}
		until(t, client, "", func(s api.AccountStatus) bool {
			return isPushed(s) && s.LastError == "" && !s.Stuck && s.Traffic.Lists > before.Traffic.Lists+2 && s.LastPass.Year() == now().Year()
		})
	}
	if v, err := client.Verify(t.Context(), "", engine.VerifyOptions{Deep: true}, nil); err != nil || v.Messages != many*len(clocks) || len(v.Problems) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}

	other := newDevice(t, "alice.eth")
	other.places = d.places
	client, _ = other.start()
	until(t, client, "", isPushed)
	page, err := client.Messages(t.Context(), "", "bob.eth", engine.Range{})
	if err != nil || len(page.Messages) != many*len(clocks) || page.Provisional {
		t.Errorf("the other device holds %d messages, provisional %v, %v", len(page.Messages), page.Reasons, err)
	}
}
