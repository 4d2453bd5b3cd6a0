package webtest

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
)

// aim says where the first element that a selector finds can be clicked; empty while it is not there, not to be seen, or covered.
// A click that then lands elsewhere, because the page moved meanwhile, does nothing, and is told in webtestClick.
const aim = `(() => {
	const e = document.querySelector(%s);
	const spot = () => {
		const r = e?.getClientRects()[0];
		if (!r || !r.width || !r.height) return [];
		const x = r.left + r.width / 2, y = r.top + r.height / 2, top = document.elementFromPoint(x, y);
		return top && e.contains(top) ? [x, y] : [];
	};
	if (!spot().length) e?.scrollIntoView({block: "center", behavior: "instant"});
	const found = spot();
	if (!found.length || %t) return found;
	document.webtestClick = "none";
	window.webtestAim?.abort();
	window.webtestAim = new AbortController();
	window.addEventListener("click", (event) => {
		if (!event.isTrusted) return;
		window.webtestAim.abort();
		document.webtestClick = e.contains(event.target) ? "hit" : "missed";
		if (document.webtestClick === "hit") return;
		event.preventDefault();
		event.stopImmediatePropagation();
	}, {capture: true, signal: window.webtestAim.signal});
	return found;
})()`

// Click clicks the first element that a selector finds, where and as the mouse would, once it is there and nothing covers it. A
// page may move while one aims: what then lands elsewhere does nothing, and Click aims anew.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepWait)
	defer stop()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		spot, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(aim, quote(selector), b.quiet)))
		if err != nil || len(spot) != 2 {
			continue // a page that is on its way to another one can't be asked
		}
		b.do("click "+selector, chromedp.MouseClickXY(spot[0], spot[1]))
		if b.quiet {
			return
		}
		landed, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.webtestClick ?? "left"`))
		if err != nil || landed == "hit" || landed == "left" { // the last: another page has come where the click led there
			return
		}
	}
	b.t.Fatalf("%s can't be clicked; the page says %.600q; the browser says %q", selector, b.Text("body"), b.faultsNow())
}
