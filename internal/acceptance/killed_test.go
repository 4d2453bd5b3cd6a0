package acceptance

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	batchMost  = 20  // messages of one append
	killsFull  = 60  // at least 50 are asked for
	killsShort = 3   // of the reduced form
	lifeMost   = 400 // ms that an agent lives after it opened
	birthMost  = 60  // ms that one lives which is killed while it starts
	everyBirth = 6   // one of so many is killed while it starts
)

// source makes messages without end: the sample again and again, at other times.
type source struct {
	lines     []chat.Line
	generator *chat.Generator
	next      int
}

func newSource(t *testing.T) *source {
	t.Helper()
	lines, err := chat.Sample()
	if err != nil {
		t.Fatal(err)
	}
	return &source{lines: lines, generator: chat.NewGenerator(account, chat.ByRegular, nil)}
}

func (s *source) batch(t *testing.T, n int) (text []byte, messages []container.MessageHash) {
	t.Helper()
	for range n {
		line := s.lines[s.next%len(s.lines)]
		line.Timestamp += int64(s.next/len(s.lines)) * week
		s.next++
		made := s.generator.Message(line)
		hash, err := container.ParseMessageHash(made.Hash)
		if err != nil {
			t.Fatal(err)
		}
		text, messages = append(append(text, made.JSON...), '\n'), append(messages, hash)
	}
	return text, messages
}

// ledger is what was offered to agents, and what they acknowledged.
type ledger struct {
	*source
	random       *rand.Rand
	offered      map[container.MessageHash]bool // true where acknowledged
	acknowledged int
	batches      int
}

// feed appends until the agent is gone.
func (l *ledger) feed(t *testing.T, client *api.Client) {
	t.Helper()
	var err error
	for err == nil {
		err = l.offer(t.Context(), t, client)
	}
	if refusal := (*api.Error)(nil); errors.As(err, &refusal) {
		t.Errorf("an agent that was not gone yet refused an append: %v", err)
	}
}

// offer appends one batch, and counts it as acknowledged when the agent says so.
func (l *ledger) offer(ctx context.Context, t *testing.T, client *api.Client) error {
	t.Helper()
	text, messages := l.batch(t, 1+l.random.IntN(batchMost))
	for _, hash := range messages {
		l.offered[hash] = false
	}
	summary, err := client.Append(ctx, "", "", bytes.NewReader(text))
	if err != nil {
		return err
	}
	if summary.Accepted != len(messages) {
		t.Errorf("of %d messages: %+v", len(messages), summary)
		return errors.New("some were rejected")
	}
	for _, hash := range messages {
		l.offered[hash] = true
	}
	l.acknowledged += len(messages)
	l.batches++
	return nil
}

// TestKilledAgent: whatever an agent acknowledged is there on another device, though agents were killed at any moment.
func TestKilledAgent(t *testing.T) {
	base, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	kills := killsShort
	if full() {
		kills = killsFull
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l := &ledger{source: newSource(t), random: rand.New(rand.NewPCG(seed, 1)), offered: map[container.MessageHash]bool{}}
	built := program(t)
	desktop := newMachine(t, built, base, "desktop")
	started := time.Now()
	births := 0
	for kill := range kills {
		agent := desktop.start()
		if kill%everyBirth == everyBirth-1 {
			births++
			time.Sleep(time.Duration(l.random.IntN(birthMost)) * time.Millisecond)
			agent.kill()
			continue
		}
		client := agent.client()
		timer := time.AfterFunc(time.Duration(l.random.IntN(lifeMost))*time.Millisecond, agent.kill)
		l.feed(t, client)
		timer.Stop()
		agent.kill()
	}
	t.Logf("%d kills in %.1f s, %d of them during the start: %d batches, %d messages acknowledged, %d offered",
		kills, time.Since(started).Seconds(), births, l.batches, l.acknowledged, len(l.offered))
	if l.acknowledged == 0 {
		t.Fatal("nothing was acknowledged")
	}
	finish(t, desktop)
	l.compare(t, newMachine(t, built, base, "laptop"))
	wantNothingPlain(t, base, l)
}

// finish starts the agent once more, lets it settle and ends it.
func finish(t *testing.T, m *machine) {
	t.Helper()
	agent := m.start()
	client := agent.client()
	report, err := client.Sync(t.Context(), "", engine.Work{Settle: true}, nil)
	if err != nil || report.Pending > 0 {
		t.Fatalf("after the last start: %+v, %v", report, err)
	}
	status, err := client.Account("").Status(t.Context())
	if err != nil || status.JournalDamaged > 0 || status.CacheRebuilt {
		t.Errorf("status %+v, %v", status, err)
	}
	wantNoProblems(t, "status", status.Problems)
	agent.stop()
}

// compare reads everything on a machine that holds nothing yet.
func (l *ledger) compare(t *testing.T, m *machine) {
	t.Helper()
	agent := m.start()
	client := agent.client()
	if _, err := client.Sync(t.Context(), "", engine.Work{}, nil); err != nil {
		t.Fatalf("first pass of the other device: %v", err)
	}
	list, err := client.Conversations(t.Context(), "")
	if err != nil {
		t.Fatalf("conversations of the other device: %v", err)
	}
	seen := map[container.MessageHash]bool{}
	kept, unknown, twice := 0, 0, 0
	for _, conversation := range list {
		page, err := client.Messages(t.Context(), "", conversation.Contact, engine.Range{})
		if err != nil || page.Provisional {
			t.Fatalf("provisional %v %v, %v", page.Provisional, page.Reasons, err)
		}
		for _, message := range page.Messages {
			acknowledged, known := l.offered[message.Hash]
			switch {
			case !known:
				unknown++
			case seen[message.Hash]:
				twice++
			case acknowledged:
				kept++
			}
			seen[message.Hash] = true
		}
	}
	t.Logf("the other device holds %d messages in %d conversations: all %d of %d acknowledged ones, %d that were only offered",
		len(seen), len(list), kept, l.acknowledged, len(seen)-kept-unknown)
	if kept != l.acknowledged || unknown > 0 || twice > 0 {
		t.Errorf("%d of %d acknowledged messages, %d unknown, %d twice", kept, l.acknowledged, unknown, twice)
	}
	found, err := client.Verify(t.Context(), "", engine.VerifyOptions{Deep: true}, nil)
	if err != nil || found.Messages != len(seen) {
		t.Errorf("verify counts %d messages, want %d; %v", found.Messages, len(seen), err)
	}
	wantNoProblems(t, "verify", found.Problems)
	agent.stop()
}

// wantNothingPlain looks through everything that agents left on the disk. A server that still runs there may remove files
// meanwhile.
func wantNothingPlain(t *testing.T, base string, l *ledger) {
	t.Helper()
	s := secrets{}
	s.add(plain...)
	for _, line := range l.lines {
		made := l.generator.Message(line)
		s.add(made.Contact)
		if len(line.Text) > 20 {
			s.add(line.Text)
		}
	}
	files := 0
	err := filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreGone(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return ignoreGone(err)
		}
		files++
		if found := s.in([]byte(path)); found != "" {
			t.Errorf("the name of %s shows %q", path, found)
		}
		if found := s.in(data); found != "" && !isLogOf(path, found) {
			t.Errorf("%s holds %q", path, found)
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
}

// isLogOf: a log's own member names are no leak; a name or a text in it is.
func isLogOf(path, found string) bool {
	return strings.HasSuffix(path, ".log") && strings.HasPrefix(found, `"`)
}
