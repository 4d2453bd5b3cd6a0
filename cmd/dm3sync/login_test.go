package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// desk is a user's account on Drive, with a client at the strict OAuth server.
type desk struct {
	t       *testing.T
	folder  string
	environ []string
	secrets []string
	logins  *servertest.Logins
	drive   *drivetest.Server
}

func newDesk(t *testing.T, habits string) *desk {
	t.Helper()
	d := &desk{t: t, folder: t.TempDir(), logins: servertest.NewLogins(t, habits), drive: drivetest.New()}
	t.Cleanup(d.drive.Close)
	d.drive.Accept(func(string) bool { return true }) // the login server's tokens
	const key = "BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38="
	d.secrets = []string{d.logins.Secret, key}
	d.write("account.key", key, 0o600)
	d.write("client.secret", d.logins.Secret, 0o600)
	d.write("config.toml", fmt.Sprintf("data = %q\n[[account]]\nname = \"alice.eth\"\n[account.secret]\nfile = %q\n[account.provider]\nkind = \"drive\"\n"+
		"client_id = %q\nsecret_file = %q\nauth_url = \"%[5]s/auth\"\ntoken_url = \"%[5]s/token\"\nrevoke_url = \"%[5]s/token/revocation\"\n"+
		"endpoint = %[6]q\n[account.schedule]\nidle = \"50ms\"\nlongest = \"100ms\"\ninterval = \"300ms\"\n",
		d.path("data"), d.path("account.key"), d.logins.ID, d.path("client.secret"), d.logins.Address, d.drive.URL), 0o600)
	d.environ = append(os.Environ(), "DM3SYNC_CONFIG="+d.path("config.toml"), "HOME="+d.folder, "GORACE=atexit_sleep_ms=20",
		"DBUS_SESSION_BUS_ADDRESS=unix:path="+d.path("no-bus"), "DISPLAY=", "WAYLAND_DISPLAY=", "BROWSER=")
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.folder, name) }

func (d *desk) write(name, text string, mode fs.FileMode) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), mode); err != nil {
		d.t.Fatal(err)
	}
}

// command is this test as the program.
func (d *desk) command(arguments ...string) *exec.Cmd {
	d.t.Helper()
	program, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	command := exec.CommandContext(d.t.Context(), program)
	command.Args = append([]string{"dm3sync"}, arguments...)
	command.Env = d.environ
	return command
}

// run runs the program to its end.
func (d *desk) run(arguments ...string) (code int, out string) {
	d.t.Helper()
	text, err := d.command(arguments...).CombinedOutput()
	d.search(string(text))
	exit := (*exec.ExitError)(nil)
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		d.t.Fatal(err)
	}
	return code, string(text)
}

