package webtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// stepWait bounds one step in the browser: it ends a test that would hang, and decides nothing else.
const stepWait = time.Minute

// Browser is one tab of a real browser before one server. What the tab complains of fails the test when it ends; see Expect.
type Browser struct {
	t      *testing.T
	ctx    context.Context
	Server *httptest.Server // of Open
	base   string           // address of the server
	quiet  bool             // the pages' scripts are off

	mu       sync.Mutex
	requests map[string]string // address by the browser's own number
	seen     []string          // addresses asked for
	bytes    float64           // transferred since the last Visit
	faults   []string
	expected []string
	allowed  []string
}

// Open starts the browser that .ci/run names, and a server on 127.0.0.1 that answers with handler. Without a browser the test
// is skipped, or fails where all servers are required.
func Open(t *testing.T, handler http.Handler) *Browser {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections() // streams never end by themselves
		server.Close()
	})
	b := OpenAt(t, server.URL)
	b.Server = server
	return b
}

// OpenAt starts the browser before a server that runs already, at an address such as http://127.0.0.1:8485.
func OpenAt(t *testing.T, base string) *Browser {
	t.Helper()
	chromium := os.Getenv("DM3SYNC_TEST_CHROMIUM")
	if chromium == "" && os.Getenv("DM3SYNC_REQUIRE_SERVERS") != "" {
		t.Fatal("DM3SYNC_TEST_CHROMIUM is not set")
	}
	if chromium == "" {
		t.Skip("needs a browser: bash .ci/run servers go test ./internal/webui/...")
	}
	b := &Browser{t: t, base: base, requests: make(map[string]string)}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(stepWait), chromedp.Env("TZ=UTC")) // in another zone, a page that cuts days loads itself anew
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	b.ctx = ctx
	// The first step starts the browser, which lives as long as that step's context.
	if err := errors.Join(chromedp.Do(ctx, chromedp.Navigate("about:blank")), chromedp.Listen(ctx, b.see)); err != nil {
		t.Fatal(err)
	}
	b.Screen(DesktopWidth, DesktopHeight)
	t.Cleanup(b.complain)
	return b
}

// do runs steps, and ends the test when one fails.
func (b *Browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepWait)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v; the browser says %q", what, err, b.faultsNow())
	}
}

// event is what is read of the browser's events. They are known by their names, so that the browser's protocol is no module of
// this one.
type event struct {
	RequestID string `json:"requestId"`
	Request   struct {
		URL string `json:"url"`
	} `json:"request"`
	Response struct {
		Status int    `json:"status"`
		URL    string `json:"url"`
	} `json:"response"`
	Entry struct {
		Level string `json:"level"`
		Text  string `json:"text"`
		URL   string `json:"url"`
	} `json:"entry"`
	Type string `json:"type"`
	Args []struct {
		Value       any    `json:"value"`
		Description string `json:"description"`
	} `json:"args"`
	ExceptionDetails  json.RawMessage `json:"exceptionDetails"`
	ErrorText         string          `json:"errorText"`
	Canceled          bool            `json:"canceled"`
	EncodedDataLength float64         `json:"encodedDataLength"`
}

// see takes one event.
func (b *Browser) see(raw any) {
	name := strings.TrimPrefix(fmt.Sprintf("%T", raw), "*")
	switch name {
	case "network.EventRequestWillBeSent", "network.EventResponseReceived", "network.EventLoadingFailed", "network.EventLoadingFinished",
		"log.EventEntryAdded", "runtime.EventConsoleAPICalled", "runtime.EventExceptionThrown":
	default:
		return
	}
	var e event
	text, err := json.Marshal(raw)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil || json.Unmarshal(text, &e) != nil {
		b.faults = append(b.faults, "an event that can't be read: "+name)
		return
	}
	b.take(name, e)
}

// take keeps what an event tells. The caller holds mu.
func (b *Browser) take(name string, e event) {
	switch name {
	case "network.EventRequestWillBeSent":
		b.requests[e.RequestID] = e.Request.URL
		if !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "blob:") {
			b.seen = append(b.seen, e.Request.URL)
			if !strings.HasPrefix(e.Request.URL, b.base) && e.Request.URL != "about:blank" {
				b.faults = append(b.faults, "asked elsewhere: "+e.Request.URL)
			}
		}
	case "network.EventResponseReceived":
		if e.Response.Status >= http.StatusBadRequest {
			b.faults = append(b.faults, fmt.Sprintf("status %d: %s", e.Response.Status, e.Response.URL))
		}
	case "network.EventLoadingFailed":
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" { // a page that is left ends its requests
			b.faults = append(b.faults, fmt.Sprintf("failed %s: %s", e.ErrorText, b.requests[e.RequestID]))
		}
	case "network.EventLoadingFinished":
		b.bytes += e.EncodedDataLength
	case "log.EventEntryAdded":
		b.faults = append(b.faults, "log: "+e.Entry.Level+" "+e.Entry.Text+" "+e.Entry.URL)
	case "runtime.EventConsoleAPICalled":
		text := "console: " + e.Type
		for _, argument := range e.Args {
			text += fmt.Sprint(" ", argument.Value, argument.Description)
		}
		b.faults = append(b.faults, text)
	case "runtime.EventExceptionThrown":
		b.faults = append(b.faults, "exception: "+string(e.ExceptionDetails))
	}
}

