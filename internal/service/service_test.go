package service_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/service"
)

// recorded answers a manager's questions, and keeps what else it was asked to do.
type recorded struct {
	answers map[string]string // by the words that the command begins with
	fails   map[string]error
	ran     []string
}

func (r *recorded) Run(_ context.Context, name string, arguments ...string) (string, error) {
	text := strings.Join(append([]string{name}, arguments...), " ")
	for start, err := range r.fails {
		if strings.HasPrefix(text, start) {
			return "", err
		}
	}
	for start, answer := range r.answers {
		if strings.HasPrefix(text, start) {
			return answer, nil
		}
	}
	r.ran = append(r.ran, text)
	return "", nil
}

// did runs a plan and returns what it said.
func did(t *testing.T, plan service.Plan, err error) (said []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Run(t.Context(), func(s service.Step) { said = append(said, s.Did) }); err != nil {
		t.Fatal(err)
	}
	return said
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

const (
	absent  = "LoadState=not-found\nActiveState=inactive\n"
	present = "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nMainPID=77\n" +
		"ActiveEnterTimestamp=Sun 2026-11-22 12:06:52 UTC\nFragmentPath=/x/dm3sync.service\nResult=success\n"
)

// TestSystemdUser: install writes, enables and starts once; then there is nothing to do; uninstall takes back
// exactly that, and lingering only where it was made by it.
func TestSystemdUser(t *testing.T) {
	root, home := t.TempDir(), t.TempDir()
	r := &recorded{answers: map[string]string{"systemctl --user show": absent}}
	o := service.Options{Kind: service.Systemd, Program: "/opt/dm3sync", Home: home, User: "alice", UID: 1000, BeforeLogin: true, Root: root, Runner: r}
	s, err := service.New(o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, ".config/systemd/user/dm3sync.service")
	mark := filepath.Join(file+".d", "lingering.conf")
	install := func() []string {
		plan, err := s.Install(t.Context())
		return did(t, plan, err)
	}
	expect(t, "install", install(), "wrote "+file, "ran `systemctl --user daemon-reload`", "ran `systemctl --user enable dm3sync.service`",
		"wrote "+mark, "ran `loginctl enable-linger alice`", "ran `systemctl --user start dm3sync.service`")
	linger := filepath.Join(root, "var/lib/systemd/linger/alice")
	if err := errors.Join(os.MkdirAll(filepath.Dir(linger), 0o755), os.WriteFile(linger, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	r.answers["systemctl --user show"] = present
	expect(t, "install again", install())
	if err := os.WriteFile(file, []byte("# dm3sync.service, as `dm3sync service print` prints it, of before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, "install over an older one", install(), "wrote "+file, "ran `systemctl --user daemon-reload`", "ran `systemctl --user restart dm3sync.service`")
	status, err := s.Status(t.Context())
	if err != nil || !status.Running || status.PID != 77 || !status.Enabled || !status.BeforeLogin || status.Since.Unix() != 1795349212 || len(status.Advice) > 0 {
		t.Errorf("status %+v, error %v", status, err)
	}
	plan, err := s.Uninstall(t.Context())
	expect(t, "uninstall", did(t, plan, err), "ran `systemctl --user disable --now dm3sync.service`", "ran `loginctl disable-linger alice`",
		"removed "+mark, "tidied "+filepath.Dir(mark), "removed "+file, "ran `systemctl --user daemon-reload`")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %q, error %v", left, err)
	}
	r.answers["systemctl --user show"] = absent
	plan, err = s.Uninstall(t.Context())
	expect(t, "uninstall again", did(t, plan, err))
	if _, err := s.Start(t.Context()); !errors.Is(err, service.ErrNotInstalled) {
		t.Errorf("start of nothing: %v", err)
	}
}

// TestSystemdSystem: a package's unit is used as it is, one of somebody else is left alone.
func TestSystemdSystem(t *testing.T) {
	root := t.TempDir()
	r := &recorded{answers: map[string]string{"systemctl show": "LoadState=loaded\nUnitFileState=disabled\nActiveState=inactive\n"}}
	s, err := service.New(service.Options{Kind: service.Systemd, System: true, Program: "/usr/bin/dm3sync", Root: root, Runner: r})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Text()
	ofPackage := filepath.Join(root, "usr/lib/systemd/system/dm3sync.service")
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(ofPackage), 0o755), os.WriteFile(ofPackage, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	plan, err := s.Install(t.Context())
	expect(t, "install", did(t, plan, err), "ran `systemctl enable dm3sync.service`", "ran `systemctl start dm3sync.service`")
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.File()), 0o755), os.WriteFile(s.File(), []byte("[Service]\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context()); !errors.Is(err, service.ErrForeign) {
		t.Errorf("install over another's unit: %v", err)
	}
	if _, err := s.Uninstall(t.Context()); !errors.Is(err, service.ErrForeign) {
		t.Errorf("uninstall of another's unit: %v", err)
	}
	r.answers["systemctl show"] = "LoadState=loaded\nUnitFileState=enabled\nActiveState=failed\nResult=exit-code\nExecMainStatus=2\n"
	status, err := s.Status(t.Context())
	if err != nil || status.Running || !strings.Contains(status.Failure, "2") || len(status.Advice) != 1 || !strings.Contains(status.Advice[0], "journalctl -u dm3sync") {
		t.Errorf("status of a failed one: %+v, error %v", status, err)
	}
}

// TestFailingStep: what was done before a failure is said, and the rest is not tried.
func TestFailingStep(t *testing.T) {
	r := &recorded{answers: map[string]string{"systemctl --user show": absent}, fails: map[string]error{"systemctl --user enable": service.ErrManager}}
	s, err := service.New(service.Options{Kind: service.Systemd, Program: "/opt/dm3sync", Home: t.TempDir(), Root: t.TempDir(), Runner: r})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	if err := plan.Run(t.Context(), func(service.Step) { done++ }); !errors.Is(err, service.ErrManager) || done != 2 {
		t.Errorf("%d steps done, error %v", done, err)
	}
	expect(t, "commands", r.ran, "systemctl --user daemon-reload")
}

// TestSystemdDoesNotAnswer: what to do is said, by whether systemd runs the machine at all.
func TestSystemdDoesNotAnswer(t *testing.T) {
	booted := t.TempDir()
	if err := os.MkdirAll(filepath.Join(booted, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		root   string
		system bool
		want   string
	}{
		{t.TempDir(), false, "systemd does not run this machine: let whatever starts programs here run `dm3sync run`"},
		{t.TempDir(), true, "systemd does not run this machine"},
		{booted, false, "log in on the machine or by ssh, not by su or sudo"},
		{booted, true, "`systemctl status`"},
	} {
		r := &recorded{fails: map[string]error{"systemctl": service.ErrManager}}
		s, err := service.New(service.Options{Kind: service.Systemd, Program: "/opt/dm3sync", Home: t.TempDir(), Root: test.root, System: test.system, Runner: r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Status(t.Context()); !errors.Is(err, service.ErrManager) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestLaunchd(t *testing.T) {
	home := t.TempDir()
	r := &recorded{answers: map[string]string{"launchctl print-disabled": "disabled services = {\n}\n"}, fails: map[string]error{"launchctl print gui": service.ErrManager}}
	s, err := service.New(service.Options{Kind: service.Launchd, Program: "/Applications/dm3 & co/dm3sync", Home: home, UID: 501, Runner: r})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Install(t.Context())
	expect(t, "install", did(t, plan, err), "wrote "+s.File(), "ran `launchctl bootstrap gui/501 "+s.File()+"`")
	if text, err := os.ReadFile(s.File()); err != nil || !strings.Contains(string(text), "<string>/Applications/dm3 &amp; co/dm3sync</string>") {
		t.Errorf("job %s, error %v", text, err)
	}
	delete(r.fails, "launchctl print gui")
	r.answers["launchctl print gui"] = "gui/501/dm3sync = {\n\tstate = running\n\tpid = 42\n\t\tstate = other\n}\n"
	plan, err = s.Install(t.Context())
	expect(t, "install again", did(t, plan, err))
	status, err := s.Status(t.Context())
	if err != nil || !status.Running || status.PID != 42 || !status.Enabled {
		t.Errorf("status %+v, error %v", status, err)
	}
	plan, err = s.Stop(t.Context())
	expect(t, "stop", did(t, plan, err), "ran `launchctl kill SIGTERM gui/501/dm3sync`")
	r.answers["launchctl print gui"] = "gui/501/dm3sync = {\n\tstate = not running\n\tlast exit code = 1\n}\n"
	r.answers["launchctl print-disabled"] = "\t\"dm3sync\" => disabled\n"
	if status, err = s.Status(t.Context()); err != nil || status.Running || status.Enabled || status.Failure != "exit code 1" {
		t.Errorf("status of a failed one: %+v, error %v", status, err)
	}
	plan, err = s.Install(t.Context())
	expect(t, "install of a disabled one", did(t, plan, err), "ran `launchctl enable gui/501/dm3sync`", "ran `launchctl kickstart gui/501/dm3sync`")
	plan, err = s.Uninstall(t.Context())
	expect(t, "uninstall", did(t, plan, err), "ran `launchctl bootout gui/501/dm3sync`", "removed "+s.File())
}

// control is a Windows that keeps one service.
type control struct{ state service.ControlState }

func (c *control) Find() (service.ControlState, error) { return c.state, nil }
func (c *control) Create(program string, arguments []string) error {
	c.state = service.ControlState{Installed: true, Automatic: true, Command: fmt.Sprintf("%q %s", program, strings.Join(arguments, " "))}
	return nil
}
func (c *control) Change(program string, arguments []string) error {
	return c.Create(program, arguments)
}
func (c *control) Delete() error               { c.state = service.ControlState{}; return nil }
func (c *control) Start(context.Context) error { c.state.Running = true; return nil }
func (c *control) Stop(context.Context) error  { c.state.Running = false; return nil }

func TestWindows(t *testing.T) {
	c := &control{}
	s, err := service.New(service.Options{Kind: service.Windows, Program: `C:/Program Files/dm3sync/dm3sync.exe`, Control: c})
	if err != nil {
		t.Fatal(err)
	}
	text := `"C:/Program Files/dm3sync/dm3sync.exe" run`
	plan, err := s.Install(t.Context())
	expect(t, "install", did(t, plan, err), "made the service dm3sync: "+text, "started the service dm3sync")
	plan, err = s.Install(t.Context())
	expect(t, "install again", did(t, plan, err))
	c.state.Command = "old"
	plan, err = s.Install(t.Context())
	expect(t, "install over an older one", did(t, plan, err), "changed the service dm3sync: "+text, "stopped the service dm3sync", "started the service dm3sync")
	if status, err := s.Status(t.Context()); err != nil || !status.Installed || !status.BeforeLogin {
		t.Errorf("status %+v, error %v", status, err)
	}
	plan, err = s.Uninstall(t.Context())
	expect(t, "uninstall", did(t, plan, err), "stopped the service dm3sync", "removed the service dm3sync")
}

// TestPaths: hard paths come out as each manager reads them.
func TestPaths(t *testing.T) {
	for _, c := range []struct {
		kind            service.Kind
		program, config string
		want            string // "" is refused
	}{
		{service.Systemd, "/opt/a b/100%/dm3sync", "/etc/$x/%h.toml", `ExecStart="/opt/a b/100%%/dm3sync" run --config /etc/$$x/%%h.toml`},
		{service.Systemd, `/opt/a"b\c/dm3sync`, "", `ExecStart="/opt/a\"b\\c/dm3sync" run`},
		{service.Systemd, "/opt/a$b/dm3sync", "/a b", `ExecStart=/opt/a$b/dm3sync run --config "/a b"`},
		{service.Systemd, "dm3sync", "", ""},
		{service.Systemd, "/opt/a\nExecStartPre=/bin/evil", "", ""},
		{service.Launchd, "/a <b>/dm3sync", "/c & d", "\t\t<string>/a &lt;b&gt;/dm3sync</string>\n\t\t<string>run</string>\n\t\t<string>--config</string>\n\t\t<string>/c &amp; d</string>\n"},
		{service.Windows, `C:\a b\dm3sync.exe`, `D:\c d\`, `"C:\a b\dm3sync.exe" run --config "D:\c d\\"`},
		{service.Windows, `C:\%PATH%\dm3sync.exe`, "", ""},
	} {
		s, err := service.New(service.Options{Kind: c.kind, Program: c.program, Config: c.config, Control: &control{}})
		if c.want == "" {
			if !errors.Is(err, service.ErrPath) {
				t.Errorf("%s %q: error %v", c.kind, c.program, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.kind, c.program, err)
			continue
		}
		if text, err := s.Text(); err != nil || !strings.Contains(text, c.want) {
			t.Errorf("%s %q: %v in\n%s", c.kind, c.program, err, text)
		}
	}
}

// TestUnitsVerify: systemd itself finds nothing wrong with both units, and little that they leave open.
func TestUnitsVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	for _, system := range []bool{true, false} {
		s, err := service.New(service.Options{Kind: service.Systemd, System: system, Program: "/bin/true", Home: "/home/alice"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.Text()
		file := filepath.Join(t.TempDir(), "dm3sync.service")
		if err := errors.Join(err, os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		arguments := []string{"verify", "--man=no", file}
		if !system {
			arguments = slices.Insert(arguments, 1, "--user")
		}
		verify := exec.Command(analyze, arguments...)
		verify.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
		output, err := verify.CombinedOutput()
		if err != nil || strings.Contains(string(output), "dm3sync.service") {
			t.Errorf("system %v: %v: %s", system, err, output)
		}
		if !system {
			continue
		}
		if output, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=25", file).CombinedOutput(); err != nil {
			t.Errorf("security: %v: %s", err, output)
		}
	}
}
