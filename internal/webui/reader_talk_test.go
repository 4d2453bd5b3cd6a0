package webui_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// picture is a small image as a message carries it.
func picture(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 480, 270))
	for y := range 270 {
		for x := range 480 {
			m.Set(x, y, color.RGBA{uint8(60 + x/4), uint8(120 + y/3), uint8(200 - x/5), 255})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes())
}

// dialogue is a conversation of two days with all that messages can be, after some months of others.
func dialogue(t *testing.T, now time.Time) []container.Envelope {
	t.Helper()
	const a, b = "alice.eth", "bob.eth"
	var list []webtest.Told
	say := func(minutes int, from, kind, text string, about int, attachments ...map[string]string) int {
		list = append(list, webtest.Told{From: from, Kind: kind, Text: text, About: about, At: now.Add(time.Duration(minutes) * time.Minute).UnixMilli(), Attachments: attachments})
		return len(list) - 1
	}
	for i := range 260 {
		from := b
		if i%3 == 1 {
			from = a
		}
		say(-60*24*400+i*60*36+i%9*7, from, "NEW", []string{"Good morning!", "Did you see the notes of the meeting? I put them where the others are.", "Yes, thanks.", "Let's talk on Monday, then."}[i%4], -1)
	}
	day := -60 * 26
	say(day, b, "NEW", "Morning! The train is at 7:42, platform 4.", -1)
	say(day+1, b, "NEW", "I have both tickets.", -1)
	three := say(day+3, a, "NEW", "Perfect. I'll bring coffee ☕", -1)
	say(day+4, b, "REACTION", "❤️", three)
	say(day+5, b, "READ_OPENED", "", three)
	four := say(day+20, b, "NEW", "By the way, the house is here: https://maps.example/r/4812?view=3d — the garden is lovely.", -1)
	say(day+22, a, "REPLY", "Looks great! How far is it from the station?", four)
	say(day+30, b, "NEW", "About ten minutes on foot.", -1)
	six := say(day+31, b, "NEW", "Five, if it rains 😄", -1)
	say(day+32, b, "EDIT", "Five, if it rains 😄 (take the path along the river)", six)
	say(day+33, a, "REACTION", "😂", six)
	say(day+33, b, "REACTION", "😂", six)
	gone := say(day+40, a, "NEW", "wrong window, sorry", -1)
	say(day+41, a, "DELETE_REQUEST", "", gone)
	say(-200, b, "NEW", "", -1, map[string]string{"name": "garden.png", "data": picture(t)})
	say(-199, b, "NEW", "That's the view from the kitchen.", -1, map[string]string{"name": "plan of the house.pdf", "data": "data:application/pdf;base64,JVBERi0xLjcK"},
		map[string]string{"name": "video.mp4", "data": "https://media.example/v/1.mp4"})
	say(-190, a, "NEW", "שלום! מה שלומך? — 你好 — नमस्ते", -1)
	say(-150, b, "NEW", "Minutes:\n1. who cooks\n2. who drives\n3. who brings the games\n\n"+strings.Repeat("Each of us takes one evening, and nobody washes up twice in a row. ", 90), -1)
	last := say(-12, a, "NEW", "I'll take Friday.", -1)
	say(-11, b, "READ_RECEIVED", "", last)
	say(-3, a, "NEW", "And the games, of course.", -1)
	return webtest.Envelopes(t, list...)
}

