package webui_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// drive is a double of Google Drive with the strict OAuth server of the login's tests.
type drive struct {
	*drivetest.Server
	t      *testing.T
	logins *servertest.Logins

	mu   sync.Mutex
	seen map[string]bool // tokens
	old  map[string]bool // tokens that count no more
}

func newDrive(t *testing.T) *drive {
	t.Helper()
	d := &drive{Server: drivetest.New(), t: t, logins: servertest.NewLogins(t, "{}"), seen: make(map[string]bool), old: make(map[string]bool)}
	t.Cleanup(d.Server.Close)
	d.Accept(func(token string) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.seen[token] = true
		return !d.old[token]
	})
	return d
}

// tokens are those that Drive has been shown so far.
func (d *drive) tokens() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.seen))
}

// revoke ends all logins at the server, and lets Drive refuse the tokens there are.
func (d *drive) revoke() {
	d.t.Helper()
	d.logins.Revoke(d.t)
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(d.old, d.seen)
}

// elsewhere goes through a login in a browser on another machine, and returns the address that it ends at.
func (d *drive) elsewhere(address string) string {
	d.t.Helper()
	last, err := d.logins.LastAddress(d.t.Context(), address)
	if err != nil {
		d.t.Fatal(err)
	}
	return last
}

// until loads a page until an element says what is wanted.
func until(b *webtest.Browser, t *testing.T, path, selector, want string, there bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		b.Visit(path)
		if text := b.Text(selector); strings.Contains(text, want) == there {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%s: %q there: %v, in %q", path, want, !there, text)
		}
	}
}

// TestLoginFromThePage: a place on Drive is set up with a login by paste; the login ends, which is an alarm with a way out, and
// is renewed by a click, after which the alarm is gone, without a restart. The other account goes on all the while, and no
// secret stands in a page, the log or the feed.
func TestLoginFromThePage(t *testing.T) {
	d := newDrive(t)
	m := newMachine(t, "DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL=300ms", "DM3SYNC_ACCOUNT_2_SCHEDULE_INTERVAL=300ms")
	m.secrets["the client's secret"] = d.logins.Secret
	wallet := wallets(t)
	setUpFolder(t, m, wallet, "carol.eth")
	b := webtest.Open(t, m.site)
	sign(t, m, wallet, "alice.eth")

	b.Visit("/setup/place?kind=drive")
	b.Click("details.more-fields summary")
	for field, text := range map[string]string{
		"client_id": d.logins.ID, "secret": d.logins.Secret, "endpoint": d.URL, "auth_url": d.logins.Address + "/auth",
		"token_url": d.logins.Address + "/token", "revoke_url": d.logins.Address + "/token/revocation",
	} {
		b.Fill("#f-"+field, text)
	}
	b.Click("main form button.primary")
	b.Wait(`form[action="/setup/login"] button.primary`)
	m.look(b)
	b.Click(`form[action="/setup/login"] button.primary`)
	b.Wait(".login-steps a.primary")
	m.look(b)
	b.Picture("setup-login")
	address := webtest.Evaluate[string](b, `document.querySelector(".login-steps a.primary").href`)
	b.Click(".login-steps summary")
	b.Fill("#answer", "http://127.0.0.1:1/?code=x&state=y")
	b.Click(`form[action="/setup/answer"] button`)
	b.Wait("#wrong")
	if said := b.Text("#wrong"); !strings.Contains(said, "not the address that this login ends at") {
		t.Errorf("another answer: %q", said)
	}
	b.Click(".login-steps summary")
	b.Fill("#answer", d.elsewhere(address))
	b.Click(`form[action="/setup/answer"] button`)
	b.Wait("#keep-file")
	m.look(b)
	b.Click(`form[action="/setup/save"] button.primary`)
	b.Wait("#account-2")
	until(b, t, "/", "#account-2", "Up to date", true)

	d.revoke()
	until(b, t, "/", "#account-2", "Log in again", true)
	m.look(b)
	b.Picture("login-ended")
	b.WaitFor(`document.querySelector("#account-1").innerText.includes("Up to date")`) // between its passes
	b.Click(`#account-2 a[href^="/login"]`)
	b.Wait(`form[action="/login/start"] button`)
	m.look(b)
	b.Click(`form[action="/login/start"] button`)
	b.Wait(".login-steps a.primary")
	m.look(b)
	b.Picture("login-waiting")
	b.Click(".login-steps a.primary")
	b.Wait("#login .notice.good")
	m.look(b)
	b.Picture("login-done")
	until(b, t, "/", "#account-2", "Log in again", false)
	until(b, t, "/", "#account-2", "Up to date", true)
	m.look(b)
	for _, token := range d.tokens() {
		m.secrets["a token"] = token
		m.search("nothing")
	}
}

// sign lets the wallet sign for a name, without a browser.
func sign(t *testing.T, m *machine, wallet *webtest.Wallet, name string) {
	t.Helper()
	text, address, err := setup.Message(wallet.Key.Address())
	if err == nil {
		err = m.agent.Setup().Sign(address, wallet.Key.Sign(text), name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// setUpFolder sets an account up, without a browser.
func setUpFolder(t *testing.T, m *machine, wallet *webtest.Wallet, name string) {
	t.Helper()
	sign(t, m, wallet, name)
	u := m.agent.Setup()
	err := u.Place(setup.Answers{Folder: filepath.Join(filepath.Dir(m.file), "place")})
	if err == nil {
		err = u.Try()
	}
	for end := time.Now().Add(time.Minute); err == nil && u.State().Trial.Running; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			err = fmt.Errorf("the trial does not end: %+v", u.State().Trial)
		}
	}
	if err == nil {
		_, err = u.Save(t.Context(), setup.Keep{Word: setup.KeepFile}, false)
	}
	if err != nil {
		t.Fatal(err)
	}
}
