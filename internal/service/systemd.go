package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// systemd is the agent as a unit.
type systemd struct{ o Options }

const unitName = Name + ".service"

// File implements Service.
func (s *systemd) File() string {
	if s.o.System {
		return filepath.Join(s.o.Root, "/etc/systemd/system", unitName)
	}
	return filepath.Join(s.o.Home, ".config/systemd/user", unitName)
}

// packaged is where a package puts its unit: what is there already is not written again.
func (s *systemd) packaged() string {
	return filepath.Join(s.o.Root, "/usr/lib/systemd", map[bool]string{true: "system", false: "user"}[s.o.System], unitName)
}

// lingering is the mark of systemd that a user's services start with the machine.
func (s *systemd) lingering() bool {
	_, err := os.Stat(filepath.Join(s.o.Root, "/var/lib/systemd/linger", s.o.User))
	return s.o.User != "" && err == nil
}

// mark says that we made the user's services start with the machine, and have to take it back.
func (s *systemd) mark() string {
	return filepath.Join(filepath.Dir(s.File()), unitName+".d", "lingering.conf")
}

const markText = "# `dm3sync service install --before-login` made your services start with the machine (loginctl enable-linger);\n" +
	"# `dm3sync service uninstall` takes that back.\n"

// Text implements Service.
func (s *systemd) Text() (string, error) { return unit(&s.o), nil }

// systemctl is a command of systemd, for the manager that is meant.
func (s *systemd) systemctl(arguments ...string) Step {
	return s.o.run("systemctl", s.arguments(arguments...)...)
}

func (s *systemd) arguments(arguments ...string) []string {
	if s.o.System {
		return arguments
	}
	return append([]string{"--user"}, arguments...)
}

// Install implements Service.
func (s *systemd) Install(ctx context.Context) (Plan, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	var plan Plan
	text := unit(&s.o)
	old, there, err := s.own("move it away, or keep using it with systemctl")
	if err != nil {
		return nil, err
	}
	ofPackage, _, err := content(s.packaged())
	if err != nil {
		return nil, err
	}
	changed := false
	switch {
	case there && old == text, !there && ofPackage == text:
	default:
		plan, changed = append(plan, write(s.File(), text), s.systemctl("daemon-reload")), true
	}
	if !status.Enabled {
		plan = append(plan, s.systemctl("enable", unitName))
	}
	if s.o.BeforeLogin && !s.o.System && !s.lingering() {
		plan = append(plan, write(s.mark(), markText), s.o.run("loginctl", "enable-linger", s.o.User))
	}
	switch {
	case s.o.NoStart:
	case !status.Running:
		plan = append(plan, s.systemctl("start", unitName))
	case changed:
		plan = append(plan, s.systemctl("restart", unitName))
	}
	return plan, nil
}

// own is the unit's file, if one is there; one that somebody else wrote is an error with a way out.
func (s *systemd) own(wayOut string) (text string, there bool, err error) {
	text, there, err = content(s.File())
	if err == nil && there && !strings.HasPrefix(text, unitHeading) {
		err = fmt.Errorf("service: %s: %w; %s", s.File(), ErrForeign, wayOut)
	}
	return text, there, err
}

// Uninstall implements Service.
func (s *systemd) Uninstall(ctx context.Context) (Plan, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	var plan Plan
	if status.Enabled || status.Running {
		plan = append(plan, s.systemctl("disable", "--now", unitName))
	}
	if _, marked, err := content(s.mark()); err != nil {
		return nil, err
	} else if marked {
		plan = append(plan, s.o.run("loginctl", "disable-linger", s.o.User), remove(s.mark()), removeEmpty(filepath.Dir(s.mark())))
	}
	_, there, err := s.own("remove it yourself if you want that")
	if err != nil {
		return nil, err
	}
	if there {
		plan = append(plan, remove(s.File()), s.systemctl("daemon-reload"))
	}
	return plan, nil
}

