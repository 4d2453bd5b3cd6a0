package enginetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// PerRound is how many messages a [Writer] appends before each pass.
const PerRound = 10

// passes is after how many passes all must be there.
const passes = 40

// Log is a log that may be read while it grows; the zero value is empty. It is safe for concurrent use.
type Log struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

// Holds tells whether a text was written.
func (l *Log) Holds(text string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(text))
}

// Writer is a history on an engine with a cache of its own, which writes what people said. It is not safe for concurrent use.
type Writer struct {
	Engine  *engine.Engine
	History *history.History
	Given   []container.MessageHash // what it was given, in order
}

// NewWriter opens one, which ends with the test. Calls of the store that fail are repeated at once, up to attempts times in
// all, which the log gets as "trying again". All of them on one place are devices of one account. A failure ends the test.
func NewWriter(t *testing.T, store providers.Store, log *Log, attempts int) *Writer {
	t.Helper()
	kept, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New(sha256.Sum256([]byte("the storage key of this test")), nil)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	again := &providers.RetryOptions{
		Attempts: attempts, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Notify: func(operation string, attempt int, err error, _ time.Duration) {
			logger.Debug("trying again", "operation", operation, "attempt", attempt, "error", err)
		},
	}
	d := &Writer{}
	d.Engine, err = engine.Open(t.Context(), engine.Options{
		Account: Owner, Root: container.RootKey("enginetest"), Sealer: sealer, Cache: kept, Store: providers.Retry(store, again),
		ChunkLimit: 20_000, Grace: time.Millisecond, Log: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.History = history.New(d.Engine, []string{Owner})
	t.Cleanup(func() {
		if err := d.Engine.Close(); err != nil {
			t.Error(err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Said returns messages of several conversations of the account, at most as many as the sample has.
func Said(t *testing.T, count int) (messages []chat.Message) {
	t.Helper()
	lines, err := chat.Sample()
	if err != nil {
		t.Fatal(err)
	}
	generator := chat.NewGenerator(Owner, chat.ByRegular, nil)
	for _, line := range lines[:count] {
		messages = append(messages, generator.Message(line))
	}
	return messages
}

// Take appends messages and passes after each round; passes may fail where that may be tried again. Before each pass it calls
// before, unless that is nil.
func (d *Writer) Take(t *testing.T, messages []chat.Message, before func()) {
	t.Helper()
	for batch := range slices.Chunk(messages, PerRound) {
		var text bytes.Buffer
		for _, message := range batch {
			hash, err := container.ParseMessageHash(message.Hash)
			if err != nil {
				t.Error(err)
				return
			}
			d.Given = append(d.Given, hash)
			text.Write(append(message.JSON, '\n'))
		}
		if summary, err := d.History.Append(t.Context(), &text, history.AppendOptions{}); err != nil || summary.Accepted != len(batch) {
			t.Errorf("%+v %v", summary, err)
			return
		}
		if before != nil {
			before()
		}
		if _, err := d.Engine.Pass(t.Context(), engine.Work{}); err != nil && !providers.Retriable(err) {
			t.Errorf("a pass: %v", err)
		}
	}
}

// Settled passes until nothing waits and all wanted messages are there, once each; name tells which device it is.
func (d *Writer) Settled(t *testing.T, name string, want []container.MessageHash) {
	t.Helper()
	var report engine.Report
	var failure error
	found := 0
	for range passes {
		report, failure = d.Engine.Pass(t.Context(), engine.Work{Settle: true, Scrub: true})
		if failure != nil && !providers.Retriable(failure) {
			t.Fatalf("%s: %v", name, failure)
		}
		if found = d.Count(t, want); failure == nil && report.Pending == 0 && found == len(want) {
			return
		}
	}
	t.Errorf("%s: %d of %d messages after %d passes, the last one %+v %v", name, found, len(want), passes, report, failure)
}

// Count reads everything, and returns how many of the wanted messages are there; one that is there twice ends the test.
func (d *Writer) Count(t *testing.T, want []container.MessageHash) (found int) {
	t.Helper()
	list, err := d.Engine.Conversations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[container.MessageHash]bool)
	for _, conversation := range list {
		page, err := d.Engine.Messages(t.Context(), conversation.Contact, engine.Range{})
		if err != nil && !providers.Retriable(err) {
			t.Fatal(err)
		}
		for _, message := range page.Messages {
			if seen[message.Hash] {
				t.Fatalf("%s is there twice", message.Hash)
			}
			seen[message.Hash] = true
		}
	}
	for _, hash := range want {
		if seen[hash] {
			found++
		}
	}
	return found
}
