package webui_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/webui"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// The well-known first two keys of test wallets.
const (
	firstWallet  = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	secondWallet = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
)

// machine is a fresh machine: an agent without an account, and its page.
type machine struct {
	t       *testing.T
	file    string // of the configuration
	environ []string
	agent   *agent.Agent
	site    *webui.Site
	stop    func()

	mu      sync.Mutex
	log     bytes.Buffer
	seen    strings.Builder   // every page that was looked at
	secrets map[string]string // what must stand nowhere, by a word for it
}

// Write implements io.Writer for the log.
func (m *machine) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.Write(p)
}

// logged is all that was logged so far.
func (m *machine) logged() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.String()
}

func newMachine(t *testing.T, environ ...string) *machine {
	t.Helper()
	folder, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	m := &machine{t: t, file: filepath.Join(folder, "config", "config.toml"), secrets: make(map[string]string)}
	m.environ = append([]string{"HOME=" + folder, "DM3SYNC_DATA=" + filepath.Join(folder, "data")}, environ...)
	m.start()
	return m
}

// start starts the agent, as at first or after a stop.
func (m *machine) start() {
	t := m.t
	t.Helper()
	load := func() (*config.Config, error) {
		return config.Load(m.file, &config.Options{Environ: m.environ, Unconfigured: true})
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(m, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m.agent, err = agent.New(c, agent.Options{
		AccountOptions: agent.AccountOptions{Log: log}, Load: load, File: m.file, Environ: m.environ, Vault: noVault{},
		FlushWait: time.Second, StopWait: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	running := m.agent
	go func() { done <- running.Run(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the agent: %v", err)
		}
	})
	t.Cleanup(m.stop)
	m.site, err = webui.New(webui.Options{Backend: m.agent, Setup: m.agent.Setup(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.site.Close)
}

// noVault is a machine without a keyring.
type noVault struct{}

func (noVault) Get(context.Context, string) (string, error) { return "", keyring.ErrNoVault }
func (noVault) Set(context.Context, string, string) error   { return keyring.ErrNoVault }
func (noVault) Delete(context.Context, string) error        { return keyring.ErrNoVault }

// look keeps what stands in the page, for the search for secrets, and asks whether everybody can use it.
func (m *machine) look(b *webtest.Browser) {
	m.t.Helper()
	m.seen.WriteString(b.HTML())
	b.Accessible()
	b.Screen(webtest.PhoneWidth, webtest.PhoneHeight)
	b.Fits()
	b.Screen(webtest.DesktopWidth, webtest.DesktopHeight)
	b.Fits()
}

// search fails the test when a secret stands in a page, the log, the feed, or a file that is not for it.
func (m *machine) search(keptIn string) {
	m.t.Helper()
	m.stop()
	events, _ := m.agent.Activity().Since(0)
	places := map[string]string{"a page": m.seen.String(), "the log": m.logged(), "the feed": fmt.Sprintf("%+v", events)}
	err := filepath.WalkDir(filepath.Dir(filepath.Dir(m.file)), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Base(path) == keptIn {
			return err
		}
		text, err := os.ReadFile(path)
		places[path] = string(text)
		return err
	})
	if err != nil {
		m.t.Error(err)
	}
	for where, text := range places {
		for word, secret := range m.secrets {
			if strings.Contains(text, secret) {
				m.t.Errorf("%s stands in %s", word, where)
			}
		}
	}
}

// dav is a WebDAV server that takes one password.
func dav(t *testing.T, password string) *httptest.Server {
	// A folder, since listings of the one in memory break off where something is deleted just then.
	files := &webdav.Handler{FileSystem: webdav.Dir(t.TempDir()), LockSystem: webdav.NewMemLS()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, _ := r.BasicAuth(); user != "alice" || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="dav"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func wallets(t *testing.T) *webtest.Wallet {
	t.Helper()
	own, err := identity.ParseWalletKey(firstWallet)
	if err != nil {
		t.Fatal(err)
	}
	other, err := identity.ParseWalletKey(secondWallet)
	if err != nil {
		t.Fatal(err)
	}
	return &webtest.Wallet{Key: own, Other: other}
}

// TestSetUp: a fresh machine is set up in a browser: the wallet refuses, another account signs, then the right one; a folder
// that can't be, a wrong password, then the right one; with a reload in between. Then the account is open, and no secret stands
// in a page, the log, the feed or another file than its own.
func TestSetUp(t *testing.T) {
	m, wallet := newMachine(t), wallets(t)
	server := dav(t, "the-right-password")
	key, err := keyring.Derive(keyring.FormWalletKey, firstWallet, "")
	if err != nil {
		t.Fatal(err)
	}
	text := identity.CreationMessage(identity.DefaultNonce, wallet.Key.Address())
	m.secrets["the storage key"] = base64.StdEncoding.EncodeToString(key[:])
	m.secrets["the signature"] = wallet.Key.Sign(text)
	m.secrets["another's signature"] = wallet.Other.Sign(text)
	m.secrets["the right password"], m.secrets["the wrong password"] = "the-right-password", "not-the-password"

	b := webtest.Open(t, wallet.Around(m.site))
	b.Install(wallet, `<img src=x onerror=window.hacked=1>`)
	b.Visit("/")
	b.Click(`a[href="/setup"].primary`)
	b.Wait(".begin")
	m.look(b)
	b.Click(".begin a.primary")
	b.Wait("button.wallet")
	m.look(b)
	if webtest.Evaluate[bool](b, webtest.Markup) {
		t.Error("a wallet's name became markup")
	}
	connect := func(mode, says string) {
		t.Helper()
		webtest.Evaluate[string](b, fmt.Sprintf(`window.testWallet.mode = %q`, mode))
		b.Click("button.wallet")
		b.WaitFor(fmt.Sprintf(`document.getElementById("wallet-says")?.textContent.includes(%q)`, says))
		m.seen.WriteString(b.HTML())
		if state := m.agent.Setup().State(); state.Name != "" {
			t.Errorf("%s: %q was kept", mode, state.Name)
		}
	}
	connect("reject", "You refused that in the wallet")
	connect("busy", "Answer it there")
	connect("other", "Another account signed")
	b.Picture("setup-other-account")
	webtest.Evaluate[string](b, `window.testWallet.mode = "sign"`)
	b.Click("button.wallet")
	b.Wait(".kinds")
	if want := identity.CreationMessage(identity.DefaultNonce, wallet.Key.Address()); !slices.Equal(wallet.Signed(), []string{want, want}) {
		t.Errorf("the wallet was asked to sign %q", wallet.Signed())
	}
	m.look(b)

	b.Click(`a[href="/setup/place?kind=folder"]`)
	b.Wait("#f-folder")
	blocked := filepath.Join(filepath.Dir(m.file), "..", "a-file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.Fill("#f-folder", filepath.Join(blocked, "history"))
	b.Click("main form button.primary")
	b.Wait("#trial .notice.bad")
	if said := b.Text("#trial .notice.bad"); !strings.Contains(said, "That failed, while") || !strings.Contains(said, "A part of the path is a file") {
		t.Errorf("a folder that can't be: %q", said)
	}
	m.look(b)

	b.Visit("/setup/place?kind=webdav")
	b.Fill("#f-url", server.URL+"/history")
	b.Fill("#f-username", "alice")
	b.Fill("#f-secret", "not-the-password")
	b.Picture("setup-place")
	b.Click("main form button.primary")
	b.Wait("#trial .notice.bad")
	if said := b.Text("#trial .notice.bad"); !strings.Contains(said, "Check user name and password") {
		t.Errorf("a wrong password: %q", said)
	}
	m.look(b)
	b.Picture("setup-refused")
	b.Visit(b.Location()) // what was typed stays, but for the secret
	b.Click(`#trial a[href="/setup/place"]`)
	b.Wait("#f-url")
	if url, name, secret := webtest.Evaluate[string](b, `document.querySelector("#f-url").value`), webtest.Evaluate[string](b, `document.querySelector("#f-username").value`), webtest.Evaluate[string](b, `document.querySelector("#f-secret").value`); url != server.URL+"/history" || name != "alice" || secret != "" {
		t.Errorf("the fields hold %q, %q, %q", url, name, secret)
	}
	m.look(b)
	b.Fill("#f-secret", "the-right-password")
	b.Click("main form button.primary")
	b.Wait("#trial .notice.good")
	if said := b.Text("#trial"); !strings.Contains(said, "Nothing is kept there yet") || !strings.Contains(said, "Acknowledged uploads") {
		t.Errorf("a place that was taken: %q", said)
	}
	m.look(b)
	b.Picture("setup-taken")
	b.Visit("/setup/who") // steps can be gone back
	b.Wait(".notice.good")
	m.look(b)
	b.Click(`.steps a[href="/setup/try"]`)
	b.Wait("#keep-file")
	b.Click(`form[action="/setup/save"] button.primary`)
	b.Wait(".account")
	b.Visit("/")
	for end := time.Now().Add(time.Minute); !strings.Contains(b.Text(".account"), "Up to date"); b.Visit("/") {
		if time.Now().After(end) {
			t.Fatalf("the account: %q", b.Text(".account"))
		}
	}
	m.look(b)
	b.Visit("/setup")
	m.look(b)
	b.Picture("setup-places")
	status := m.agent.Status().Accounts
	if len(status) != 1 || status[0].Name != strings.ToLower(wallet.Key.Address())+".addr.dm3.eth" || !status[0].Open {
		t.Errorf("%+v", status)
	}
	secrets, err := filepath.Glob(filepath.Join(filepath.Dir(m.file), "*.key"))
	if err != nil || len(secrets) != 1 {
		t.Fatalf("%q, %v", secrets, err)
	}
	kept, err := os.ReadFile(secrets[0])
	if info, statErr := os.Stat(secrets[0]); err != nil || statErr != nil || info.Mode().Perm() != 0o600 || strings.TrimSpace(string(kept)) != m.secrets["the storage key"] {
		t.Errorf("the secret's file is wrong: %v, %v", info, err)
	}
	m.search(filepath.Base(secrets[0]))
}

// TestUnlockFromThePage: a key is locked with a passphrase; after a start the account waits for that, and is open when it was
// typed. No page, log or file holds it.
func TestUnlockFromThePage(t *testing.T) {
	m, wallet := newMachine(t), wallets(t)
	m.secrets["the passphrase"] = "correct horse battery"
	b := webtest.Open(t, m.site)
	sign(t, m, wallet, "alice.eth")
	b.Visit("/setup/place?kind=folder")
	b.Fill("#f-folder", filepath.Join(filepath.Dir(m.file), "place"))
	b.Click("main form button.primary")
	b.Wait("#keep-locked")
	b.Click("#keep-locked")
	b.Fill("#passphrase", "correct horse battery")
	b.Fill("#again", "correct horse")
	b.Click(`form[action="/setup/save"] button.primary`)
	b.Wait("#wrong")
	b.Click("#keep-locked")
	b.Fill("#passphrase", "correct horse battery")
	b.Fill("#again", "correct horse battery")
	b.Picture("setup-passphrase")
	b.Click(`form[action="/setup/save"] button.primary`)
	b.Wait("#account-1")
	until(b, t, "/", "#account-1", "Up to date", true)

	m.stop()
	m.start()
	b = webtest.Open(t, m.site)
	until(b, t, "/", "#account-1", "Unlock it", true)
	m.look(b)
	b.Click(`#account-1 a[href^="/unlock"]`)
	for _, passphrase := range []string{"incorrect horse", "correct horse battery"} {
		b.Wait("#passphrase")
		m.look(b)
		b.Fill("#passphrase", passphrase)
		b.Picture("unlock")
		b.Click(`form[action="/unlock"] button.primary`)
		if passphrase == "incorrect horse" {
			b.Wait("#wrong")
		}
	}
	b.Wait("#account-1")
	until(b, t, "/", "#account-1", "Up to date", true)
	m.look(b)
	m.search("nothing")
}
