package limits

import (
	"context"
	"os/exec"
)

// Metered implements Machine: macOS tells no command of it.
func (System) Metered(context.Context) Answer { return Unknown }

// Power implements Machine.
func (System) Power(ctx context.Context) Power {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, "/usr/bin/pmset", "-g", "batt").Output()
	if err != nil {
		return Power{Percent: -1}
	}
	return powerOfText(string(output))
}
