// Package service lets the agent start by itself: as a unit of systemd, a job of
// launchd or a service of Windows. It knows their texts and their commands, and
// nothing of what the agent does.
//
// Import order: imports nothing of this module but files; below cmd.
package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Name is what the service is called everywhere.
const Name = "dm3sync"

// Errors of this package, for errors.Is. Each message says what to do.
var (
	// ErrForeign: something else has the place of our file.
	ErrForeign = errors.New("not made by dm3sync")
	// ErrPath: a path can't be written in the service's text.
	ErrPath = errors.New("path not usable for a service")
	// ErrUnsupported: this system has no service manager that is known.
	ErrUnsupported = errors.New("no service manager that dm3sync knows")
	// ErrManager: the service manager refused or was not reachable.
	ErrManager = errors.New("the service manager failed")
	// ErrNotInstalled: there is nothing to start or stop.
	ErrNotInstalled = errors.New("no service is installed; run `dm3sync service install`")
)

// Kind is a service manager.
type Kind string

// The service managers.
const (
	Systemd Kind = "systemd"
	Launchd Kind = "launchd"
	Windows Kind = "windows"
)

// KindFor is the service manager of an operating system, as runtime.GOOS names
// it; ErrUnsupported where none is known.
func KindFor(goos string) (Kind, error) {
	switch goos {
	case "linux":
		return Systemd, nil
	case "darwin":
		return Launchd, nil
	case "windows":
		return Windows, nil
	}
	return "", fmt.Errorf("service: %w: on %s, let whatever starts programs there run `dm3sync run`", ErrUnsupported, goos)
}

// Options say what is started, and how it is installed.
type Options struct {
	Kind Kind
	// System is a service of the machine; else it is the user's own.
	System bool
	// Program is the absolute path of dm3sync.
	Program string
	// Config is the absolute path of the configuration; "" is the default one,
	// which for a system service is that of the machine.
	Config string
	// Home, User and UID are the user's; User is only needed for BeforeLogin.
	Home string
	User string
	UID  int
	// BeforeLogin lets a user's service start with the machine (systemd only).
	BeforeLogin bool
	// NoStart installs without starting.
	NoStart bool

	// Root stands before every folder of the machine; "" is the machine itself.
	Root string
	// Runner runs the manager's commands; nil is [Commands].
	Runner Runner
	// Control is Windows' service manager; nil is the machine's own.
	Control Control
}

// Runner runs a command of a service manager and returns what it printed, also
// with an error.
type Runner interface {
	// Run runs one command to its end; errors match ErrManager.
	Run(ctx context.Context, name string, arguments ...string) (output string, err error)
}

// Commands is the Runner of the machine.
type Commands struct{}

// Run implements Runner.
func (Commands) Run(ctx context.Context, name string, arguments ...string) (string, error) {
	output, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	text := strings.TrimSpace(string(output))
	if err != nil {
		short := slices.DeleteFunc(slices.Clone(arguments), func(a string) bool { return strings.Contains(a, "=") }) // what it shall print
		return text, fmt.Errorf("service: %w: %s: %w: %s", ErrManager, command(name, short), err, strings.ReplaceAll(text, "\n", " "))
	}
	return text, nil
}

// command is a command as somebody would type it.
func command(name string, arguments []string) string {
	return strings.Join(append([]string{name}, arguments...), " ")
}

// Service is the agent as a service of one manager. Methods look at the machine
// each time they are called, and are not meant for concurrent use.
type Service interface {
	// File is where the service's text lies, "" where there is no file.
	File() string
	// Text is the unit, the job or the command line; ErrPath.
	Text() (string, error)
	// Install plans what is missing for the service as the options want it; an empty plan when
	// nothing is. ErrForeign, ErrPath, ErrManager.
	Install(ctx context.Context) (Plan, error)
	// Uninstall plans to take back what Install did, and no more.
	Uninstall(ctx context.Context) (Plan, error)
	// Start plans just that; ErrNotInstalled.
	Start(ctx context.Context) (Plan, error)
	// Stop plans just that; ErrNotInstalled.
	Stop(ctx context.Context) (Plan, error)
	// Status tells how things are.
	Status(ctx context.Context) (Status, error)
}

// Status is how a service stands.
type Status struct {
	Manager   Kind      `json:"manager"`
	System    bool      `json:"system"`
	Installed bool      `json:"installed"`
	File      string    `json:"file,omitempty"`
	Enabled   bool      `json:"enabled"` // it starts by itself
	Running   bool      `json:"running"`
	PID       int       `json:"pid,omitempty"`
	Since     time.Time `json:"since,omitzero"` // running since, where the manager tells
	// Failure is what the manager says of the last end that was none of ours.
	Failure string `json:"failure,omitempty"`
	// BeforeLogin tells whether it starts with the machine.
	BeforeLogin bool `json:"before_login"`
	// Advice are sentences that say what to do.
	Advice []string `json:"advice,omitempty"`
}

// New returns the service that the options describe; ErrPath, ErrUnsupported.
func New(o Options) (Service, error) {
	if err := checkPath(o.Kind, o.Program); err != nil {
		return nil, err
	}
	if o.Config != "" {
		if err := checkPath(o.Kind, o.Config); err != nil {
			return nil, err
		}
	}
	if o.Runner == nil {
		o.Runner = Commands{}
	}
	switch o.Kind {
	case Systemd:
		return &systemd{o}, nil
	case Launchd:
		return &launchd{o}, nil
	case Windows:
		if o.Control == nil {
			o.Control = machineControl()
		}
		return &windowsService{o}, nil
	}
	return nil, fmt.Errorf("service: %w: %s", ErrUnsupported, o.Kind)
}

// checkPath refuses what no text of a manager could hold.
func checkPath(kind Kind, path string) error {
	absolute := filepath.IsAbs(path) || kind == Windows && len(path) > 2 && path[1] == ':'
	switch {
	case !absolute:
		return fmt.Errorf("service: %w: %q is not absolute", ErrPath, path)
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }):
		return fmt.Errorf("service: %w: %q has a control character; move it", ErrPath, path)
	case kind == Windows && strings.ContainsAny(path, `%"`):
		return fmt.Errorf("service: %w: in %q, Windows would take the percent sign for a variable; move it", ErrPath, path)
	}
	return nil
}
