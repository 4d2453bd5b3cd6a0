package webui_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// TestKeyboard: every page of the frame can be walked through by keys, and it shows where one is.
func TestKeyboard(t *testing.T) {
	b := webtest.Open(t, newSite(t, webtest.NewBackend(webtest.States()["healthy"], webtest.States()["blocked"])))
	for _, path := range []string{"/", "/activity", "/problems", "/charts", "/help"} {
		b.Visit(path)
		reachable := webtest.Evaluate[int](b, `[...document.querySelectorAll("a[href],button,select,input,summary,[tabindex='0']")].filter(e => e.checkVisibility() && e.type !== "hidden").length`)
		seen := 0
		webtest.Evaluate[bool](b, `(window.walked = new Set(), true)`)
		for range reachable + 2 {
			b.Press(kb.Tab)
			state := webtest.Evaluate[string](b, `(() => {
				const e = document.activeElement;
				if (e === document.body) return "end";
				if (walked.has(e)) return "end";
				walked.add(e);
				const style = getComputedStyle(e), box = e.getBoundingClientRect();
				if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return "no ring: " + e.outerHTML.slice(0, 200);
				if (box.bottom < 0 || box.top > innerHeight) return "not in sight: " + e.outerHTML.slice(0, 200);
				return "";
			})()`)
			if state == "end" {
				break
			}
			if seen++; state != "" {
				t.Errorf("%s: %s", path, state)
			}
		}
		if seen < reachable {
			t.Errorf("%s: the keys reach %d of %d elements", path, seen, reachable)
		}
	}
}

// TestKeys: the skip link, and the keys that the page lists under "?".
func TestKeys(t *testing.T) {
	b := webtest.Open(t, newSite(t, webtest.NewBackend(webtest.All()...)))
	b.Visit("/")
	b.Press(kb.Tab)
	b.Press(kb.Enter)
	b.WaitFor(`document.activeElement.id === "main"`)
	hurry := func() { // two keys belong together when they come quickly, which a busy machine does not grant
		webtest.Evaluate[bool](b, `Boolean(Object.defineProperty(Event.prototype, "timeStamp", {get: () => 1}))`)
	}
	hurry()
	b.Press("?")
	b.WaitFor(`document.getElementById("shortcuts").open`)
	b.Press("gp") // does nothing while the list is open
	b.Press(kb.Escape)
	b.WaitFor(`!document.getElementById("shortcuts").open && location.pathname === "/"`)
	for _, c := range []struct{ keys, path string }{{"gp", "/problems"}, {"ga", "/activity"}, {"gt", "/charts"}, {"gh", "/help"}, {"go", "/"}} {
		hurry()
		b.Press(c.keys)
		b.WaitFor(`location.pathname === "` + c.path + `" && document.documentElement.classList.contains("ready")`)
	}
	b.Visit("/help")
	b.Click("#keys-off")
	webtest.Evaluate[bool](b, `(document.activeElement.blur(), true)`) // in a field, keys are letters anyway
	hurry()
	b.Press("?")
	b.Press("gp")
	if b.Location() != "/help" || webtest.Evaluate[bool](b, `document.getElementById("shortcuts").open`) {
		t.Error("the keys are not off")
	}
	b.Visit("/help")
	if !webtest.Evaluate[bool](b, `document.getElementById("keys-off").checked`) {
		t.Error("that the keys are off is not kept")
	}
}

// TestColours: dark and light by the system, and by the switch, which is kept.
func TestColours(t *testing.T) {
	b := webtest.Open(t, newSite(t, webtest.NewBackend(webtest.All()...)))
	const ground = `getComputedStyle(document.body).backgroundColor`
	colour := func(scheme string) string {
		b.Media(map[string]string{"prefers-color-scheme": scheme})
		b.Visit("/")
		return webtest.Evaluate[string](b, ground)
	}
	dark, light := colour("dark"), colour("light")
	if dark == light {
		t.Fatalf("both are %s", dark)
	}
	b.Click(`.themes button[value="dark"]`)
	b.WaitFor(ground + ` === "` + dark + `"`)
	b.WaitFor(`document.querySelector(".themes button[value='dark']").getAttribute("aria-pressed") === "true"`)
	b.WaitFor(`performance.getEntriesByType("resource").some(e => e.name.endsWith("/appearance"))`) // the choice has arrived
	for _, path := range []string{"/", "/problems"} {
		b.Visit(path)
		if got := webtest.Evaluate[string](b, ground); got != dark {
			t.Errorf("%s: the choice is not kept: %s", path, got)
		}
		b.Accessible()
	}
	b.Script(false)
	b.Visit("/")
	b.Click(`.themes button[value="auto"]`)
	b.WaitFor(ground + ` === "` + light + `"`)
}

// TestMenuOfThePhone: the pages that have no room in the bar stand in a sheet, which keys and fingers open and close.
func TestMenuOfThePhone(t *testing.T) {
	b := webtest.Open(t, newSite(t, webtest.NewBackend(webtest.All()...)))
	b.Screen(webtest.PhoneWidth, webtest.PhoneHeight)
	b.Visit("/")
	b.WaitFor(`!document.querySelector(".sheet").checkVisibility()`)
	b.Click(".more summary")
	b.Wait(".sheet")
	b.Accessible()
	b.Press(kb.Escape)
	b.WaitFor(`!document.querySelector(".sheet").checkVisibility() && document.activeElement.matches(".more summary")`)
	b.Press(kb.Enter)
	b.Click(`.sheet a[href="/problems"]`)
	b.WaitFor(`location.pathname === "/problems"`)
	b.Script(false)
	b.Visit("/")
	b.Wait(`.sheet a[href="/problems"]`)
	b.Fits()
}

// TestReducedMotion: nothing moves for those who ask for that.
func TestReducedMotion(t *testing.T) {
	backend := webtest.NewBackend(webtest.Healthy("alice.eth"))
	backend.Feed.Start("alice.eth", "fetch", "Fetching")
	b := webtest.Open(t, newSite(t, backend))
	for wish, want := range map[string]string{"no-preference": "going", "reduce": "none"} {
		b.Media(map[string]string{"prefers-reduced-motion": wish})
		b.Visit("/activity")
		if got := webtest.Evaluate[string](b, `getComputedStyle(document.querySelector("progress")).animationName`); got != want {
			t.Errorf("%s: %s", wish, got)
		}
	}
}
