package activity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// clock stands still but for what a test adds.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newClock() *clock { return &clock{at: time.UnixMilli(1_700_000_000_000)} }

func texts(events []Event) (list []string) {
	for _, e := range events {
		list = append(list, e.Text)
	}
	return list
}

func TestSince(t *testing.T) {
	l := New(3, newClock().now)
	before := l.Last()
	if events, missed := l.Since(before); len(events) != 0 || missed {
		t.Error("an empty feed holds something:", events, missed)
	}
	for i := range 5 {
		l.Note(Event{Kind: KindStatus, Text: fmt.Sprint(i)})
	}
	for _, c := range []struct {
		number uint64
		want   []string
		missed bool
	}{
		{before + 5, nil, false},
		{before + 4, []string{"4"}, false},
		{before + 2, []string{"2", "3", "4"}, false},
		{before + 1, []string{"2", "3", "4"}, true}, // 1 was dropped
		{before, []string{"2", "3", "4"}, true},
		{before + 6, []string{"2", "3", "4"}, true}, // never was: of another run
		{0, []string{"2", "3", "4"}, false},         // a reader that starts
	} {
		events, missed := l.Since(c.number)
		if !slices.Equal(texts(events), c.want) || missed != c.missed {
			t.Errorf("since %d: %q, %v", c.number-before, texts(events), missed)
		}
		for i, e := range events {
			if want := before + 6 - uint64(len(events)-i); e.Number != want {
				t.Errorf("number %d, not %d", e.Number, want)
			}
		}
	}
	if l.Last() != before+5 {
		t.Error(l.Last() - before)
	}
}

// A reader that comes back after a restart is told so, also when the clock was set back in between.
func TestNumbersOfAnotherRun(t *testing.T) {
	for _, passed := range []time.Duration{time.Second, -time.Hour} {
		c := newClock()
		old := New(10, c.now)
		old.Note(Event{Text: "old"})
		c.pass(passed)
		l := New(10, c.now)
		l.Note(Event{Text: "new"})
		if events, missed := l.Since(old.Last()); !missed || !slices.Equal(texts(events), []string{"new"}) {
			t.Errorf("after %v: %q, %v", passed, texts(events), missed)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	l := New(2, newClock().now)
	long := strings.Repeat("é", 5000)
	refs := make([]Ref, 1000)
	l.Note(Event{Account: long, Contact: long, Text: "x" + long, Error: long, Messages: refs})
	refs[0].Timestamp = 7
	events, _ := l.Since(0)
	e := events[0]
	for _, text := range []string{e.Account, e.Contact, e.Text, e.Error} {
		if len(text) > maxText || !utf8.ValidString(text) || !strings.HasSuffix(text, "é…") {
			t.Errorf("%d bytes, %q", len(text), text[max(len(text)-8, 0):])
		}
	}
	if len(e.Messages) != maxRefs || e.Count != 1000 {
		t.Error(len(e.Messages), e.Count)
	}
	if e.Messages[0].Timestamp != 0 {
		t.Error("the feed shares its caller's messages")
	}
	if short(strings.Repeat("\x80", 5000)) != "…" {
		t.Error("bytes without a begin of a character")
	}
}

func TestWatch(t *testing.T) {
	l := New(10, newClock().now)
	ctx, cancel := context.WithCancel(t.Context())
	wake := l.Watch(ctx)
	for range 5 {
		l.Note(Event{})
	}
	<-wake
	select {
	case <-wake:
		t.Error("five events at once gave two words")
	default:
	}
	job := l.Start("alice.eth", JobFetch, "")
	<-wake
	job.Progress("read", 1, 2, "objects")
	<-wake
	cancel()
	if _, open := <-wake; open {
		t.Error("still open after the end")
	}
	l.Note(Event{}) // nobody is there
}

func TestJobs(t *testing.T) {
	c := newClock()
	l := New(100, c.now)
	job := l.Start("alice.eth", JobVerify, "Checking the place")
	last, moved := l.Last(), l.Moved()
	job.Progress("read", 3, 10, "objects")
	if l.Last() != last || l.Moved() == moved {
		t.Error("progress is an event, or can't be seen")
	}
	if got := l.Jobs(); len(got) != 1 || got[0].Done != 3 || got[0].Total != 10 || !got[0].Ended.IsZero() || got[0].Number != job.Number() {
		t.Fatalf("%+v", got)
	}
	c.pass(time.Minute)
	job.End(errors.New("the place is away"))
	job.End(nil)
	job.Progress("read", 9, 10, "objects")
	got := l.Jobs()[0]
	if got.Ended.Sub(got.Started) != time.Minute || got.Error != "the place is away" || got.Done != 3 {
		t.Errorf("%+v", got)
	}
	events, _ := l.Since(0)
	if len(events) != 2 || events[0].Kind != KindJob || events[0].Job != job.Number() || events[1].Error != got.Error || !events[1].Time.Equal(got.Ended) {
		t.Errorf("%+v", events)
	}
}

// What runs is never forgotten, and of what ended the latest ends stay.
func TestEndedJobsAreForgotten(t *testing.T) {
	c := newClock()
	l := New(10, c.now)
	long := l.Start("", JobMirror, "long")
	slow := l.Start("", JobMirror, "slow")
	for range 2 * maxEnded {
		c.pass(time.Second)
		l.Start("", JobFetch, "short").End(nil)
	}
	c.pass(time.Second)
	slow.End(nil)
	got := l.Jobs()
	if len(got) != maxEnded+1 || got[0].Number != long.Number() || got[1].Number != slow.Number() || got[len(got)-1].Number != 2*maxEnded+2 {
		t.Errorf("%d jobs: %+v", len(got), got[:2])
	}
}

// Every reader that does not fall behind sees every event once, in order; progress of a job never blocks.
func TestManyAtOnce(t *testing.T) {
	const writers, each, readers = 8, 200, 4
	l := New(writers*each*2, time.Now)
	start := l.Last()
	var group sync.WaitGroup
	for range readers {
		ctx, cancel := context.WithCancel(t.Context())
		wake := l.Watch(ctx)
		group.Go(func() {
			defer cancel()
			last, seen := start, 0
			for seen < writers*(each+2) {
				<-wake
				events, missed := l.Since(last)
				if missed {
					t.Error("missed events of a feed that is long enough")
				}
				for _, e := range events {
					if e.Number != last+1 {
						t.Errorf("%d after %d", e.Number, last)
					}
					last = e.Number
				}
				seen += len(events)
			}
		})
	}
	for range writers {
		group.Go(func() {
			job := l.Start("", JobImport, "")
			for i := range each {
				l.Note(Event{Kind: KindMessages})
				job.Progress("append", int64(i), each, "messages")
				l.Jobs()
			}
			job.End(nil)
		})
	}
	group.Wait()
}
