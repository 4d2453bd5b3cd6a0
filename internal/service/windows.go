package service

import (
	"context"
	"fmt"
	"strings"
)

// Control is Windows' service control manager, as far as it is needed here. All
// of it needs the rights of an administrator; errors match ErrManager.
type Control interface {
	// Find tells how the service stands.
	Find() (ControlState, error)
	// Create makes the service, which starts with the machine and is started anew
	// after a failure.
	Create(program string, arguments []string) error
	// Change gives an existing one another command line, and all of that.
	Change(program string, arguments []string) error
	// Delete removes it; one that is not there is fine.
	Delete() error
	// Start starts it, and waits until it runs.
	Start(ctx context.Context) error
	// Stop ends it, and waits until it has ended.
	Stop(ctx context.Context) error
}

// ControlState is what Control tells of the service.
type ControlState struct {
	Installed bool
	Command   string // the whole command line
	Automatic bool   // it starts with the machine
	Running   bool
	PID       int
	ExitCode  uint32 // of the last end
}

// windowsService is the agent as a service of Windows, which is always the machine's.
type windowsService struct{ o Options }

// File implements Service.
func (*windowsService) File() string { return "" }

// Text implements Service: the command line that Windows keeps.
func (w *windowsService) Text() (string, error) {
	return commandLine(w.o.Program, w.arguments()), nil
}

// commandLine is the program and its arguments as one text.
func commandLine(program string, arguments []string) string {
	text := quoteWindows(program)
	for _, word := range arguments {
		text += " " + quoteWindows(word)
	}
	return text
}

func (w *windowsService) arguments() []string {
	if w.o.Config == "" {
		return []string{"run"}
	}
	return []string{"run", "--config", w.o.Config}
}

// quoteWindows writes a word as programs on Windows split command lines. Paths hold no
// quotation marks (see checkPath), so that only backslashes before the closing one count twice.
func quoteWindows(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t") {
		return word
	}
	ending := word[len(strings.TrimRight(word, `\`)):]
	return `"` + word + ending + `"`
}

// step is a step at the service manager.
func step(will, did string, do func(context.Context) error) Step {
	return Step{Will: will, Did: did, do: do}
}

// Install implements Service.
func (w *windowsService) Install(context.Context) (Plan, error) {
	state, err := w.o.Control.Find()
	if err != nil {
		return nil, err
	}
	text, err := w.Text()
	if err != nil {
		return nil, err
	}
	var plan Plan
	switch {
	case !state.Installed:
		plan = append(plan, step("make the service "+Name+": "+text, "made the service "+Name+": "+text,
			func(context.Context) error { return w.o.Control.Create(w.o.Program, w.arguments()) }))
	case state.Command != text || !state.Automatic:
		plan = append(plan, step("change the service "+Name+": "+text, "changed the service "+Name+": "+text,
			func(context.Context) error { return w.o.Control.Change(w.o.Program, w.arguments()) }))
		if state.Running && !w.o.NoStart {
			plan, state.Running = append(plan, w.stop()), false
		}
	}
	if !state.Running && !w.o.NoStart {
		plan = append(plan, w.start())
	}
	return plan, nil
}

func (w *windowsService) start() Step {
	return step("start the service "+Name, "started the service "+Name, w.o.Control.Start)
}

func (w *windowsService) stop() Step {
	return step("stop the service "+Name, "stopped the service "+Name, w.o.Control.Stop)
}

// Uninstall implements Service.
func (w *windowsService) Uninstall(context.Context) (Plan, error) {
	state, err := w.o.Control.Find()
	if err != nil || !state.Installed {
		return nil, err
	}
	var plan Plan
	if state.Running {
		plan = append(plan, w.stop())
	}
	return append(plan, step("remove the service "+Name, "removed the service "+Name,
		func(context.Context) error { return w.o.Control.Delete() })), nil
}

// Start implements Service.
func (w *windowsService) Start(context.Context) (Plan, error) { return w.change(true, w.start()) }

// Stop implements Service.
func (w *windowsService) Stop(context.Context) (Plan, error) { return w.change(false, w.stop()) }

func (w *windowsService) change(run bool, step Step) (Plan, error) {
	state, err := w.o.Control.Find()
	switch {
	case err != nil:
		return nil, err
	case !state.Installed:
		return nil, fmt.Errorf("service: %w", ErrNotInstalled)
	case state.Running == run:
		return nil, nil
	}
	return Plan{step}, nil
}

// Status implements Service.
func (w *windowsService) Status(context.Context) (Status, error) {
	state, err := w.o.Control.Find()
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Manager: Windows, System: true, Installed: state.Installed, Enabled: state.Automatic,
		Running: state.Running, PID: state.PID, BeforeLogin: state.Automatic,
	}
	switch {
	case !state.Installed:
		status.Advice = append(status.Advice, "`dm3sync service install`, as an administrator, installs and starts it")
		return status, nil
	case !state.Running && state.ExitCode != 0:
		status.Failure = fmt.Sprintf("exit code %d", state.ExitCode)
		status.Advice = append(status.Advice, "the event log of applications says why it ended; then `dm3sync service start`")
	case !state.Running:
		status.Advice = append(status.Advice, "`dm3sync service start` starts it")
	}
	if !state.Automatic {
		status.Advice = append(status.Advice, "it doesn't start by itself; `dm3sync service install` changes that")
	}
	return status, nil
}
