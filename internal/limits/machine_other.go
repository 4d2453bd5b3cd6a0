//go:build !linux && !darwin && !windows

package limits

import "context"

// Metered implements Machine.
func (System) Metered(context.Context) Answer { return Unknown }

// Power implements Machine.
func (System) Power(context.Context) Power { return Power{Percent: -1} }
