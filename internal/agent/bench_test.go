package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
)

// BenchmarkAppend is the whole way of an envelope of about 850 bytes into the
// journal, in this process and through the socket; the budget is 10 µs.
func BenchmarkAppend(b *testing.B) {
	const count = 2000
	text := strings.Repeat(envelope("alice.eth", "bob.eth", 1_700_000_000_000, strings.Repeat("word ", 130))+"\n", count)
	perEnvelope := func(b *testing.B, add func(string) (history.Summary, error)) {
		for b.Loop() {
			if summary, err := add(text); err != nil || summary.Accepted != count {
				b.Fatal(summary, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/count, "µs/envelope")
	}
	hour := config.Schedule{Idle: config.Duration(time.Hour), Longest: config.Duration(time.Hour), Interval: config.Duration(time.Hour)}
	b.Run("here", func(b *testing.B) {
		d := newDevice(b, "alice.eth")
		o := d.options.AccountOptions
		o.Config = d.config
		a, err := OpenAccount(b.Context(), d.config.Accounts[0], o)
		if err != nil {
			b.Fatal(err)
		}
		defer a.Close()
		perEnvelope(b, func(text string) (history.Summary, error) {
			return a.Append(b.Context(), strings.NewReader(text), history.AppendOptions{})
		})
	})
	b.Run("socket", func(b *testing.B) {
		d := newDevice(b, "alice.eth")
		d.config.Accounts[0].Schedule = hour
		client, _ := d.start()
		until(b, client, "", isPushed)
		perEnvelope(b, func(text string) (history.Summary, error) {
			return client.Append(b.Context(), "", "", strings.NewReader(text))
		})
	})
}
