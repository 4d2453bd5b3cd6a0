package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// headless logs in without a browser, which is elsewhere, and returns what was printed and what was told beside it.
func (d *desk) headless(arguments ...string) (printed, told string, err error) {
	d.t.Helper()
	command := d.command(append([]string{"login", "drive", "--headless"}, arguments...)...)
	in, err := command.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	reader, writer := io.Pipe()
	document, text := &strings.Builder{}, &strings.Builder{}
	command.Stdout, command.Stderr = document, writer
	if err := command.Start(); err != nil {
		d.t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			fmt.Fprintln(text, lines.Text())
			if strings.Contains(lines.Text(), "/auth?") {
				fmt.Fprintln(in, d.pasted(lines.Text()))
			}
		}
	})
	err = command.Wait()
	writer.Close()
	group.Wait()
	d.search(text.String() + document.String())
	return document.String(), text.String(), err
}

// paste logs in without a browser, and fails when that does.
func (d *desk) paste() (text string) {
	d.t.Helper()
	printed, told, err := d.headless()
	if err != nil {
		d.t.Fatalf("login: %v: %s", err, told)
	}
	if _, err := d.token(); err != nil {
		d.t.Fatal(err)
	}
	return printed + told
}

// revoke ends all logins at the server, and lets Drive refuse the tokens there are.
func (d *desk) revoke() {
	d.t.Helper()
	d.logins.Revoke(d.t)
	old := map[string]bool{}
	for _, secret := range d.secrets {
		old[secret] = true
	}
	d.drive.Accept(func(token string) bool { return !old[token] })
}

// until runs the program until it prints what is wanted.
func (d *desk) until(want string, arguments ...string) string {
	d.t.Helper()
	return d.comes(want, func(_ int, out string) bool { return strings.Contains(out, want) }, arguments...)
}

// comes runs the program until how it ends and what it prints fit.
func (d *desk) comes(what string, fits func(code int, out string) bool, arguments ...string) string {
	d.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if code, out := d.run(arguments...); fits(code, out) {
			return out
		} else if time.Now().After(end) {
			d.t.Fatalf("%v does not come to this: %s; code %d: %s", arguments, what, code, out)
		}
	}
}

// healthy waits until nobody needs to look: what the place warned of is taken back at the end of the pass that brought the
// messages there.
func (d *desk) healthy() string {
	d.t.Helper()
	return d.comes("nobody needs to look", func(code int, _ string) bool { return code == exitDone }, "status", "--check")
}

// agent runs the agent until stop is called, which returns what it logged. The account is open then: a status before that
// would open it itself, and be in the agent's way.
func (d *desk) agent() (stop func() (log string)) {
	d.t.Helper()
	agent := d.command("run")
	log := &bytes.Buffer{}
	agent.Stdout, agent.Stderr = log, log
	agent.Env = append(agent.Env, "DM3SYNC_LOG_LEVEL=debug")
	if err := agent.Start(); err != nil {
		d.t.Fatal(err)
	}
	eventually(d.t, "the agent", func() bool { return answers(d.path("data/agent.sock")) })
	d.until(`"open":true`, "status", "--json")
	return func() string {
		d.t.Helper()
		if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
			d.t.Fatal(err)
		}
		if err := agent.Wait(); err != nil {
			d.t.Errorf("the agent: %v", err)
		}
		d.search(log.String())
		return log.String()
	}
}

// envelope writes a line for append.
func (d *desk) envelope(name, text string, at int64) string {
	d.t.Helper()
	line := fmt.Sprintf(`{"message":{"message":%q,"metadata":{"from":"alice.eth","to":"bob.eth","timestamp":%d,"type":"NEW"},"signature":"%s=="}}`,
		text, at, strings.Repeat("A", 86))
	d.write(name, line+"\n", 0o600)
	return d.path(name)
}

