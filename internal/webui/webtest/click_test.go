package webtest

import (
	"net/http"
	"testing"
)

// TestClickThatMisses: a click that lands beside what was meant, because the page moved under the hand, does nothing, and is made
// anew; one that lands is made once.
func TestClickThatMisses(t *testing.T) {
	const page = `<!DOCTYPE html><html lang="en"><head><title>x</title><link rel="icon" href="data:,"></head><body>
<button id="other">other</button><p id="room"></p><button id="meant">meant</button></body></html>`
	b := Open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	}))
	b.Visit("/")
	// The buttons change places once the mouse goes down, as late as can be.
	Evaluate[bool](b, `(() => {
		window.clicks = [];
		addEventListener("click", (event) => clicks.push(event.target.id));
		const other = document.getElementById("other"), meant = document.getElementById("meant"), after = {once: true, capture: true};
		addEventListener("mousedown", () => { const next = other.nextSibling; meant.before(other); next.before(meant); }, after);
		return true;
	})()`)
	b.Click("#meant")
	if got := Evaluate[[]string](b, `clicks`); len(got) != 1 || got[0] != "meant" {
		t.Errorf("clicked: %q", got)
	}
}
