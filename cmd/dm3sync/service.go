package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/service"
)

// serviceFlags are those of the verbs below `service`.
type serviceFlags struct {
	system      bool
	program     string
	manager     string
	beforeLogin bool
	noStart     bool
	dry         bool
}

func (p *program) serviceCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "service",
		Short: "Let the agent start by itself: systemd, launchd or Windows",
		Long: "Let the agent start by itself, as a service of yours (a unit of systemd's user manager, an agent of launchd) or, with\n" +
			"--system and as root, of the machine: a hardened unit, a daemon. On Windows services are always the machine's.\n\n" +
			"  dm3sync service install                  yours: starts when you log in\n" +
			"  dm3sync service install --before-login   yours: starts with the machine (systemd)\n" +
			"  sudo dm3sync service install --system    the machine's, with /etc/dm3sync/config.toml",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		p.serviceVerb("install", "Install the service, or bring it up to date, and start it", service.Service.Install),
		p.serviceVerb("uninstall", "Stop the service and take back what install did; the history stays", service.Service.Uninstall),
		p.serviceVerb("start", "Start the service", service.Service.Start),
		p.serviceVerb("stop", "Stop the service, until it is started or the next time it starts by itself", service.Service.Stop),
		p.serviceReloadCommand(), p.serviceStatusCommand(), p.servicePrintCommand())
	return command
}

// add adds the flags that all verbs have.
func (f *serviceFlags) add(command *cobra.Command) {
	command.Flags().BoolVar(&f.system, "system", false, "a service of the machine, not of yours")
	command.Flags().StringVar(&f.program, "program", "", "`PATH` of dm3sync (default: this one)")
}

// serviceVerb is a verb that plans, and does what was planned.
func (p *program) serviceVerb(name, short string, plan func(service.Service, context.Context) (service.Plan, error)) *cobra.Command {
	f := &serviceFlags{}
	command := &cobra.Command{
		Use: name, Short: short, Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := p.service(f)
			if err != nil {
				return err
			}
			steps, err := plan(s, command.Context())
			if err != nil {
				return err
			}
			if err := p.carryOut(command.Context(), steps, f.dry); err != nil {
				if f.system && os.Getuid() > 0 { // Windows has no number for who calls
					p.note("a service of the machine needs root: put sudo before it")
				}
				return err
			}
			p.afterService(name, f, len(steps))
			return nil
		},
	}
	f.add(command)
	command.Flags().BoolVar(&f.dry, "dry-run", false, "only say what would be done")
	if name == "install" {
		command.Flags().BoolVar(&f.beforeLogin, "before-login", false, "systemd: let your services start with the machine (lingering)")
		command.Flags().BoolVar(&f.noStart, "no-start", false, "don't start it now")
	}
	return command
}

// carryOut does what is planned, and says it.
func (p *program) carryOut(ctx context.Context, steps service.Plan, dry bool) error {
	if dry {
		return p.print(map[string]any{"dry_run": true, "steps": wills(steps)}, func(w *strings.Builder) {
			for _, step := range steps {
				fmt.Fprintf(w, "would %s\n", plain(step.Will))
			}
			if len(steps) == 0 {
				fmt.Fprintln(w, "nothing to do: everything is as it should be")
			}
		})
	}
	done := service.Plan{}
	err := steps.Run(ctx, func(step service.Step) { done = append(done, step) })
	return errors.Join(err, p.print(map[string]any{"steps": done}, func(w *strings.Builder) {
		for _, step := range done {
			fmt.Fprintln(w, plain(step.Did))
		}
		if len(steps) == 0 {
			fmt.Fprintln(w, "nothing to do: everything is as it should be")
		}
	}))
}

func wills(steps service.Plan) []string {
	list := []string{}
	for _, step := range steps {
		list = append(list, step.Will)
	}
	return list
}

// afterService says what goes on, or what to do next.
func (p *program) afterService(verb string, f *serviceFlags, steps int) {
	if f.dry {
		return
	}
	switch verb {
	case "install":
		p.note("`dm3sync service status` shows how it stands, `dm3sync status` what it does")
		if c, err := p.loadForAgent(); err == nil && len(c.Accounts) == 0 && !f.system {
			p.note("no account is set up yet: `dm3sync ui` does that in the browser, `dm3sync init` in a terminal")
		}
	case "uninstall":
		if steps > 0 {
			p.note("the configuration, what waits and the history stay; `dm3sync run` runs the agent by hand")
		}
	}
}