// TestReaderPictures keeps pictures of the reader's pages, where a folder is named for them.
func TestReaderPictures(t *testing.T) {
	now := time.Now()
	a := reading("bob.eth", dialogue(t, now)...)
	a.State.Place = "/home/alice/Nextcloud/dm3"
	a.Away = map[string]int64{"bob.eth": now.AddDate(0, -7, 0).UnixMilli()}
	for i, name := range []string{"carol.addr.dm3.eth", "dave.eth", "the-very-long-name-of-somebody-who-likes-long-names.and-subdomains.too.eth", "erin.eth", "мария.eth", "0x71cb05ee1b1f506ff321da3dac38f25c0c9ce6e1.addr.dm3.eth"} {
		a.Hold(name, webtest.Envelopes(t, webtest.Told{From: name, Kind: "NEW", Text: []string{"See you there.", "The invoice is attached, and so is the list of what was delivered in October.", "👍", "ok"}[i%4], About: -1, At: now.AddDate(0, -i*i/3, -i*2).UnixMilli()},
			webtest.Told{From: "alice.eth", Kind: "NEW", Text: "Thank you!", About: -1, At: now.AddDate(0, -i*i/3, -i*2).Add(time.Hour * time.Duration(i%2*2-1)).UnixMilli()})...)
	}
	a.Talks[3].Hidden, a.Talks[2].Pending = true, 2
	b := webtest.Open(t, newSite(t, webtest.NewBackend(a)))
	b.Pictures("reader-list", "/conversations")
	b.Pictures("reader-talk", talkPath("bob.eth"))
	for _, size := range []string{"phone", "desk"} {
		b.Screen(webtest.PhoneWidth, webtest.PhoneHeight)
		if size == "desk" {
			b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
		}
		b.Visit(talkPath("bob.eth"))
		b.WaitFor(`document.querySelector(".reader.ready")`)
		for i, text := range []string{"maps.example", "kitchen"} {
			webtest.Evaluate[bool](b, fmt.Sprintf(`([...document.querySelectorAll("article")].find(e => e.textContent.includes(%q)).scrollIntoView({block: "center"}), true)`, text))
			b.Picture(fmt.Sprint("reader-talk-", size, "-", i))
		}
		webtest.Evaluate[bool](b, `(document.querySelector("[data-record]").click(), true)`)
		b.Wait("#record-json")
		b.Picture("reader-record-" + size)
		b.Visit(talkPath("bob.eth") + "?at=" + a.Messaged["bob.eth"][262].Hash.String()[2:])
		b.WaitFor(`document.querySelector(".reader.ready")`)
		if size == "phone" {
			webtest.Evaluate[bool](b, `(document.querySelector(".reader-line-button").click(), true)`)
		}
		b.Picture("reader-at-" + size)
	}
	rough := reading("bob.eth", webtest.HostileRecords(t, "bob.eth", "alice.eth")...)
	h := webtest.Open(t, newSite(t, webtest.NewBackend(rough)))
	h.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	h.Visit(talkPath("bob.eth"))
	h.WaitFor(`document.querySelector(".reader.ready")`)
	h.Picture("reader-hostile")
	webtest.Evaluate[bool](h, `(document.querySelector("article").scrollIntoView(), true)`)
	h.Picture("reader-hostile-2")
	b.Pictures("reader-search", "/search?q=the")
	b.Pictures("reader-delete", talkPath("bob.eth")+"/delete?way=range&from=2025-01-01&to=2027-01-01")
}

// TestStaysAtTheEnd: a conversation opens at its newest message, also where a picture comes late, and stays there when the window
// shrinks; who has gone up is left alone.
func TestStaysAtTheEnd(t *testing.T) {
	b := webtest.Open(t, newSite(t, webtest.NewBackend(reading("bob.eth", dialogue(t, time.Now())...))))
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Visit(talkPath("bob.eth"))
	b.WaitFor(`document.querySelector(".reader.ready")`)
	const left = `(() => { const s = document.getElementById("reader-scroll"); return s.scrollHeight - s.scrollTop - s.clientHeight })()`
	b.WaitFor(left + ` < 3`)
	const newest = `[...document.querySelectorAll("#slices > .slice")].at(-1).getBoundingClientRect().height`
	high := webtest.Evaluate[float64](b, newest)
	b.WaitFor(`[...document.querySelectorAll("#slices img")].every(i => (i.loading = "eager", i.complete))`)
	if now := webtest.Evaluate[float64](b, newest); now != high {
		t.Errorf("a picture that came made the conversation %g pixels high, it was %g", now, high)
	}
	webtest.Evaluate[bool](b, `(document.querySelector("article").style.paddingTop = "300px", true)`)
	b.WaitFor(left + ` < 3`)
	b.Screen(webtest.DesktopWidth, 500)
	b.WaitFor(left + ` < 3`)
	webtest.Evaluate[bool](b, `(document.getElementById("reader-scroll").scrollTop -= 700, true)`)
	b.WaitFor(left + ` > 600`)
	b.Screen(webtest.DesktopWidth, 480)
	b.WaitFor(`innerHeight === 480`)
	if far := webtest.Evaluate[int](b, left); far < 600 {
		t.Errorf("who had gone up is %d pixels from the end", far)
	}
}
