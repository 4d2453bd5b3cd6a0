package webui_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// TestPictures makes the pictures of the documents, where DM3SYNC_TEST_PICTURES names a folder for them.
func TestPictures(t *testing.T) {
	backend := webtest.NewBackend(webtest.All()...)
	b := webtest.Open(t, newSite(t, backend))
	happened(backend)
	for name, path := range map[string]string{"overview": "/", "help": "/help", "problems": "/problems", "activity": "/activity", "charts": "/charts"} {
		b.Pictures(name, path)
	}
	backend.Change(func() { backend.Accounts = nil })
	b.Pictures("empty", "/")
	hostile := webtest.Open(t, newSite(t, webtest.NewBackend(webtest.HostileAccounts()...)))
	for name, path := range map[string]string{"overview": "/", "problems": "/problems", "activity": "/activity", "charts": "/charts"} {
		hostile.Pictures("hostile-"+name, path)
	}
}

// happened fills the feed of an agent.
func happened(b *webtest.Backend) {
	at := func(ago time.Duration) { b.Change(func() { b.Time = time.Now().Add(-ago) }) }
	note := func(ago time.Duration, e activity.Event) {
		at(ago)
		b.Feed.Note(e)
	}
	note(26*time.Hour, activity.Event{Account: "alice.eth", Kind: activity.KindStatus, Text: "The account was opened."})
	note(25*time.Hour, activity.Event{Account: "blocked.eth", Kind: activity.KindProblem, Contact: "bob.eth", Text: "This object is not what was written."})
	at(3 * time.Hour)
	verify := b.Feed.Start("alice.eth", activity.JobVerify, "Verifying what is at the place")
	verify.Progress("read", 640, 640, "objects")
	at(170 * time.Minute)
	verify.End(nil)
	at(2 * time.Hour)
	mirror := b.Feed.Start("mirrors.eth", activity.JobMirror, "Copying to the mirror usb")
	mirror.Progress("copy", 120, 731, "objects")
	at(110 * time.Minute)
	mirror.End(errors.New("local: the folder is not there; is the disk connected?"))
	note(100*time.Minute, activity.Event{Account: "alice.eth", Kind: activity.KindHealed, Text: "An object is whole again: written anew from this device."})
	note(50*time.Minute, activity.Event{Account: "alice.eth", Kind: activity.KindMessages, Contact: "carol.addr.dm3.eth", Text: "3 messages came.", Count: 3})
	note(12*time.Minute, activity.Event{Account: "alice.eth", Kind: activity.KindConversation, Contact: "erin.eth", Text: "The conversation was hidden."})
	note(2*time.Minute, activity.Event{Account: "drive.eth", Kind: activity.KindPass, Text: "The pass failed.", Error: "login: a new login is needed"})
	at(80 * time.Second)
	job := b.Feed.Start("work.alice.eth", activity.JobImport, "Importing old-messages.ndjson")
	job.Progress("append", 31_400, 48_000, "messages")
	fetch := b.Feed.Start("alice.eth", activity.JobFetch, "Fetching older messages")
	fetch.Progress("fetch", 0, 0, "objects")
	note(50*time.Second, activity.Event{Account: "alice.eth", Kind: activity.KindPass, Text: "A pass came through: 2 heads read, 1 message written."})
	at(0)
}
