package service

import (
	"context"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// launchd is the agent as a job of macOS: an agent of the user, or a daemon.
type launchd struct{ o Options }

// jobMark is in every job of ours: by it an install knows what it may replace.
const jobMark = "<!-- made by `dm3sync service install` -->"

// job is a property list; {…} are replaced. ThrottleInterval, ExitTimeOut are seconds; 63 is umask 077.
const job = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
` + jobMark + `
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>dm3sync</string>
	<key>ProgramArguments</key>
	<array>
{arguments}	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ExitTimeOut</key>
	<integer>30</integer>
	<key>ProcessType</key>
	<string>Background</string>
	<key>LowPriorityIO</key>
	<true/>
	<key>Umask</key>
	<integer>63</integer>
{environment}	<key>StandardErrorPath</key>
	<string>{log}</string>
</dict>
</plist>
`

// daemonEnvironment is where a daemon, which has no home, keeps its things.
const daemonEnvironment = "\t<key>EnvironmentVariables</key>\n\t<dict>\n\t\t<key>DM3SYNC_DATA</key>\n" +
	"\t\t<string>/Library/Application Support/dm3sync</string>\n\t</dict>\n"

// File implements Service.
func (l *launchd) File() string {
	if l.o.System {
		return filepath.Join(l.o.Root, "/Library/LaunchDaemons", Name+".plist")
	}
	return filepath.Join(l.o.Home, "Library/LaunchAgents", Name+".plist")
}

// log is the file that takes what the agent says.
func (l *launchd) log() string {
	if l.o.System {
		return "/Library/Logs/dm3sync.log"
	}
	return filepath.Join(l.o.Home, "Library/Logs/dm3sync.log")
}

// Text implements Service.
func (l *launchd) Text() (string, error) {
	words, environment, config := []string{l.o.Program, "run"}, "", l.o.Config
	if l.o.System {
		environment = daemonEnvironment
		if config == "" {
			config = systemConfig
		}
	}
	if config != "" {
		words = append(words, "--config", config)
	}
	var arguments strings.Builder
	for _, word := range words {
		arguments.WriteString("\t\t<string>" + escapeXML(word) + "</string>\n")
	}
	return strings.NewReplacer("{arguments}", arguments.String(), "{environment}", environment, "{log}", escapeXML(l.log())).Replace(job), nil
}

func escapeXML(text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text)) // writing to memory does not fail
	return escaped.String()
}

// domain is where launchd keeps the job.
func (l *launchd) domain() string {
	if l.o.System {
		return "system"
	}
	return "gui/" + strconv.Itoa(l.o.UID)
}

func (l *launchd) target() string { return l.domain() + "/" + Name }

func (l *launchd) launchctl(arguments ...string) Step { return l.o.run("launchctl", arguments...) }

// Install implements Service.
func (l *launchd) Install(ctx context.Context) (Plan, error) {
	status, loaded, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	text, err := l.Text()
	if err != nil {
		return nil, err
	}
	old, there, err := l.own("move it away")
	if err != nil {
		return nil, err
	}
	var plan Plan
	if old != text {
		if loaded {
			plan, loaded, status.Running = append(plan, l.launchctl("bootout", l.target())), false, false
		}
		plan = append(plan, write(l.File(), text))
	}
	if !status.Enabled && there {
		plan = append(plan, l.launchctl("enable", l.target()))
	}
	return append(plan, l.starts(loaded, status.Running, l.o.NoStart)...), nil
}

// own is the job's file, if one is there; one that somebody else wrote is an error with a way out.
func (l *launchd) own(wayOut string) (text string, there bool, err error) {
	text, there, err = content(l.File())
	if err == nil && there && !strings.Contains(text, jobMark) {
		err = fmt.Errorf("service: %s: %w; %s", l.File(), ErrForeign, wayOut)
	}
	return text, there, err
}

// starts are the steps that make the job run: loading starts it, too.
func (l *launchd) starts(loaded, running, not bool) Plan {
	switch {
	case not || running:
		return nil
	case loaded:
		return Plan{l.launchctl("kickstart", l.target())}
	}
	return Plan{l.launchctl("bootstrap", l.domain(), l.File())}
}

// Uninstall implements Service.
func (l *launchd) Uninstall(ctx context.Context) (Plan, error) {
	_, loaded, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	_, there, err := l.own("remove it yourself if you want that")
	if err != nil {
		return nil, err
	}
	var plan Plan
	if loaded {
		plan = append(plan, l.launchctl("bootout", l.target()))
	}
	if there {
		plan = append(plan, remove(l.File()))
	}
	return plan, nil
}

// Start implements Service.
func (l *launchd) Start(ctx context.Context) (Plan, error) {
	status, loaded, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	if !status.Installed {
		return nil, fmt.Errorf("service: %w", ErrNotInstalled)
	}
	return l.starts(loaded, status.Running, false), nil
}

// Stop implements Service. The job stays loaded: it ended well, so that launchd leaves it.
func (l *launchd) Stop(ctx context.Context) (Plan, error) {
	status, _, err := l.look(ctx)
	switch {
	case err != nil:
		return nil, err
	case !status.Installed:
		return nil, fmt.Errorf("service: %w", ErrNotInstalled)
	case !status.Running:
		return nil, nil
	}
	return Plan{l.launchctl("kill", "SIGTERM", l.target())}, nil
}

// Status implements Service.
func (l *launchd) Status(ctx context.Context) (Status, error) {
	status, _, err := l.look(ctx)
	if err != nil {
		return Status{}, err
	}
	switch {
	case !status.Installed:
		status.Advice = append(status.Advice, "`dm3sync service install` installs and starts it")
		return status, nil
	case status.Failure != "":
		status.Advice = append(status.Advice, l.log()+" says why it ended; then `dm3sync service start`")
	case !status.Running:
		status.Advice = append(status.Advice, "`dm3sync service start` starts it")
	}
	if !status.Enabled {
		status.Advice = append(status.Advice, "it doesn't start by itself; `dm3sync service install` changes that")
	}
	if !status.BeforeLogin {
		status.Advice = append(status.Advice, "it starts when you log in; one that starts with the machine is installed by root with `--system`")
	}
	return status, nil
}

// look asks launchd; loaded tells whether it knows the job.
func (l *launchd) look(ctx context.Context) (status Status, loaded bool, err error) {
	_, there, err := content(l.File())
	if err != nil {
		return Status{}, false, err
	}
	status = Status{Manager: Launchd, System: l.o.System, Installed: there, Enabled: there, BeforeLogin: l.o.System}
	if there {
		status.File = l.File()
	}
	// The only way to hear that a job is not loaded is that this fails.
	output, err := l.o.Runner.Run(ctx, "launchctl", "print", l.target())
	if loaded = err == nil; loaded {
		shown := jobProperties(output)
		status.Running = shown["state"] == "running"
		status.PID, _ = strconv.Atoi(shown["pid"]) // 0 is "not told"
		if code := shown["last exit code"]; !status.Running && code != "" && code != "0" && !strings.HasPrefix(code, "(") {
			status.Failure = "exit code " + code
		}
	}
	output, err = l.o.Runner.Run(ctx, "launchctl", "print-disabled", l.domain())
	if err == nil && disabled(output) {
		status.Enabled = false
	}
	return status, loaded, nil
}

// jobProperties reads "name = value" lines; of several, the first counts, which is the job's own.
func jobProperties(text string) map[string]string {
	list := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if _, known := list[name]; ok && !known {
			list[name] = value
		}
	}
	return list
}

// disabled reads lines like `"dm3sync" => disabled`, which once were `=> true`.
func disabled(text string) bool {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if ok && name == `"`+Name+`"` {
			return value == "disabled" || value == "true"
		}
	}
	return false
}
