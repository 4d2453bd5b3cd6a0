package benchmark

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// BenchmarkImport appends the corpus in 100 conversations and brings it to a
// folder until all is confirmed. It reports processor time as a multiple of
// what zstd's fastest level takes for the same bytes in pieces of 500 kB, and
// the uploaded bytes.
func BenchmarkImport(b *testing.B) {
	path := corpus(b, chat.InHundred, "corpus100")
	for b.Loop() {
		store := folder(b)
		d := open(b, store, b.TempDir(), nil)
		start := processor()
		file, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		summary, err := d.History.Append(context.Background(), file, history.AppendOptions{})
		file.Close()
		if err != nil || summary.Rejected > 0 {
			b.Fatal(summary, err)
		}
		appended := processor()
		if report, err := d.Pass(context.Background(), engine.Work{Settle: true}); err != nil || report.Pending > 0 {
			b.Fatal(report, err)
		}
		taken := processor() - start
		counts := store.Counts()
		alone := compressAlone(b, path)
		b.ReportMetric(taken.Seconds()/alone.Seconds(), "cpu/zstd")
		b.ReportMetric((appended-start).Seconds()/alone.Seconds(), "append-cpu/zstd")
		b.ReportMetric(float64(counts.Up)/1e6, "MB-up")
		b.ReportMetric(float64(counts.Requests()), "requests")
		d.close(b)
	}
}

// compressAlone is the processor time of zstd's fastest level alone.
func compressAlone(b *testing.B, path string) time.Duration {
	b.Helper()
	text := slurp(b, path)
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	defer encoder.Close()
	const rounds = 4 // one alone is over too soon to be measured well
	start := processor()
	var out []byte
	for range rounds {
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 500_000)
			out = encoder.EncodeAll(rest[:n], out[:0])
			rest = rest[n:]
		}
	}
	return (processor() - start) / rounds
}
