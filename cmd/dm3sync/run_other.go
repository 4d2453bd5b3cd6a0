//go:build !windows

package main

import "context"

// asService runs the agent: only Windows wants to be told about it.
func (*program) asService(ctx context.Context, run func(context.Context) error) error {
	return run(ctx)
}
