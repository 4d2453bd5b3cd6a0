//go:build unix

package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// openGate is a number of requests that never comes.
const openGate = 1 << 30

// gate lets only so many writing requests to a place through.
type gate struct {
	mu      sync.Mutex
	allowed int
	change  chan struct{} // closed when another number is allowed
}

// allow lets n through from now on, and no more.
func (g *gate) allow(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed = n
	if g.change != nil {
		close(g.change)
		g.change = nil
	}
}

// enter takes one of those that are allowed; else it returns what to wait for.
func (g *gate) enter() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.allowed > 0 {
		g.allowed--
		return nil
	}
	if g.change == nil {
		g.change = make(chan struct{})
	}
	return g.change
}

func (g *gate) between(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Method == http.MethodPut {
			wait := g.enter()
			if wait == nil {
				break
			}
			select {
			case <-wait:
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// importPlace is a bucket of its own, as flags of init.
func importPlace(t *testing.T, base string, between func(http.Handler) http.Handler) []string {
	t.Helper()
	p, endpoint := newBucket(t, between)
	secret := filepath.Join(base, "s3.secret")
	if err := os.WriteFile(secret, []byte(testSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--bucket", p.bucket, "--endpoint", endpoint, "--path-style", "--region", "us-east-1", "--access-key-id", testKey, "--s3-secret-file", secret}
}

// watching is a browser that came in by the link that `dm3sync ui` prints.
func watching(t *testing.T, m *machine) *webtest.Browser {
	t.Helper()
	command := m.command("ui", "--print", "--numeric", "--json")
	out, err := command.Output()
	var link api.Link
	if err = errors.Join(err, json.Unmarshal(out, &link)); err != nil {
		t.Fatalf("dm3sync ui: %v: %s", err, out)
	}
	b := webtest.OpenAt(t, "http://"+link.Address)
	b.Visit(strings.TrimPrefix(link.URL, "http://"+link.Address))
	b.WaitFor(`location.pathname === "/"`)
	return b
}

// TestImportOnThePage: a user with the page open runs `dm3sync import FILE` in a terminal beside the running agent. Without a
// reload the page shows that it runs and how its figures grow; that the terminal was closed; and how the next import ends
// well, with a sentence and with the conversations.
func TestImportOnThePage(t *testing.T) {
	base, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	built, in := program(t), newInput(t, shapes()[0])
	const small = "DM3SYNC_ACCOUNT_1_CHUNK_SIZE=32kB" // many objects
	old := newMachine(t, built, base, "old")
	old.environ = append(old.environ, small)
	old.run("append", in.path)
	old.run("export", filepath.Join(base, "alice.dm3sync"))

	way := &gate{allowed: openGate}
	fresh := newMachineAt(t, built, base, "new", nil, "DM3SYNC_CONFIG="+filepath.Join(base, "new.toml"), small)
	fresh.run(append([]string{"init", "--name", account, "--secret-file", filepath.Join(base, "wallet.key"), "--form", "wallet-key"}, importPlace(t, base, way.between)...)...)
	t.Cleanup(func() { way.allow(openGate) }) // a server ends when its requests have
	agent := fresh.start()
	agent.client()
	b := watching(t, fresh)
	b.Visit("/activity")
	// The page does not only look again now and then.
	webtest.Evaluate[bool](b, `(() => { for (let i = setInterval(() => {}, 1e6); i > 0; i--) clearInterval(i); return window.stayed = true })()`)
	running := `[...document.querySelectorAll(".jobs li")].find(li => li.innerText.includes("Importing alice.dm3sync") && li.querySelector("progress"))`
	done := `Number(/([\d,]+) of [\d,]+ objects/.exec(` + running + `.innerText)[1].replace(",", ""))`

	way.allow(0)
	first := fresh.command("import", "alice.dm3sync")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	b.WaitFor(running)
	way.allow(15)
	b.WaitFor(done + ` > 0`)
	before := webtest.Evaluate[int](b, done)
	way.allow(30)
	b.WaitFor(fmt.Sprintf(done+` >= %d`, before+15))
	if text := b.Text(".jobs"); !strings.Contains(text, "%") || !strings.Contains(text, account) {
		t.Errorf("while it runs: %s", text)
	}
	t.Logf("%d objects, then %d: %s", before, webtest.Evaluate[int](b, done), b.Text(".jobs"))
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	b.WaitFor(`document.querySelector(".jobs .bad") && document.querySelector("main").innerText.includes("The program that did this ended before it was done")`)

	second := fresh.command("import", "alice.dm3sync")
	var out bytes.Buffer
	second.Stdout, second.Stderr = &out, &out
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	b.WaitFor(running)
	way.allow(openGate)
	b.WaitFor(`[...document.querySelectorAll(".jobs li")].some(li => /Importing alice.dm3sync[^]*Done[^]*objects, ended/.test(li.innerText))`)
	if err := second.Wait(); err != nil {
		t.Fatalf("import: %v: %s", err, out.Bytes())
	}
	t.Logf("%s%s", out.Bytes(), b.Text("main"))
	b.Accessible()
	if !webtest.Evaluate[bool](b, `window.stayed === true`) {
		t.Error("the page was loaded again")
	}
	b.Visit("/")
	b.WaitFor(fmt.Sprintf(`[...document.querySelectorAll(".stats dd a")].some(a => a.textContent === "%d")`, len(in.counts)))
	b.Visit("/conversations")
	if text := b.Text("main"); !strings.Contains(text, in.longest()) {
		t.Errorf("the list of conversations lacks %s: %s", in.longest(), text)
	}
	b.Expect("failed net::ERR") // the agent ends while the page listens
	b.Expect("Failed to load resource")
	b.Allow("console: error htmx: htmx:error: Failed to fetch") // where it looks again just then
	agent.stop()
	b.WaitFor(`document.getElementById("link-state").textContent.includes("does not answer")`)
}
