package main

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"github.com/dm3sync/dm3sync/internal/service"
)

// asService runs the agent, as a service where Windows started it as one: then what it logs
// goes to the event log, and Windows' stop is that of ctrl-C.
func (p *program) asService(ctx context.Context, run func(context.Context) error) error {
	is, err := svc.IsWindowsService()
	if err != nil {
		return fmt.Errorf("asking whether this is a service: %w", err)
	}
	if !is {
		return run(ctx)
	}
	if log, err := eventlog.Open(service.Name); err == nil {
		defer log.Close()
		p.err = eventWriter{log}
	}
	s := &windowsAgent{program: p, context: ctx, run: run}
	if err := svc.Run(service.Name, s); err != nil {
		return fmt.Errorf("running as a service: %w", err)
	}
	return s.err
}

// eventWriter writes lines of the log as events.
type eventWriter struct{ log *eventlog.Log }

// eventNumber is that of messages that are only text.
const eventNumber = 1

// Write implements io.Writer.
func (w eventWriter) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	write := w.log.Info
	if bytes.Contains(line, []byte(`"level":"ERROR"`)) || bytes.HasPrefix(line, []byte("dm3sync: ")) {
		write = w.log.Error
	}
	return len(line), write(eventNumber, text)
}

// windowsAgent is the agent as Windows' service manager sees it.
type windowsAgent struct {
	program *program
	context context.Context
	run     func(context.Context) error
	err     error
}

// Execute implements svc.Handler.
func (s *windowsAgent) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (bool, uint32) {
	const accepted = svc.AcceptStop | svc.AcceptShutdown
	ctx, cancel := context.WithCancel(s.context)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	changes <- svc.Status{State: svc.Running, Accepts: accepted}
	for {
		select {
		case s.err = <-done:
			// The code is for the manager, which starts the agent anew after any but 0.
			return true, uint32(exitCode(s.err))
		case request := <-requests:
			switch request.Cmd {
			case svc.Interrogate:
				changes <- request.CurrentStatus
			case svc.Stop, svc.Shutdown:
				changes <- svc.Status{State: svc.StopPending, WaitHint: 30_000}
				cancel()
			}
		}
	}
}
