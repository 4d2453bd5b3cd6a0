package readable_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/internal/servertest"
)

// watch gathers what a browser tells of a page: requests, and what stands in its console.
type watch struct {
	mu       sync.Mutex
	requests []string
	console  []string
}

// see takes one event. Events are known by their names, so that the browser's protocol is no module of this one.
func (w *watch) see(event any) {
	var fields struct {
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
		Entry struct {
			Text string `json:"text"`
		} `json:"entry"`
	}
	name := fmt.Sprintf("%T", event)
	if name != "*network.EventRequestWillBeSent" && name != "*log.EventEntryAdded" && name != "*runtime.EventConsoleAPICalled" && name != "*runtime.EventExceptionThrown" {
		return
	}
	text, err := json.Marshal(event)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil || json.Unmarshal(text, &fields) != nil:
		w.console = append(w.console, "an event that can't be read: "+name)
	case name == "*network.EventRequestWillBeSent":
		w.requests = append(w.requests, fields.Request.URL)
	default:
		w.console = append(w.console, name+" "+fields.Entry.Text)
	}
}

// take returns what was seen since the last call; embedded images are no requests.
func (w *watch) take() (requests, console []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	requests, console = w.requests, w.console
	w.requests, w.console = nil, nil
	return slices.DeleteFunc(requests, func(url string) bool { return strings.HasPrefix(url, "data:") }), console
}

// browser starts the browser that .ci/run names.
func browser(t *testing.T) (context.Context, *watch) {
	t.Helper()
	chromium := servertest.Named(t, "DM3SYNC_TEST_CHROMIUM")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(2*time.Minute)) // it may come up slowly
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	w := &watch{}
	if err := errors.Join(chromedp.Do(ctx, chromedp.Navigate("about:blank")), chromedp.Listen(ctx, w.see)); err != nil {
		t.Fatal(err)
	}
	return ctx, w
}

// evaluate asks the page.
func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// TestPagesInChromium: a real browser shows the pages with their style, asks for nothing but them, has nothing to complain of,
// and runs nothing of what hostile people sent.
func TestPagesInChromium(t *testing.T) {
	ctx, seen := browser(t)
	open := func(path string) (requests, console []string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate("file://"+path)); err != nil {
			t.Fatal(err)
		}
		if state := evaluate[string](t, ctx, `document.readyState`); state != "complete" { // what happened before is told before
			t.Errorf("%s is %s", path, state)
		}
		return seen.take()
	}
	// What is looked for is seen where it is there.
	control := filepath.Join(t.TempDir(), "control.html")
	text := `<meta http-equiv="Content-Security-Policy" content="script-src 'none'"><script>document.title="hacked"</script><img src="http://127.0.0.1:1/x.png">`
	if err := os.WriteFile(control, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if requests, console := open(control); len(requests) != 2 || len(console) == 0 {
		t.Fatalf("the browser tells too little: %q %q", requests, console)
	}
	for name, h := range map[string]*history{"example": example(t), "hostile": hostile(t)} {
		folder := filepath.Join(t.TempDir(), "export")
		_, got := export(t, h.options(readable.HTML, folder))
		pages := 0
		for file := range got {
			if filepath.Ext(file) != ".html" {
				continue
			}
			pages++
			path := filepath.Join(folder, filepath.FromSlash(file))
			requests, console := open(path)
			if !slices.Equal(requests, []string{"file://" + path}) || len(console) > 0 {
				t.Errorf("%s %s: requests %q, console %q", name, file, requests, console)
			}
			if title := evaluate[string](t, ctx, `document.title`); strings.Contains(title, "hacked") || evaluate[int](t, ctx, `document.scripts.length`) != 0 {
				t.Errorf("%s %s: the title is %q", name, file, title)
			}
			if style := evaluate[string](t, ctx, `getComputedStyle(document.body).maxWidth`); style == "none" {
				t.Errorf("%s %s is shown without its style", name, file)
			}
			if broken := evaluate[int](t, ctx, `[...document.images].filter(i => !i.naturalWidth).length`); broken != 0 {
				t.Errorf("%s %s: %d images are not shown", name, file, broken)
			}
			if outside := evaluate[int](t, ctx, `[...document.querySelectorAll("article")].filter(a => a.scrollWidth > document.documentElement.clientWidth).length`); outside != 0 {
				t.Errorf("%s %s: %d entries are wider than the page", name, file, outside)
			}
		}
		if pages < 2 {
			t.Errorf("%s: %d pages", name, pages)
		}
	}
	if err := chromedp.Cancel(ctx); err != nil { // and wait until it has ended
		t.Error(err)
	}
}