// TestDriveFromLoginToLogin: an account on Drive, with the program alone: log in, run the agent, lose the login while messages
// come, log in again. The account stops and says why, takes messages meanwhile, and nothing is lost.
func TestDriveFromLoginToLogin(t *testing.T) {
	d := newDesk(t, `{}`)
	d.drive.SetQuota(1_000_000_000)
	if code, out := d.run("init"); code != exitProvider || !strings.Contains(out, "run `dm3sync login drive`") {
		t.Errorf("init without a login: code %d: %s", code, out)
	}
	if out := d.paste(); !strings.Contains(out, "the place is ready: folder dm3sync of Google Drive") {
		t.Errorf("login: %s", out)
	}
	if code, out := d.run("init"); code != exitDone || !strings.Contains(out, "listings                    may lag behind") || !strings.Contains(out, "answered as they should be") {
		t.Errorf("init: code %d: %s", code, out)
	}
	stop := d.agent()
	if code, out := d.run("append", d.envelope("one", "before it ended", 1_700_000_000_000)); code != exitDone {
		t.Errorf("append: code %d: %s", code, out)
	}
	d.until("waiting       0 messages", "status")
	d.until(" left, ", "status") // Drive tells its room

	d.revoke()
	out := d.until("  warning ", "status") // comes after the pass has failed
	if !strings.Contains(out, "run `dm3sync login drive`") || !strings.Contains(out, "the login has ended or was revoked") {
		t.Errorf("status: %s", out)
	}
	if code, out := d.run("status", "--check"); code != exitProblems {
		t.Errorf("status --check: code %d: %s", code, out)
	}
	if code, out := d.run("append", d.envelope("two", "while nobody was logged in", 1_700_000_001_000)); code != exitDone {
		t.Errorf("append: code %d: %s", code, out)
	}
	if code, out := d.run("sync"); code != exitProvider || !strings.Contains(out, "run `dm3sync login drive`") || !strings.Contains(out, "nothing is lost") {
		t.Errorf("sync: code %d: %s", code, out)
	}
	if code, out := d.run("messages", "bob.eth"); code != exitDone || !strings.Contains(out, "while nobody was logged in") {
		t.Errorf("messages: code %d: %s", code, out)
	}
	d.until("waiting       1 message", "status")

	d.paste()
	d.until("waiting       0 messages", "status") // the agent saw the new login by itself
	if out := d.healthy(); strings.Contains(out, "login drive") {
		t.Errorf("status --check: %s", out)
	}
	log := stop()
	for _, want := range []string{"the login has ended or was revoked; run `dm3sync login drive`", "what the place warned of is over"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}

	// A second device with a login of its own.
	if err := os.Rename(d.path("data"), d.path("first")); err != nil {
		t.Fatal(err)
	}
	d.paste()
	if code, out := d.run("sync"); code != exitDone {
		t.Errorf("sync: code %d: %s", code, out)
	}
	if code, out := d.run("messages", "bob.eth"); code != exitDone || !strings.Contains(out, "before it ended") || !strings.Contains(out, "while nobody was logged in") {
		t.Errorf("messages: code %d: %s", code, out)
	}
	if code, out := d.run("verify", "--deep"); code != exitDone || !strings.Contains(out, "no problems") {
		t.Errorf("verify: code %d: %s", code, out)
	}
}

// TestEndOfLoginIsAnnounced: a login that ends soon works, and the agent's log and status say so before it ends.
func TestEndOfLoginIsAnnounced(t *testing.T) {
	d := newDesk(t, `{"announce":172800}`) // two days, of which Google would have told too
	d.paste()
	stop := d.agent()
	if code, out := d.run("append", d.envelope("one", "while it works", 1_700_000_000_000)); code != exitDone {
		t.Errorf("append: code %d: %s", code, out)
	}
	d.until("waiting       0 messages", "status")
	out := d.until("the login to Google Drive ends on ", "status")
	if !strings.Contains(out, "run `dm3sync login drive` before") || strings.Contains(out, "last error") {
		t.Errorf("status: %s", out)
	}
	if code, out := d.run("status", "--check"); code != exitProblems {
		t.Errorf("status --check: code %d: %s", code, out)
	}
	if log := stop(); !strings.Contains(log, "the login to Google Drive ends on ") {
		t.Errorf("the log lacks it:\n%s", log)
	}
	if _, out := d.run("status"); !strings.Contains(out, "the login to Google Drive ends on ") {
		t.Errorf("status without an agent: %s", out)
	}
}

