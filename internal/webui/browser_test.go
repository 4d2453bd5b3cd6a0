package webui_test

import (
	"errors"
	"testing"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/webui"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// newSite is the page of an agent.
func newSite(t *testing.T, b *webtest.Backend) *webui.Site {
	t.Helper()
	site, err := webui.New(webui.Options{Backend: b, Version: "1.2.3", Now: b.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	return site
}

// shellPaths are the pages of the frame.
func shellPaths() []string {
	return []string{"/", "/activity", "/problems", "/charts", "/help", "/nothing/here"}
}

// TestPages: every page shows without a complaint, fits a phone and a desk, can be used by everybody, and hostile words never
// become markup.
func TestPages(t *testing.T) {
	for name, accounts := range map[string][]*webtest.Account{"states": webtest.All(), "hostile": webtest.HostileAccounts(), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			backend := webtest.NewBackend(accounts...)
			for _, text := range webtest.Hostile() {
				backend.Feed.Note(activity.Event{Account: text, Kind: text, Contact: text, Text: text, Error: text})
				job := backend.Feed.Start(text, text, text)
				job.Progress(text, 1, 3, text)
				backend.Feed.Start(text, "", text).End(errors.New(text))
			}
			b := webtest.Open(t, newSite(t, backend))
			b.Expect("status 404")
			b.Expect("log: error Failed to load resource")
			for _, path := range shellPaths() {
				b.Screen(webtest.PhoneWidth, webtest.PhoneHeight)
				b.Visit(path)
				b.Fits()
				b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
				b.Visit(path)
				b.Fits()
				b.Accessible()
				if webtest.Evaluate[bool](b, webtest.Markup) {
					t.Errorf("%s: words became markup", path)
				}
			}
		})
	}
}
