package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dm3sync/dm3sync/internal/files"
)

// Step is one thing to do, in words that people read.
type Step struct {
	Will string `json:"-"`    // "write /path"
	Did  string `json:"step"` // "wrote /path"
	do   func(ctx context.Context) error
}

// Plan is what is to be done, in order.
type Plan []Step

// Run does all steps and tells after each, until one fails.
func (p Plan) Run(ctx context.Context, done func(Step)) error {
	for _, step := range p {
		if err := step.do(ctx); err != nil {
			return err
		}
		done(step)
	}
	return nil
}

// run plans a command.
func (o *Options) run(name string, arguments ...string) Step {
	text := command(name, arguments)
	return Step{Will: "run `" + text + "`", Did: "ran `" + text + "`", do: func(ctx context.Context) error {
		_, err := o.Runner.Run(ctx, name, arguments...)
		return err
	}}
}

// write plans a file that everybody may read.
func write(path, text string) Step {
	return Step{Will: "write " + path, Did: "wrote " + path, do: func(context.Context) error {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("service: making the folder: %w", err)
		}
		if err := files.Replace(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("service: writing: %w", err)
		}
		return nil
	}}
}

// remove plans the end of a file; one that is gone meanwhile is fine.
func remove(path string) Step {
	return Step{Will: "remove " + path, Did: "removed " + path, do: func(context.Context) error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("service: removing: %w", err)
		}
		return nil
	}}
}

// content is a file's text, and whether there is one.
func content(path string) (text string, there bool, err error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("service: reading: %w", err)
	}
	return string(data), true, nil
}