// search fails when a secret stands in what was printed, or in a file that is not meant for it. An agent may work meanwhile:
// what it has removed again is passed over.
func (d *desk) search(text string) {
	d.t.Helper()
	for _, secret := range d.secrets {
		if strings.Contains(text, secret) {
			d.t.Errorf("%q was printed:\n%s", secret, text)
		}
	}
	err := filepath.WalkDir(d.folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "account.key" || entry.Name() == "client.secret" {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, secret := range d.secrets {
			if bytes.Contains(data, []byte(secret)) {
				d.t.Errorf("%q stands in %s", secret, path)
			}
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// token opens the login as the agent does.
func (d *desk) token() (string, error) {
	d.t.Helper()
	c, err := config.Load(d.path("config.toml"), &config.Options{Environ: d.environ})
	if err != nil {
		d.t.Fatal(err)
	}
	l, err := login.ForAccount(c, &c.Accounts[0], login.AccountOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	defer l.Close()
	token, err := l.Token()
	if err != nil {
		return "", err
	}
	d.secrets = append(d.secrets, token.AccessToken)
	return token.AccessToken, nil
}

// TestLoginWithChromium: from `dm3sync login drive` by way of a real browser to the readable page, and out again.
func TestLoginWithChromium(t *testing.T) {
	for _, c := range []struct {
		button, title, text, out string
		code                     int
	}{
		{"#allow", "You are logged in - dm3sync", "dm3sync may now use Google Drive. You can close this page.", "alice.eth is logged in; the token is sealed in ", exitDone},
		{"#deny", "Access was not granted - dm3sync", "Nothing was changed. To try again, run: dm3sync login drive", "the access was not granted; to try again, run `dm3sync login drive`", exitFailed},
	} {
		t.Run(c.button, func(t *testing.T) {
			chromium := servertest.Named(t, "DM3SYNC_TEST_CHROMIUM")
			d := newDesk(t, `{"consent":"form"}`)
			d.write("browser", "#!/bin/sh\nprintf %s \"$1\" >'"+d.path("address.part")+"'\nmv '"+d.path("address.part")+"' '"+d.path("address")+"'\n", 0o700)
			d.environ = append(d.environ, "BROWSER="+d.path("browser"))
			command := d.command("login", "drive")
			out := &bytes.Buffer{}
			command.Stdout, command.Stderr = out, out
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			title, text, location := d.clickThrough(chromium, d.await("address"), c.button)
			err := command.Wait()
			if code := command.ProcessState.ExitCode(); code != c.code || !strings.Contains(out.String(), c.out) {
				t.Errorf("code %d, %v: %s", code, err, out)
			}
			if title != c.title || !strings.Contains(text, c.text) || !strings.HasPrefix(location, "http://127.0.0.1:") {
				t.Errorf("at %s: %s\n%s", location, title, text)
			}
			_, err = d.token()
			if (err == nil) != (c.code == exitDone) {
				t.Errorf("the token: %v", err)
			}
			d.search(out.String() + text)
		})
	}
}

// await reads a file as soon as it is there.
func (d *desk) await(name string) string {
	d.t.Helper()
	var data []byte
	eventually(d.t, name, func() bool {
		var err error
		data, err = os.ReadFile(d.path(name))
		return err == nil
	})
	return string(data)
}

// clickThrough logs in with a real browser, and returns what it shows at the end.
func (d *desk) clickThrough(chromium, address, button string) (title, text, location string) {
	d.t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience))
	ctx, stop := chromedp.NewExecAllocator(d.t.Context(), options...)
	defer stop()
	ctx, stop = chromedp.NewContext(ctx)
	defer stop()
	steps := chromedp.Steps(
		chromedp.Navigate(address),
		chromedp.Click(chromedp.CSS("#login")),
		chromedp.WaitVisible(chromedp.CSS(button)),
		chromedp.Click(chromedp.CSS(button)),
		chromedp.WaitVisible(chromedp.CSS("h1.good, h1.bad")),
	)
	if err := chromedp.Do(ctx, steps); err != nil {
		d.t.Fatal(err)
	}
	for _, read := range []struct {
		what   chromedp.Action[string]
		target *string
	}{{chromedp.Title(), &title}, {chromedp.TextContent(chromedp.CSS("main")), &text}, {chromedp.Location(), &location}} {
		value, err := chromedp.Run(ctx, read.what)
		if err != nil {
			d.t.Fatal(err)
		}
		*read.target = value
	}
	// The page's own style counts, which its policy allows by its digest.
	if border, err := chromedp.Run(ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("h1")).borderLeftStyle`)); err != nil || border != "solid" {
		d.t.Errorf("the page is shown without its style: %q, %v", border, err)
	}
	if err := chromedp.Cancel(ctx); err != nil { // and wait until it has ended
		d.t.Error(err)
	}
	return title, text, location
}

// TestLoginHeadless: the browser is elsewhere, the answer comes by paste; then logging out, twice.
func TestLoginHeadless(t *testing.T) {
	d := newDesk(t, `{"announce":604800}`)
	if code, out := d.run("logout", "drive"); code != exitDone || !strings.Contains(out, "alice.eth was not logged in") {
		t.Errorf("code %d: %s", code, out)
	}
	document, text, err := d.headless("--json")
	var result struct{ Account, Place, Kept, Ends string }
	if json.Unmarshal([]byte(document), &result) != nil || err != nil || result.Account != "alice.eth" || result.Place != "drive" ||
		!strings.HasPrefix(result.Kept, "sealed in "+d.path("data")) || result.Ends == "" {
		t.Fatalf("%v: %s %s", err, document, text)
	}
	for _, want := range []string{"not in the system's keyring", "this login ends on", "paste it here"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if _, err := d.token(); err != nil {
		t.Error(err)
	}
	if code, out := d.run("logout", "drive"); code != exitDone || !strings.Contains(out, "the login was revoked, and its token is gone") {
		t.Errorf("code %d: %s", code, out)
	}
	if _, err := d.token(); exitCode(err) != exitProvider || !strings.Contains(err.Error(), "run `dm3sync login drive`") || strings.Contains(wayOut(err, ""), "credentials") {
		t.Errorf("code %d, hint %q: %v", exitCode(err), wayOut(err, ""), err)
	}
	if code, out := d.run("logout", "drive"); code != exitDone || !strings.Contains(out, "was not logged in") {
		t.Errorf("code %d: %s", code, out)
	}
}

// pasted is what a person pastes who logs in elsewhere; in the place of a fault it is the fault.
func (d *desk) pasted(address string) string {
	last, err := d.logins.LastAddress(d.t.Context(), address)
	if err != nil {
		return err.Error()
	}
	return last
}

// TestLoginFails: what goes wrong before a browser is needed, and what a browser that is closed leads to.
func TestLoginFails(t *testing.T) {
	d := newDesk(t, `{}`)
	for _, c := range []struct {
		arguments string
		code      int
		want      string
	}{
		{"login", exitUsage, "it is drive"},
		{"login s3", exitUsage, "no kind of place that takes a login"},
		{"login drive --port 99999", exitUsage, "is no port"},
		{"login drive --headless --port 4711", exitUsage, "waits on no port"},
		{"login drive --account bob.eth", exitUsage, "alice.eth"},
		{"login drive --wait 10ms", exitFailed, "the browser did not answer within 10ms; run `dm3sync login drive` again"},
		{"login drive --wait 10ms", exitFailed, "no browser could be started (there is no desktop here)"},
		{"login drive --wait 10ms --no-browser", exitFailed, "open this address in a browser on this machine"},
		{"login drive --headless", exitFailed, "nothing was pasted"},
	} {
		if code, out := d.run(strings.Fields(c.arguments)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: code %d: %s", c.arguments, code, out)
		}
	}
	if err := os.Remove(d.path("client.secret")); err != nil {
		t.Fatal(err)
	}
	if code, out := d.run("login", "drive"); code != exitUsage || !strings.Contains(out, "client's secret") {
		t.Errorf("code %d: %s", code, out)
	}
	d.environ = append(d.environ, "DM3SYNC_ACCOUNT_1_PROVIDER_KIND=folder")
	d.write("config.toml", "[[account]]\nname = \"alice.eth\"\n[account.secret]\nenv = \"KEY\"\n[account.provider]\nkind = \"folder\"\npath = \"sync\"\n", 0o600)
	if code, out := d.run("login", "drive"); code != exitUsage || !strings.Contains(out, "needs no login") {
		t.Errorf("code %d: %s", code, out)
	}
}
