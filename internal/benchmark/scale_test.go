package benchmark

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// appendPiece is how many messages are appended before each pass while the account is made.
const appendPiece = 20_000

// scaleOf is a small account, which shows that the benchmark works; with DM3SYNC_SCALE=full it is 10,000 conversations and a
// million messages. That account takes a while to make, and stays in the folder for temporary files.
func scaleOf(b *testing.B) (s chat.Crowd, folder string) {
	if os.Getenv("DM3SYNC_SCALE") == "full" {
		return chat.Crowd{Account: account, Contacts: 10_000, Messages: 1_000_000}, filepath.Join(os.TempDir(), "dm3sync-scale-10000-1000000")
	}
	return chat.Crowd{Account: account, Contacts: 100, Messages: 10_000}, b.TempDir()
}

// openScale opens the account on its folder, and makes it first where it is not there.
func openScale(b *testing.B, s chat.Crowd, folder string) *device {
	b.Helper()
	place := filepath.Join(folder, "place")
	whole := filepath.Join(folder, "whole")
	_, missing := os.Stat(whole)
	if missing != nil {
		if err := os.RemoveAll(folder); err != nil {
			b.Fatal(err)
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			b.Fatal(err)
		}
		if err := local.Create(place); err != nil {
			b.Fatal(err)
		}
	}
	store, err := local.New(place, nil)
	if err != nil {
		b.Fatal(err)
	}
	d := open(b, store, filepath.Join(folder, "device"), nil)
	if missing == nil {
		return d
	}
	lines, err := chat.Sample()
	if err != nil {
		b.Fatal(err)
	}
	for first := 0; first < s.Messages; first += appendPiece {
		to := min(first+appendPiece, s.Messages)
		var text bytes.Buffer
		if err := s.Write(&text, lines, first, to); err != nil {
			b.Fatal(err)
		}
		if summary, err := d.History.Append(context.Background(), &text, history.AppendOptions{}); err != nil || summary.Accepted != to-first {
			b.Fatal(summary, err)
		}
		if _, err := d.Pass(context.Background(), engine.Work{}); err != nil {
			b.Fatal(err)
		}
	}
	for pending := 1; pending > 0; {
		report, err := d.Pass(context.Background(), engine.Work{})
		if err != nil {
			b.Fatal(report, err)
		}
		pending = report.Pending
	}
	if err := os.WriteFile(whole, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	return d
}

// resident is the memory of this process at rest, in MB; 0 where the system does not tell.
func resident() float64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kilobytes, _ := strconv.Atoi(strings.Fields(rest)[0])
	return float64(kilobytes) / 1000
}

// BenchmarkScale measures what a reader waits for in a large account.
func BenchmarkScale(b *testing.B) {
	s, folder := scaleOf(b)
	d := openScale(b, s, folder)
	d.close(b)
	before := resident()
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			d = openScale(b, s, folder)
			b.StopTimer()
			d.close(b)
			b.StartTimer()
		}
	})
	d = openScale(b, s, folder)
	defer d.close(b)
	ctx := context.Background()
	b.Run("rest", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(resident()-before, "MB")
		}
	})
	b.Run("conversations", func(b *testing.B) {
		for b.Loop() {
			if list, err := d.Engine.Conversations(ctx); err != nil || len(list) != s.Contacts {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("status", func(b *testing.B) {
		for b.Loop() {
			if status := d.Engine.Status(); status.Conversations != s.Contacts {
				b.Fatal(status.Conversations)
			}
		}
	})
	b.Run("newest", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			slice, err := d.History.Read(ctx, s.Contact(i*7%s.Contacts), history.ReadOptions{})
			if err != nil || len(slice.Messages) == 0 {
				b.Fatal(len(slice.Messages), err)
			}
		}
	})
	b.Run("newest-of-largest", func(b *testing.B) {
		for b.Loop() {
			if slice, err := d.History.Read(ctx, s.Contact(0), history.ReadOptions{}); err != nil || slice.Older == "" {
				b.Fatal(len(slice.Messages), err)
			}
		}
	})
	b.Run("stretches", func(b *testing.B) {
		for b.Loop() {
			list, err := d.History.Stretches(ctx, s.Contact(0))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(list)), "stretches")
		}
	})
	for _, limit := range []int{50, 200} {
		b.Run(fmt.Sprintf("scroll-by-%d", limit), func(b *testing.B) { scroll(b, d, s, limit) })
	}
	b.Run("around", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			at := s.Timestamp(i * 7919 % s.Messages)
			if slice, err := d.History.Read(ctx, s.Contact(0), history.ReadOptions{Around: at}); err != nil || len(slice.Messages) != history.DefaultLimit {
				b.Fatal(len(slice.Messages), err)
			}
		}
	})
	b.Run("message", func(b *testing.B) {
		slice, err := d.History.Read(ctx, s.Contact(0), history.ReadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := d.History.Message(ctx, s.Contact(0), slice.Messages[0].Hash); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rest-after", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(resident()-before, "MB")
		}
	})
}

// scroll reads up to 10,000 messages of the largest conversation back from its end.
func scroll(b *testing.B, d *device, s chat.Crowd, limit int) {
	for b.Loop() {
		read, slices := 0, 0
		for o := (history.ReadOptions{Limit: limit}); read < 10_000; slices++ {
			slice, err := d.History.Read(context.Background(), s.Contact(0), o)
			if err != nil {
				b.Fatal(err)
			}
			read += len(slice.Messages)
			if slice.Older == "" {
				break
			}
			o.Before = slice.Older
		}
		b.ReportMetric(float64(read), "messages")
		b.ReportMetric(float64(slices), "slices")
	}
}