// TestFullDrive: a Drive without room stops the account, which says so with the room there is now, and goes on when there is
// room again; what came meanwhile waits.
func TestFullDrive(t *testing.T) {
	d := newDesk(t, `{}`)
	d.drive.SetQuota(5_000_000)
	d.paste()
	stop := d.agent()
	d.until("5.0 MB left", "status")
	d.drive.SetQuota(100)
	if code, out := d.run("append", d.envelope("one", "while Drive was full", 1_700_000_000_000)); code != exitDone {
		t.Errorf("append: code %d: %s", code, out)
	}
	if out := d.until("100 B left", "status"); !strings.Contains(out, "out of space") || !strings.Contains(out, "waiting       1 message") {
		t.Errorf("status: %s", out)
	}
	if code, out := d.run("sync"); code != exitProvider || !strings.Contains(out, "make room at the place; nothing is lost") {
		t.Errorf("sync: code %d: %s", code, out)
	}
	d.drive.SetQuota(6_000_000)
	d.until("waiting       0 messages", "status")
	if out := d.until("6.0 MB left", "status"); strings.Contains(out, "out of space") {
		t.Errorf("status: %s", out)
	}
	stop()
}

// TestEndedLoginStopsOneAccount: another account of the same agent goes on, and what status says is of the right one.
func TestEndedLoginStopsOneAccount(t *testing.T) {
	d := newDesk(t, `{}`)
	d.paste()
	both, err := os.ReadFile(d.path("config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	d.write("config.toml", string(both)+fmt.Sprintf("[[account]]\nname = \"carol.eth\"\n[account.secret]\nfile = %q\n[account.provider]\nkind = \"folder\"\npath = %q\n"+
		"[account.schedule]\nidle = \"50ms\"\nlongest = \"100ms\"\ninterval = \"300ms\"\n", d.path("account.key"), d.path("place")), 0o600)
	if code, out := d.run("init", "--no-check"); code != exitDone {
		t.Fatalf("init: code %d: %s", code, out)
	}
	stop := d.agent()
	d.revoke()
	d.until("run `dm3sync login drive --account alice.eth`", "status", "--account", "alice.eth")
	line := strings.Replace(d.content(d.envelope("one", "all the same", 1_700_000_000_000)), "alice.eth", "carol.eth", 1)
	d.write("two", line, 0o600)
	for account, file := range map[string]string{"alice.eth": "one", "carol.eth": "two"} {
		if code, out := d.run("append", d.path(file), "--account", account); code != exitDone {
			t.Errorf("append for %s: code %d: %s", account, code, out)
		}
	}
	if out := d.until("waiting       0 messages", "status", "--account", "carol.eth"); strings.Contains(out, "login") || strings.Contains(out, "last error") {
		t.Errorf("the other account: %s", out)
	}
	if code, out := d.run("sync", "--account", "carol.eth"); code != exitDone {
		t.Errorf("sync: code %d: %s", code, out)
	}
	if code, out := d.run("sync", "--account", "alice.eth"); code != exitProvider {
		t.Errorf("sync: code %d: %s", code, out)
	}
	if out := d.until("waiting       1 message", "status", "--account", "alice.eth"); !strings.Contains(out, "the login has ended or was revoked") {
		t.Errorf("status: %s", out)
	}
	stop()
}

func (d *desk) content(path string) string {
	d.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(data)
}