// Expect lets complaints pass that contain text; each must come at least once.
func (b *Browser) Expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

// Allow lets complaints pass that contain text, where they come: those of a request that is under way when its server ends.
func (b *Browser) Allow(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, text)
}

func (b *Browser) faultsNow() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.faults)
}

// Faults returns what the browser complained of so far, and forgets it.
func (b *Browser) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

func (b *Browser) complain() {
	came := make(map[string]bool)
	for _, fault := range b.Faults() {
		holds := func(text string) bool { return strings.Contains(fault, text) }
		i := slices.IndexFunc(b.expected, holds)
		if i < 0 && slices.ContainsFunc(b.allowed, holds) {
			continue
		}
		if i < 0 {
			b.t.Errorf("the browser complains: %s", line(fault))
			continue
		}
		came[b.expected[i]] = true
	}
	for _, text := range b.expected {
		if !came[text] {
			b.t.Errorf("no complaint came like %q", text)
		}
	}
}

func line(text string) string { return text[:min(len(text), 1500)] }

// Requests returns the addresses that were asked for since the last call.
func (b *Browser) Requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// scripted is true once a page's scripts have begun: those of the frame, and what listens to its forms and fields.
const scripted = `(document.documentElement.classList.contains("ready") || !document.querySelector("script[src*='/static/app.js']")) &&
	(!window.htmx || !document.querySelector("[hx-get], [hx-post]") || document.querySelector("[data-htmx-powered]"))`

// Visit loads a page, given by its path and query, and waits until it is there with its script.
func (b *Browser) Visit(path string) {
	b.t.Helper()
	b.mu.Lock()
	b.bytes = 0
	b.mu.Unlock()
	b.do("visit "+path, chromedp.Navigate(b.base+path))
	b.WaitFor("true")
}

// Type puts text into a field, key by key.
func (b *Browser) Type(selector, text string) {
	b.t.Helper()
	b.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Press presses keys wherever the focus is; see the names in chromedp/kb.
func (b *Browser) Press(keys string) {
	b.t.Helper()
	b.do("press "+keys, chromedp.KeyEvent(keys))
}

// Wait waits until a CSS selector finds something that can be seen.
func (b *Browser) Wait(selector string) {
	b.t.Helper()
	b.WaitFor(fmt.Sprintf(`[...document.querySelectorAll(%s)].some(e => e.getClientRects().length > 0 && e.checkVisibility({visibilityProperty: true}))`, quote(selector)))
}

// WaitFor waits until an expression is true in a page that is there with its script: one that is on its way to another one, or
// half read, is none.
func (b *Browser) WaitFor(expression string) {
	b.t.Helper()
	ready := `document.readyState === "complete"`
	if !b.quiet {
		ready += " && " + scripted
	}
	deadline := time.Now().Add(stepWait)
	for {
		ctx, stop := context.WithDeadline(b.ctx, deadline)
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(() => { try { return "+ready+" && !!("+expression+") } catch { return false } })()"))
		stop()
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("never true: %s (%v); the page says %.600q; the browser says %q", expression, err, b.Text("body"), b.faultsNow())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Text is what a person reads in the first element that a CSS selector finds; empty where there is none.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return Evaluate[string](b, fmt.Sprintf(`(document.querySelector(%s)?.innerText ?? "")`, quote(selector)))
}

// Count says how many elements a CSS selector finds.
func (b *Browser) Count(selector string) int {
	b.t.Helper()
	return Evaluate[int](b, fmt.Sprintf(`document.querySelectorAll(%s).length`, quote(selector)))
}

// Location is path and query of the page.
func (b *Browser) Location() string {
	b.t.Helper()
	address, err := url.Parse(Evaluate[string](b, `location.href`))
	if err != nil {
		b.t.Fatal(err)
	}
	return address.RequestURI()
}

// Evaluate asks the page.
func Evaluate[T any](b *Browser, expression string) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepWait)
	defer stop()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", line(expression), err)
	}
	return value
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can be written, always
	return string(quoted)
}

// environmentFile reads the file that a variable names; the test is skipped or fails without it, as without a browser.
func environmentFile(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" && os.Getenv("DM3SYNC_REQUIRE_SERVERS") != "" {
		t.Fatalf("%s is not set", variable)
	}
	if path == "" {
		t.Skipf("needs %s: bash .ci/run servers go test ./internal/webui/...", variable)
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(errors.Join(errors.New(variable), err))
	}
	return string(text)
}