// removeEmpty plans the end of a folder in which nothing of others is.
func removeEmpty(folder string) Step {
	return Step{Will: "remove " + folder + " if it is empty", Did: "tidied " + folder, do: func(context.Context) error {
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) > 0 {
			return err
		}
		return os.Remove(folder)
	}}
}

// Start implements Service.
func (s *systemd) Start(ctx context.Context) (Plan, error) {
	return s.change(ctx, true, s.systemctl("start", unitName))
}

// Stop implements Service.
func (s *systemd) Stop(ctx context.Context) (Plan, error) {
	return s.change(ctx, false, s.systemctl("stop", unitName))
}

func (s *systemd) change(ctx context.Context, run bool, step Step) (Plan, error) {
	status, err := s.Status(ctx)
	switch {
	case err != nil:
		return nil, err
	case !status.Installed:
		return nil, fmt.Errorf("service: %w", ErrNotInstalled)
	case status.Running == run:
		return nil, nil
	}
	return Plan{step}, nil
}

// Status implements Service.
func (s *systemd) Status(ctx context.Context) (Status, error) {
	output, err := s.o.Runner.Run(ctx, "systemctl", s.arguments("show", unitName, "--timestamp=utc",
		"--property=LoadState,UnitFileState,ActiveState,SubState,MainPID,ActiveEnterTimestamp,FragmentPath,Result,ExecMainStatus")...)
	if err != nil {
		return Status{}, fmt.Errorf("%w; %s", err, s.why())
	}
	shown := properties(output)
	status := Status{
		Manager: Systemd, System: s.o.System, File: shown["FragmentPath"], Installed: shown["LoadState"] == "loaded",
		Enabled:     shown["UnitFileState"] == "enabled",
		Running:     shown["ActiveState"] == "active" || shown["ActiveState"] == "reloading",
		BeforeLogin: s.o.System || s.lingering(),
	}
	if status.Running {
		status.PID, _ = strconv.Atoi(shown["MainPID"])                                             // 0 is "not told"
		status.Since, _ = time.Parse("Mon 2006-01-02 15:04:05 MST", shown["ActiveEnterTimestamp"]) // likewise
	}
	if result := shown["Result"]; !status.Running && status.Installed && result != "" && result != "success" {
		status.Failure = fmt.Sprintf("%s, exit code %s", result, shown["ExecMainStatus"])
	}
	s.advise(&status, shown["SubState"])
	return status, nil
}

// why says what to do where systemd does not answer.
func (s *systemd) why() string {
	switch _, err := os.Stat(filepath.Join(s.o.Root, "/run/systemd/system")); {
	case errors.Is(err, fs.ErrNotExist): // as sd_booted(3) looks
		return "systemd does not run this machine: let whatever starts programs here run `dm3sync run`"
	case s.o.System:
		return "`systemctl status` says how systemd is"
	}
	return "your own service manager is only there in a session of yours: log in on the machine or by ssh, not by su or sudo; a service of the machine is installed with `--system`"
}

// advise says what to do.
func (s *systemd) advise(status *Status, sub string) {
	log := command("journalctl", s.arguments("-u", Name))
	switch {
	case !status.Installed:
		status.Advice = append(status.Advice, "`dm3sync service install` installs and starts it")
		return
	case sub == "auto-restart":
		status.Advice = append(status.Advice, "it ended and will be started again; `"+log+"` says why")
	case status.Failure != "":
		status.Advice = append(status.Advice, "`"+log+"` says why it ended; then `dm3sync service start`")
	case !status.Running:
		status.Advice = append(status.Advice, "`dm3sync service start` starts it")
	}
	if !status.Enabled {
		status.Advice = append(status.Advice, "it doesn't start by itself; `dm3sync service install` changes that")
	}
	if !status.BeforeLogin {
		status.Advice = append(status.Advice, "it starts when you log in and ends with your last session; `dm3sync service install --before-login` lets it start with the machine "+
			"(then the account's secret can't lie in the keyring of the desktop, which opens when you log in)")
	}
}

// properties reads NAME=value lines.
func properties(text string) map[string]string {
	list := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			list[name] = value
		}
	}
	return list
}
