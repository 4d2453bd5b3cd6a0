package webui_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// TestDocumentPictures makes the pictures that README.md and internal/docs show, where DM3SYNC_TEST_PICTURES names a folder for
// them: internal/docs/pictures. What stands in them is made up.
func TestDocumentPictures(t *testing.T) {
	now := time.Now()
	a := webtest.Healthy("alice.eth")
	a.Talks = nil
	a.State.Provider, a.State.Place = "webdav", "https://cloud.example.org/remote.php/dav/files/alice/dm3sync"
	a.State.LastSuccess = now
	a.Hold("bob.eth", dialogue(t, now)...)
	a.Away = map[string]int64{"bob.eth": now.AddDate(0, -7, 0).UnixMilli()}
	for i, name := range []string{"carol.eth", "dave.addr.dm3.eth", "erin.eth", "мария.eth", "choir.eth"} {
		text := []string{"See you there.", "The list for the garden is attached.", "Gladly.", "до завтра!", "Friday at seven, and bring the notes."}[i]
		at := now.AddDate(0, 0, -i*i-1)
		a.Hold(name, webtest.Envelopes(t, webtest.Told{From: "alice.eth", Kind: "NEW", Text: "Thank you!", About: -1, At: at.Add(-time.Hour).UnixMilli()},
			webtest.Told{From: name, Kind: "NEW", Text: text, About: -1, At: at.UnixMilli()})...)
	}
	a.State.Conversations, a.State.Chunks = len(a.Talks), len(a.Talks)+3
	b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
	light, dark := map[string]string{"prefers-color-scheme": "light"}, map[string]string{"prefers-color-scheme": "dark"}
	show := func(name string, scheme map[string]string, width, height int64, path, ready string) {
		b.Media(scheme)
		b.Screen(width, height)
		b.Visit(path)
		b.WaitFor(ready)
		b.Picture(name)
	}
	show("overview", light, 1100, 720, "/", `document.documentElement.classList.contains("ready")`)
	show("conversation", light, 1100, 720, talkPath("bob.eth"), `document.querySelector(".reader.ready")`)
	webtest.Evaluate[bool](b, `([...document.querySelectorAll("article")].find(e => e.textContent.includes("both tickets")).scrollIntoView({block: "center"}), true)`)
	b.Picture("conversation")
	show("search", dark, 1100, 720, "/search?q=house", `document.querySelector(".hits")`)
	show("phone", light, webtest.PhoneWidth, webtest.PhoneHeight, "/conversations", `document.querySelectorAll(".talk").length >= 6`)
	b.Media(nil)
	m := newMachine(t)
	s := webtest.Open(t, m.site)
	s.Media(light)
	s.Screen(1100, 720)
	s.Visit("/setup/who")
	webtest.Evaluate[bool](s, `(document.getElementById("key").open = true)`)
	s.Fill("#secret", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	s.Fill("#key-name", "alice.eth")
	s.Click("#key button")
	s.WaitFor(`document.querySelectorAll(".kinds .kind").length > 5`)
	s.Picture("set-up")
}
