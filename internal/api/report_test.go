package api

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fakeReporting is an account that shows what others do, in a feed.
type fakeReporting struct {
	*fakeAccount
	told  chan engine.Progress
	ended chan error
}

func (f *fakeReporting) Report(_ context.Context, kind, text string, work func(func(engine.Progress)) error) error {
	f.note("%s: %s", kind, text)
	err := work(func(p engine.Progress) { f.told <- p })
	f.ended <- err
	return err
}

// TestReport: what a program says of its work is shown while it works, with how it ended; what can't be shown is done all the same.
func TestReport(t *testing.T) {
	fake := &fakeReporting{&fakeAccount{}, make(chan engine.Progress), make(chan error, 1)}
	client, stop := serve(t, fakeBackend{"alice.eth": fake, "plain.eth": fake.fakeAccount})
	account := client.Account("alice.eth").(Reporting)
	for _, fault := range []error{nil, providers.ErrQuota} {
		err := account.Report(t.Context(), activity.JobImport, "Importing ü & ö.dm3sync", func(progress func(engine.Progress)) error {
			for _, done := range []int64{1, 7} {
				progress(engine.Progress{Step: "import", Done: done, Total: 9, Unit: "objects"})
				if got := <-fake.told; got.Done != done || got.Total != 9 || got.Step != "import" {
					t.Errorf("told %+v", got)
				}
			}
			return fault
		})
		if told := <-fake.ended; !errors.Is(err, fault) || !errors.Is(told, fault) || (told == nil) != (fault == nil) {
			t.Errorf("the work ended with %v, returned was %v, told %v", fault, err, told)
		}
	}
	if len(fake.got) != 2 || fake.got[0] != "import: Importing ü & ö.dm3sync" {
		t.Errorf("asked %q", fake.got)
	}
	for name, kind := range map[string]string{"plain.eth": activity.JobImport, "alice.eth": "verify", "nobody.eth": activity.JobExport} {
		done := false
		err := client.Account(name).(Reporting).Report(t.Context(), kind, "x", func(progress func(engine.Progress)) error {
			progress(engine.Progress{})
			done = true
			return io.ErrNoProgress
		})
		if !done || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%s, %s: done %v, %v", name, kind, done, err)
		}
	}
	// An agent that ends does not wait for the work, and the work not for the agent.
	err := account.Report(t.Context(), activity.JobImport, "x", func(progress func(engine.Progress)) error {
		progress(engine.Progress{Done: 1})
		<-fake.told
		if err := stop(); err != nil {
			t.Error(err)
		}
		progress(engine.Progress{Done: 2})
		return nil
	})
	if told := <-fake.ended; err != nil || !errors.Is(told, ErrLeft) {
		t.Errorf("after the agent's end: %v, told %v", err, told)
	}
}

// TestReportThatBreaksOff: work of a program that was killed is told as not done.
func TestReportThatBreaksOff(t *testing.T) {
	fake := &fakeReporting{&fakeAccount{}, make(chan engine.Progress, 10), make(chan error, 1)}
	client, _ := serve(t, fakeBackend{"alice.eth": fake})
	ctx, kill := context.WithCancel(t.Context())
	err := client.Account("alice.eth").(Reporting).Report(ctx, activity.JobExport, "x", func(progress func(engine.Progress)) error {
		progress(engine.Progress{Done: 1})
		<-fake.told
		kill()
		return ctx.Err()
	})
	if told := <-fake.ended; !errors.Is(err, context.Canceled) || !errors.Is(told, ErrLeft) {
		t.Errorf("ended with %v, told %v", err, told)
	}
	for _, body := range []string{"", "{", `{"progress":{"done":1}}`, strings.Repeat("x", 100)} {
		_ = client.do(t.Context(), "POST", pathOf(pathReport, "alice.eth"), map[string][]string{"kind": {activity.JobImport}}, strings.NewReader(body), nothingToRead)
		if told := <-fake.ended; !errors.Is(told, ErrLeft) {
			t.Errorf("%q: told %v", body, told)
		}
	}
}
