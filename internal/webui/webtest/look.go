package webtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Sizes of screens, in CSS pixels.
const (
	PhoneWidth, PhoneHeight     = 360, 740
	DesktopWidth, DesktopHeight = 1280, 860
)

// Screen sets the size of the window.
func (b *Browser) Screen(width, height int64) {
	b.t.Helper()
	b.do("screen", chromedp.EmulateViewport(width, height))
}

// Media makes the browser say that the user prefers what features name: "prefers-color-scheme" is "dark", and the like.
func (b *Browser) Media(features map[string]string) {
	b.t.Helper()
	var list []*emulation.MediaFeature
	for name, value := range features {
		list = append(list, &emulation.MediaFeature{Name: name, Value: value})
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list}); err != nil {
		b.t.Fatal(err)
	}
}

// Script switches the pages' scripts off (false) or on, from the next page on. Evaluate works all the same.
func (b *Browser) Script(on bool) {
	b.t.Helper()
	b.quiet = !on
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		b.t.Fatal(err)
	}
}

// Picture keeps a picture of what the window shows in the folder that DM3SYNC_TEST_PICTURES names; without it, it does nothing.
func (b *Browser) Picture(name string) {
	b.t.Helper()
	folder := os.Getenv("DM3SYNC_TEST_PICTURES")
	if folder == "" {
		return
	}
	image, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if image, err = Small(image); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), image, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// Pictures keeps pictures of a page as a phone and a desk show it, light and dark.
func (b *Browser) Pictures(name, path string) {
	b.t.Helper()
	if os.Getenv("DM3SYNC_TEST_PICTURES") == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		b.Media(map[string]string{"prefers-color-scheme": scheme})
		for _, screen := range []struct {
			word          string
			width, height int64
		}{{"phone", PhoneWidth, PhoneHeight}, {"desk", DesktopWidth, DesktopHeight}} {
			b.Screen(screen.width, screen.height)
			b.Visit(path)
			high := Evaluate[int64](b, `document.documentElement.scrollHeight`)
			b.Screen(screen.width, min(max(high, screen.height), 2*screen.height))
			b.Picture(name + "-" + screen.word + "-" + scheme)
		}
	}
	b.Media(nil)
}

// Fits fails the test when the page is wider than its window, naming what sticks out.
func (b *Browser) Fits() {
	b.t.Helper()
	if wide := b.wide(); len(wide) > 0 {
		b.t.Errorf("%s is wider than the window: %q", b.Location(), wide)
	}
}

// wide names what sticks out of the window.
func (b *Browser) wide() []string {
	b.t.Helper()
	return Evaluate[[]string](b, `(() => {
		const width = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= width) return [];
		return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 0.5).slice(0, 5)
			.map(e => e.tagName + "." + (e.getAttribute("class") ?? "") + " " + Math.round(e.getBoundingClientRect().right) + " > " + width);
	})()`)
}

// Accessible fails the test when axe-core finds a serious or critical fault in the page.
func (b *Browser) Accessible() {
	b.t.Helper()
	for _, v := range b.violations() {
		message := fmt.Sprintf("%s: axe: %s, %s: %s %q", b.Location(), v.Impact, v.ID, v.Help, v.Nodes)
		if v.serious() {
			b.t.Error(message)
		} else {
			b.t.Log(message)
		}
	}
}

// violation is a fault that axe-core finds.
type violation struct {
	ID, Impact, Help string
	Nodes            []string
}

func (v violation) serious() bool { return v.Impact == "serious" || v.Impact == "critical" }

// violations asks axe-core, which is put into the page by the browser, since the page's policy would refuse it.
func (b *Browser) violations() (list []violation) {
	b.t.Helper()
	source := environmentFile(b.t, "DM3SYNC_TEST_AXE")
	Evaluate[bool](b, source+";true")
	Evaluate[bool](b, `(window.axeDone = undefined, axe.run(document, {resultTypes: ["violations"]}).then(
		result => { window.axeDone = JSON.stringify(result.violations.map(v => ({id: v.id, impact: v.impact, help: v.help,
			nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))) },
		fault => { window.axeDone = JSON.stringify([{id: "axe", impact: "critical", help: String(fault)}]) }), true)`)
	b.WaitFor(`window.axeDone !== undefined`)
	if err := json.Unmarshal([]byte(Evaluate[string](b, `window.axeDone`)), &list); err != nil {
		b.t.Fatal(err)
	}
	return list
}

// Weight is what the first view of a page costs.
type Weight struct {
	Bytes        float64 // transferred, headers too
	Milliseconds float64 // until the first paint of content
	Steps        string  // when, in milliseconds, the first byte came, all of the page was read, its scripts had run
}

// Weigh loads a page as a browser does that was never there before.
func (b *Browser) Weigh(path string) (w Weight) {
	b.t.Helper()
	b.do("empty the cache", chromedp.Navigate("about:blank"))
	b.ClearCache()
	b.Visit(path)
	b.WaitFor(`performance.getEntriesByName("first-contentful-paint").length > 0`)
	w.Milliseconds = Evaluate[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
	w.Steps = Evaluate[string](b, `(n => [n.responseStart, n.domInteractive, n.domContentLoadedEventEnd].map(Math.round).join(", "))(performance.getEntriesByType("navigation")[0])`)
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Bytes = b.bytes
	return w
}

// ClearCache makes the browser forget what it keeps of pages.
func (b *Browser) ClearCache() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.ClearBrowserCache, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
}
