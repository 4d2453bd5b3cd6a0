package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func (p *program) demoCommand() *cobra.Command {
	var keep string
	command := &cobra.Command{
		Use:   "demo",
		Short: "Show what dm3sync does, in a temporary folder: two devices write at once, a third reads a week",
		Long: "Show what dm3sync does, in a temporary folder, with a sample of real chat: an account on two devices that write at once, their\n" +
			"synchronisation through a folder, and a third device that has nothing cached and reads one week in the middle.\n" +
			"The table says what each step cost in requests and bytes at the place.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.demo(command.Context(), keep) },
	}
	command.Flags().StringVar(&keep, "keep", "", "work in this new `FOLDER`, and leave it there")
	return command
}

// demoDocument is what the demo did.
type demoDocument struct {
	Folder string     `json:"folder,omitempty"` // only when it was kept
	Steps  []demoStep `json:"steps"`
}

// demoStep is one row of the table; requests and bytes are those at the provider.
type demoStep struct {
	Step     string `json:"step"`
	Device   string `json:"device"`
	Requests int64  `json:"requests"`
	Sent     int64  `json:"sent"`
	Received int64  `json:"received"`
	Result   string `json:"result"`
}

func (p *program) demo(ctx context.Context, keep string) (err error) {
	folder, err := demoFolder(keep)
	if err != nil {
		return err
	}
	if keep == "" {
		defer func() {
			if removeErr := os.RemoveAll(folder); removeErr != nil {
				err = errors.Join(err, removeErr)
			}
		}()
	}
	d := &demonstration{program: p, folder: folder}
	if err := d.run(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	document := demoDocument{Steps: d.steps}
	if keep != "" {
		document.Folder = folder
	}
	return p.print(document, func(w *strings.Builder) { writeDemo(w, document) })
}

// demoFolder makes the folder to work in; one to keep must be new or empty.
func demoFolder(keep string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "dm3sync-demo-")
	}
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(keep)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", usagef("--keep %s: the folder is not empty", keep)
	}
	return filepath.Abs(keep)
}

func writeDemo(w *strings.Builder, document demoDocument) {
	rows := [][]string{{"STEP", "DEVICE", "REQUESTS", "SENT", "RECEIVED", "RESULT"}}
	for _, s := range document.Steps {
		rows = append(rows, []string{s.Step, s.Device, strconv.FormatInt(s.Requests, 10), humanize.Bytes(uint64(s.Sent)), humanize.Bytes(uint64(s.Received)), s.Result})
	}
	table(w, rows)
	if document.Folder != "" {
		fmt.Fprintf(w, "\nkept in %s: `dm3sync status --config %s` looks at the phone, `dm3sync ui` with the same --config shows it in a browser\n", document.Folder, filepath.Join(document.Folder, "phone.toml"))
	}
}
