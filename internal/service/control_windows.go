package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// machineControl is Windows' own service control manager.
func machineControl() Control { return control{} }

type control struct{}

const (
	restartAfter = 10 * time.Second
	controlEvery = 100 * time.Millisecond
)

// with opens the manager, and the service unless it is not there, which is nil.
func (control) with(doing string, access uint32, work func(*mgr.Mgr, *mgr.Service) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("service: %w: %s: %w", ErrManager, doing, err)
		}
	}()
	handle, err := windows.OpenSCManager(nil, nil, access)
	if err != nil {
		return err
	}
	manager := &mgr.Mgr{Handle: handle}
	defer func() { err = errors.Join(err, manager.Disconnect()) }()
	service, err := open(manager, access)
	if err != nil && !errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return err
	}
	if service != nil {
		defer func() { err = errors.Join(err, service.Close()) }()
	}
	return work(manager, service)
}

// open opens the service: to look, everybody may.
func open(manager *mgr.Mgr, access uint32) (*mgr.Service, error) {
	if access == windows.SC_MANAGER_ALL_ACCESS {
		return manager.OpenService(Name)
	}
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return nil, err
	}
	handle, err := windows.OpenService(manager.Handle, name, windows.SERVICE_QUERY_CONFIG|windows.SERVICE_QUERY_STATUS)
	if err != nil {
		return nil, err
	}
	return &mgr.Service{Name: Name, Handle: handle}, nil
}

// Find implements Control.
func (c control) Find() (state ControlState, err error) {
	err = c.with("looking for the service", windows.SC_MANAGER_CONNECT, func(_ *mgr.Mgr, service *mgr.Service) error {
		if service == nil {
			return nil
		}
		config, err := service.Config()
		if err != nil {
			return err
		}
		status, err := service.Query()
		if err != nil {
			return err
		}
		state = ControlState{
			Installed: true, Command: config.BinaryPathName, Automatic: config.StartType == mgr.StartAutomatic,
			Running: status.State == svc.Running || status.State == svc.StartPending,
			PID:     int(status.ProcessId), ExitCode: status.Win32ExitCode,
		}
		if status.State == svc.Stopped && status.Win32ExitCode == uint32(windows.ERROR_SERVICE_NEVER_STARTED) {
			state.ExitCode = 0
		}
		return nil
	})
	return state, err
}

// config is how the service stands with Windows.
func (control) config() mgr.Config {
	return mgr.Config{
		StartType: mgr.StartAutomatic, DelayedAutoStart: true, DisplayName: "dm3sync",
		Description: "Keeps dm3 conversations encrypted on storage of your choice, the same on all devices.",
	}
}

// recover starts the service anew after failures.
func (control) recover(service *mgr.Service) error {
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: restartAfter}
	return errors.Join(
		service.SetRecoveryActions([]mgr.RecoveryAction{again, again, again}, uint32((24*time.Hour).Seconds())),
		service.SetRecoveryActionsOnNonCrashFailures(true))
}

// Create implements Control.
func (c control) Create(program string, arguments []string) error {
	return c.with("making the service", windows.SC_MANAGER_ALL_ACCESS, func(manager *mgr.Mgr, _ *mgr.Service) (err error) {
		service, err := manager.CreateService(Name, program, c.config(), arguments...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, service.Close()) }()
		// A source that is left from before is as good as a new one.
		_ = eventlog.InstallAsEventCreate(Name, eventlog.Info|eventlog.Warning|eventlog.Error)
		return c.recover(service)
	})
}

// Change implements Control.
func (c control) Change(program string, arguments []string) error {
	return c.with("changing the service", windows.SC_MANAGER_ALL_ACCESS, func(_ *mgr.Mgr, service *mgr.Service) error {
		if service == nil {
			return ErrNotInstalled
		}
		config, err := service.Config()
		if err != nil {
			return err
		}
		config.BinaryPathName = commandLine(program, arguments)
		config.StartType, config.DelayedAutoStart = mgr.StartAutomatic, true
		return errors.Join(service.UpdateConfig(config), c.recover(service))
	})
}

// Delete implements Control.
func (c control) Delete() error {
	return c.with("removing the service", windows.SC_MANAGER_ALL_ACCESS, func(_ *mgr.Mgr, service *mgr.Service) error {
		if service == nil {
			return nil
		}
		_ = eventlog.Remove(Name) // one that is gone already is fine
		return service.Delete()
	})
}

// Start implements Control.
func (c control) Start(ctx context.Context) error {
	return c.with("starting the service", windows.SC_MANAGER_ALL_ACCESS, func(_ *mgr.Mgr, service *mgr.Service) error {
		if service == nil {
			return ErrNotInstalled
		}
		if err := service.Start(); err != nil {
			return err
		}
		return c.wait(ctx, service, svc.Running)
	})
}

// Stop implements Control.
func (c control) Stop(ctx context.Context) error {
	return c.with("stopping the service", windows.SC_MANAGER_ALL_ACCESS, func(_ *mgr.Mgr, service *mgr.Service) error {
		if service == nil {
			return ErrNotInstalled
		}
		if _, err := service.Control(svc.Stop); err != nil {
			return err
		}
		return c.wait(ctx, service, svc.Stopped)
	})
}

// wait waits for a state; a service that stops while it should start has failed.
func (control) wait(ctx context.Context, service *mgr.Service, wanted svc.State) error {
	for {
		status, err := service.Query()
		switch {
		case err != nil:
			return err
		case status.State == wanted:
			return nil
		case status.State == svc.Stopped:
			return fmt.Errorf("it ended at once with exit code %d; the event log of applications says why", status.Win32ExitCode)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(controlEvery):
		}
	}
}
