package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// TestPageOnTheSocket: the agent shows its accounts to browsers, and nothing where the configuration wants no page.
func TestPageOnTheSocket(t *testing.T) {
	for _, page := range []bool{true, false} {
		d := newDevice(t, "alice.eth")
		d.config.Interface.Page = &page
		_, stop := d.start()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", d.config.Socket)
		}}}
		response, err := client.Get("http://agent/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if shown := response.StatusCode == http.StatusOK && strings.Contains(string(text), "alice.eth"); err != nil || shown != page {
			t.Errorf("page %v: %s, %v: %.300s", page, response.Status, err, text)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestPageInChromium: a browser that came in by a link sees the agent's accounts, and what happens to them, through the guard.
func TestPageInChromium(t *testing.T) {
	d := newDevice(t, "alice.eth")
	client, stop := d.start()
	link, err := client.NewLink(t.Context(), api.LinkOptions{Numeric: true})
	if err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isOpen)
	base := "http://" + link.Address
	b := webtest.OpenAt(t, base)
	b.Visit(strings.TrimPrefix(link.URL, base))
	b.WaitFor(`location.pathname === "/" && document.documentElement.classList.contains("ready")`)
	b.WaitFor(`document.querySelector("h2 .name").textContent === "alice.eth"`)
	message := `{"message":{"message":"hello","metadata":{"from":"alice.eth","timestamp":5,"to":"bob.eth","type":"NEW"},"signature":"` + strings.Repeat("A", 86) + `=="}}`
	if _, err := client.Account("alice.eth").Append(t.Context(), strings.NewReader(message), history.AppendOptions{Contact: "bob.eth"}); err != nil {
		t.Fatal(err)
	}
	// Nobody reloads the page: the agent tells it.
	b.WaitFor(`[...document.querySelectorAll(".stats dd a")].some(a => a.textContent === "1")`)
	b.Click(`form[action="/accounts/pause"] button`)
	b.WaitFor(`document.querySelector("#notices").innerText.includes("The account is paused.")`)
	until(t, client, "alice.eth", func(s api.AccountStatus) bool { return s.Paused })
	saveCopies(t, b)
	for _, path := range []string{"/activity", "/charts", "/problems", "/help", "/"} {
		b.Visit(path)
		b.Accessible()
	}
	b.Expect("failed net::ERR") // the agent ends while the page listens
	b.Expect("Failed to load resource")
	b.Allow("console: error htmx: htmx:error: Failed to fetch") // where it looks again just then
	if err := stop(); err != nil {
		t.Error(err)
	}
	b.WaitFor(`document.getElementById("link-state").textContent.includes("does not answer")`)
}

// saveCopies follows what the page offers to save, of the account and of its conversation with bob.eth, as the browser does.
func saveCopies(t *testing.T, b *webtest.Browser) {
	t.Helper()
	for _, page := range []string{"/copies/YWxpY2UuZXRo", "/c/YWxpY2UuZXRo/Ym9iLmV0aA/copies"} {
		b.Visit(page)
		b.Accessible()
		webtest.Evaluate[bool](b, `(window.got = undefined, Promise.all([...document.querySelectorAll("#main form option")].map(o => {
			o.selected = true;
			return o.form.action + "?" + new URLSearchParams(new FormData(o.form));
		}).concat([...document.querySelectorAll("#main .actions a")].map(a => a.href)).map(async at => {
			const answer = await fetch(at), bytes = await answer.arrayBuffer();
			return [answer.status, answer.headers.get("Content-Disposition"), bytes.byteLength > 100].join(" ");
		})).then(all => { window.got = all.join("\n") }), true)`)
		b.WaitFor(`window.got !== undefined`)
		want := "200 attachment; filename=dm3sync-html.zip true\n200 attachment; filename=dm3sync-markdown.zip true\n200 attachment; filename=dm3sync-jsonl.zip true\n200 attachment; filename="
		if got := webtest.Evaluate[string](b, `window.got`); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " true") || strings.Count(got, "\n") != 3 {
			t.Errorf("%s offers:\n%s", page, got)
		}
	}
}
