//go:build !windows

package service

import (
	"context"
	"fmt"
)

// machineControl is that of a machine that has none.
func machineControl() Control { return noControl{} }

// noControl refuses everything.
type noControl struct{}

func (noControl) refuse() error {
	return fmt.Errorf("service: %w: this is not Windows", ErrUnsupported)
}

// Find implements Control.
func (c noControl) Find() (ControlState, error) { return ControlState{}, c.refuse() }

// Create implements Control.
func (c noControl) Create(string, []string) error { return c.refuse() }

// Change implements Control.
func (c noControl) Change(string, []string) error { return c.refuse() }

// Delete implements Control.
func (c noControl) Delete() error { return c.refuse() }

// Start implements Control.
func (c noControl) Start(context.Context) error { return c.refuse() }

// Stop implements Control.
func (c noControl) Stop(context.Context) error { return c.refuse() }
