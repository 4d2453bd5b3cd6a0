package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// listener reads a feed from where it stands now.
type listener struct {
	t    *testing.T
	log  *activity.Log
	last uint64
}

// listenTo gives a device a feed and listens to it. Its clock stands still, so that no work is long, however busy the machine is.
func listenTo(t *testing.T, d *device) *listener {
	now := time.Now()
	d.options.Now = func() time.Time { return now }
	d.options.Activity = activity.New(1000, time.Now)
	return &listener{t: t, log: d.options.Activity, last: d.options.Activity.Last()}
}

// next returns what came since the last call.
func (l *listener) next() []activity.Event {
	l.t.Helper()
	events, missed := l.log.Since(l.last)
	if missed {
		l.t.Error("events were missed")
	}
	if len(events) > 0 {
		l.last = events[len(events)-1].Number
	}
	return events
}

// brief writes events down in short; without jobs' numbers, times and messages.
func brief(events []activity.Event) (list []string) {
	for _, e := range events {
		list = append(list, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Contact, ": ", e.Text, " ", e.Error)))
	}
	return list
}

// want compares what came since the last call, in any order of the same moment.
func (l *listener) want(want ...string) []activity.Event {
	l.t.Helper()
	events := l.next()
	if got := brief(events); !slices.Equal(got, want) {
		l.t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return events
}

func (l *listener) sync(a *Account, w engine.Work) error {
	l.t.Helper()
	_, err := a.Sync(l.t.Context(), w, nil)
	return err
}

func TestFeedOfMessages(t *testing.T) {
	one, two := newDevice(t, "alice.eth"), newDevice(t, "alice.eth")
	two.places = one.places
	first, second := listenTo(t, one), listenTo(t, two)
	here, there := open(t, one), open(t, two)
	first.want()
	takeLines(t, here, envelopes(3))
	events := first.want("messages bob.eth: 3 messages were added.")
	page, err := here.Messages(t.Context(), "bob.eth", engine.Range{})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range page.Messages {
		if events[0].Messages[i] != (activity.Ref{Hash: m.Hash, Timestamp: m.Timestamp}) || events[0].Count != 3 || events[0].Account != "alice.eth" {
			t.Errorf("%+v", events)
		}
	}
	if err := errors.Join(first.sync(here, engine.Work{}), first.sync(here, engine.Work{})); err != nil {
		t.Fatal(err)
	}
	first.want("pass : 3 changes were uploaded.", "pass : 3 uploads were confirmed.")
	if err := errors.Join(second.sync(there, engine.Work{}), second.sync(there, engine.Work{})); err != nil {
		t.Fatal(err)
	}
	events = second.want("pass : 1 note of other devices was read.", "messages bob.eth: 3 messages came from other devices.")
	if events[1].Count != 3 {
		t.Errorf("%+v", events)
	}
	gone := page.Messages[1].Hash
	if _, err := there.Delete(t.Context(), history.Selection{Contact: "bob.eth", Hashes: []container.MessageHash{gone}}); err != nil {
		t.Fatal(err)
	}
	if events := second.want("messages bob.eth: 1 message was deleted."); events[0].Messages[0].Hash != gone {
		t.Errorf("%+v", events)
	}
	if err := errors.Join(there.Hide(t.Context(), "bob.eth", true), there.Hide(t.Context(), "bob.eth", true)); err != nil {
		t.Fatal(err)
	}
	second.want("conversation bob.eth: The conversation was hidden.")
	if err := second.sync(there, engine.Work{Settle: true}); err != nil {
		t.Fatal(err)
	}
	for _, told := range brief(second.next()) {
		if !strings.HasPrefix(told, "pass ") {
			t.Error("told its own work as another's:", told)
		}
	}
	if err := first.sync(here, engine.Work{}); err != nil {
		t.Fatal(err)
	}
	told := brief(first.next())
	for _, want := range []string{"messages bob.eth: The conversation was changed on another device.", "conversation bob.eth: The conversation was hidden."} {
		if !slices.Contains(told, want) {
			t.Errorf("%q is not among %q", want, told)
		}
	}
}

// Many conversations at once are one event.
func TestFeedOfMuch(t *testing.T) {
	d := newDevice(t, "alice.eth")
	l := listenTo(t, d)
	account := open(t, d)
	var text strings.Builder
	for i := range 100 {
		text.WriteString(envelope("alice.eth", fmt.Sprintf("friend%d.eth", i%20), i, "x") + "\n")
	}
	takeLines(t, account, text.String())
	if events := l.want("messages : 20 conversations changed."); events[0].Count != 100 {
		t.Errorf("%+v", events)
	}
}

// A place that is away is told once, however often it is tried; so is that it is back.
func TestFeedOfAnOrdinaryNight(t *testing.T) {
	d := newDevice(t, "alice.eth")
	l := listenTo(t, d)
	place := memory.New(nil)
	fault := &fails{Store: place, err: fmt.Errorf("it is down: %w", providers.ErrTransient)}
	d.places["alice.eth"] = fault
	d.options.Attempts = 1
	account := open(t, d)
	for range 5 {
		if err := l.sync(account, engine.Work{}); err == nil {
			t.Error("a pass without a place succeeded")
		}
	}
	events := l.next()
	if len(events) != 1 || events[0].Kind != activity.KindPass || !strings.Contains(events[0].Error, "it is down") {
		t.Errorf("%q", brief(events))
	}
	fault.err = nil
	for range 3 {
		if err := l.sync(account, engine.Work{}); err != nil {
			t.Fatal(err)
		}
	}
	l.want("pass : Passes succeed again.")
}

// fails is a place whose listings fail while err is set.
type fails struct {
	providers.Store
	err error
}

func TestFeedOfProblems(t *testing.T) {
	d := newDevice(t, "alice.eth")
	l := listenTo(t, d)
	account := open(t, d)
	takeLines(t, account, envelopes(5))
	if err := l.sync(account, engine.Work{Settle: true}); err != nil {
		t.Fatal(err)
	}
	l.next()
	place := d.places["alice.eth"]
	for _, name := range objectNames(t, place) {
		whole, err := place.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		whole[len(whole)/2] ^= 1
		if err := errors.Join(place.Delete(t.Context(), name), place.Put(t.Context(), name, whole)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := account.Verify(t.Context(), engine.VerifyOptions{Deep: true}, nil); err != nil {
		t.Fatal(err)
	}
	events := l.next()
	if events[0].Kind != activity.KindJob || events[len(events)-1].Kind != activity.KindJob || events[0].Job != events[len(events)-1].Job {
		t.Errorf("%q", brief(events))
	}
	raised := 0
	for _, e := range events {
		if e.Kind == activity.KindProblem {
			raised++
		}
	}
	if problems := account.engine.Status().Problems; raised == 0 || raised != len(problems) {
		t.Errorf("%d of %d problems were told", raised, len(problems))
	}
	for range 3 {
		_ = l.sync(account, engine.Work{Settle: true, Scrub: true}) // what it says is not what this test is about
	}
	healed := slices.ContainsFunc(l.next(), func(e activity.Event) bool { return e.Kind == activity.KindHealed && e.Text != "" })
	if left := len(account.engine.Status().Problems); !healed && left < raised {
		t.Errorf("%d of %d problems are left, and nothing was told", left, raised)
	}
}

// Work that is over at once is no job; work that takes long is one.
func TestFeedOfLongWork(t *testing.T) {
	d := newDevice(t, "alice.eth")
	l := listenTo(t, d)
	account := open(t, d)
	var steps atomic.Int64
	account.now = func() time.Time { return time.Unix(0, steps.Add(int64(longWork))) }
	takeLines(t, account, envelopes(3))
	events := l.want("job : Appending messages", "messages bob.eth: 3 messages were added.", "job : Appending messages")
	if jobs := l.log.Jobs(); len(jobs) != 1 || jobs[0].Number != events[0].Job || jobs[0].Kind != activity.JobImport || jobs[0].Done != int64(len(envelopes(3))) || jobs[0].Unit != "bytes" || jobs[0].Ended.IsZero() {
		t.Errorf("%+v", jobs)
	}
	if err := account.Fetch(t.Context(), "bob.eth", 0, 0, nil); err != nil {
		t.Fatal(err)
	}
	l.want("job : Fetching a part of a conversation", "job : Fetching a part of a conversation")
	if err := account.Fetch(t.Context(), "carol.eth", 0, 0, nil); !errors.Is(err, engine.ErrNoConversation) {
		t.Error(err)
	}
	if events := l.next(); len(events) != 2 || events[1].Error == "" {
		t.Errorf("%q", brief(events))
	}
}

func TestFeedOfStatus(t *testing.T) {
	d := newDevice(t, "alice.eth")
	l := listenTo(t, d)
	client, stop := d.start()
	until(t, client, "", isOpen)
	account := client.Account("")
	for _, paused := range []bool{true, true, false} {
		if err := account.Pause(t.Context(), paused); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	l.want("status : The account is open.", "status : Passes are paused: nothing is uploaded or fetched until they go on.", "status : Passes go on.")
	r := &runner{config: d.config.Accounts[0], options: d.options}
	tell := func(change func(*api.AccountStatus)) {
		s := api.AccountStatus{Name: "alice.eth"}
		change(&s)
		r.tellStatus(&s)
	}
	well := func(*api.AccountStatus) {}
	for range 2 {
		tell(func(s *api.AccountStatus) { s.Reason = "the key is away" })
		tell(func(s *api.AccountStatus) { s.Reason = "the key is away" })
		tell(func(s *api.AccountStatus) { s.Reason = reasonStopped })
		tell(well)
		tell(func(s *api.AccountStatus) { s.State, s.LastError = "blocked", "all is gone" })
		tell(well)
		tell(func(s *api.AccountStatus) { s.Stuck, s.LastError = true, "no answer" })
		tell(well)
		tell(func(s *api.AccountStatus) { s.Warning, s.SpoolError = "The login ends.", "no folder" })
		tell(well)
		l.want(
			"status : The account can't be opened; it is tried again and again. the key is away", "status : The account is open.",
			"status : The account stopped to be safe. all is gone", "status : The account goes on.",
			"status : Sync is stuck: nothing has got through since 1 January 00:00. no answer", "status : Sync moves again.",
			"status : The spool folder can't be read. no folder", "status : The login ends.",
			"status : The spool folder can be read again.", "status : What the place warned of is over.",
		)
	}
}

// List implements providers.Store.
func (f *fails) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if f.err != nil {
		return func(yield func(providers.Object, error) bool) { yield(providers.Object{}, f.err) }
	}
	return f.Store.List(ctx, prefix)
}

func takeLines(t *testing.T, a *Account, text string) {
	t.Helper()
	if summary, err := a.Append(t.Context(), strings.NewReader(text), history.AppendOptions{}); err != nil || summary.Rejected > 0 {
		t.Fatal(summary, err)
	}
}