func (p *program) serviceStatusCommand() *cobra.Command {
	f := &serviceFlags{}
	command := &cobra.Command{
		Use: "status", Short: "Say whether the service is installed and runs, and what to do", Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := p.service(f)
			if err != nil {
				return err
			}
			status, err := s.Status(command.Context())
			if err != nil {
				return err
			}
			return p.print(status, func(w *strings.Builder) { p.writeServiceStatus(w, &status) })
		},
	}
	f.add(command)
	return command
}

func (p *program) writeServiceStatus(w *strings.Builder, s *service.Status) {
	owner := map[bool]string{true: "the machine's", false: "yours"}[s.System]
	if !s.Installed {
		fmt.Fprintf(w, "service: not installed (%s, %s)\n", s.Manager, owner)
	} else {
		fmt.Fprintf(w, "service: installed (%s, %s)\n", s.Manager, owner)
		rows := [][]string{{"  state", map[bool]string{true: "running", false: "not running"}[s.Running]}}
		if s.PID > 0 {
			rows[0][1] += fmt.Sprintf(", process %d", s.PID)
		}
		if !s.Since.IsZero() {
			rows[0][1] += ", started " + ago(s.Since, p.now())
		}
		if s.Failure != "" {
			rows = append(rows, []string{"  last end", plain(s.Failure)})
		}
		starts := "only by hand"
		switch {
		case s.Enabled && s.BeforeLogin:
			starts = "by itself, with the machine"
		case s.Enabled:
			starts = "by itself, when you log in"
		}
		rows = append(rows, []string{"  starts", starts})
		if s.File != "" {
			rows = append(rows, []string{"  file", plain(s.File)})
		}
		table(w, rows)
	}
	for _, sentence := range s.Advice {
		fmt.Fprintf(w, "  %s\n", plain(sentence))
	}
}

func (p *program) servicePrintCommand() *cobra.Command {
	f := &serviceFlags{}
	command := &cobra.Command{
		Use: "print", Short: "Print the unit, job or command line that install would use", Args: nothing,
		RunE: func(*cobra.Command, []string) error {
			s, err := p.service(f)
			if err != nil {
				return err
			}
			text, err := s.Text()
			if err != nil {
				return err
			}
			return p.print(map[string]string{"file": s.File(), "text": text}, func(w *strings.Builder) {
				w.WriteString(strings.TrimSuffix(text, "\n") + "\n")
			})
		},
	}
	f.add(command)
	command.Flags().StringVar(&f.manager, "manager", "", "`KIND` of service manager: systemd, launchd or windows (default: this machine's)")
	return command
}

// service is the service that the flags mean.
func (p *program) service(f *serviceFlags) (service.Service, error) {
	kind, err := service.KindFor(runtime.GOOS)
	if f.manager != "" {
		kind, err = service.Kind(f.manager), nil
	}
	if err != nil {
		return nil, err
	}
	o := service.Options{
		Kind: kind, System: f.system, Program: f.program, Home: p.home(), UID: os.Getuid(),
		BeforeLogin: f.beforeLogin, NoStart: f.noStart, Root: p.machine, Runner: p.runner,
	}
	if err := p.completeService(&o); err != nil {
		return nil, err
	}
	s, err := service.New(o)
	if err != nil {
		return nil, usageError{err}
	}
	return s, nil
}

// completeService finds out what the flags leave open.
func (p *program) completeService(o *service.Options) error {
	var err error
	if o.Program == "" {
		if o.Program, err = os.Executable(); err != nil {
			return fmt.Errorf("finding this program: %w; name it with --program", err)
		}
	}
	if o.Config, err = p.serviceConfig(o.System); err != nil {
		return err
	}
	if who, err := user.Current(); err == nil {
		o.User = who.Username
	} else if o.BeforeLogin {
		return fmt.Errorf("finding out who you are: %w", err)
	}
	return nil
}

// serviceConfig is the configuration that the service has to be told of: one that --config or a
// variable names, which a service manager would not know of.
func (p *program) serviceConfig(system bool) (string, error) {
	path := p.configFile
	if path == "" && !system {
		usual := filepath.Join(p.home(), ".config", "dm3sync", "config.toml")
		if path = config.DefaultFile(&config.Options{Environ: p.environ}); path == usual {
			return "", nil
		}
	}
	if path == "" {
		return "", nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the configuration: %w", err)
	}
	return path, nil
}

// home is the user's own folder.
func (p *program) home() string {
	if home := p.getenv("HOME"); home != "" || runtime.GOOS != "windows" {
		return home
	}
	return p.getenv("USERPROFILE")
}
