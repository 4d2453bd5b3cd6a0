package webui_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestActions: the buttons of an account do what they say, with script and without.
func TestActions(t *testing.T) {
	for _, script := range []bool{true, false} {
		account := webtest.Healthy("alice.eth")
		account.Hang = make(chan struct{})
		account.Steps = []engine.Progress{{Step: "push", Done: 1, Total: 4, Unit: "messages"}}
		b := webtest.Open(t, newSite(t, webtest.NewBackend(account)))
		b.Script(script)
		b.Visit("/")
		says := func(text string) {
			t.Helper()
			b.WaitFor(`document.querySelector("#notices").innerText.includes("` + text + `")`)
		}
		b.Click(`form[action="/accounts/pause"] button`)
		says("The account is paused.")
		b.WaitFor(`document.querySelector(".account .tone").innerText === "Paused"`)
		b.Click(`form[action="/accounts/resume"] button`)
		says("The account goes on.")
		b.WaitFor(`document.querySelector(".account .tone").innerText === "Up to date"`)
		b.Click(`form[action="/accounts/sync"] button`)
		says("A pass has begun.")
		if script { // the row of the pass moves the buttons
			b.WaitFor(`document.querySelector(".jobs progress")`)
		}
		b.Click(`form[action="/accounts/sync"] button`)
		says("That is running already.")
		b.Click(`form[action="/accounts/verify"] button`)
		says("Verifying has begun.")
		for end := time.Now().Add(time.Minute); ; { // without script, a page stays as it came
			b.Visit("/activity")
			text := b.Text(".jobs")
			if strings.Count(text, "25 %") == 2 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("script %v: what runs: %s", script, text)
			}
		}
		close(account.Hang)
		want := []string{"pause true", "pause false", "sync", "verify"}
		if calls := account.Calls(); !slices.Equal(calls, want) {
			t.Errorf("script %v: calls %q", script, calls)
		}
	}
}

// TestActionsThatFail: what can't be done is said as a sentence, and the page stays.
func TestActionsThatFail(t *testing.T) {
	account := webtest.Healthy("alice.eth")
	account.Fail = engine.ErrBlocked
	backend := webtest.NewBackend(account)
	for _, script := range []bool{true, false} {
		b := webtest.Open(t, newSite(t, backend))
		b.Script(script)
		b.Expect("status 409")
		b.Expect("Failed to load resource")
		b.Visit("/")
		b.Click(`form[action="/accounts/pause"] button`)
		b.WaitFor(`document.querySelector("main").innerText.includes("This account has stopped to be safe.")`)
		if heading := b.Text("h1"); script && heading != "Overview" {
			t.Errorf("the page went away: %s", heading)
		}
		backend.Change(func() { account.State.Paused = false })
	}
}
