package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manualCommand writes the manual pages, for those who make packages.
func (p *program) manualCommand() *cobra.Command {
	var to string
	command := &cobra.Command{
		Use:    "manual --to FOLDER",
		Short:  "Write the manual pages, one for each verb",
		Hidden: true,
		Args:   nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if to == "" {
				return usagef("say where to: --to FOLDER")
			}
			if err := os.MkdirAll(to, 0o755); err != nil {
				return fmt.Errorf("making the folder for the manual pages: %w", err)
			}
			root := command.Root()
			root.DisableAutoGenTag = true // it has today's date: the same source makes the same pages
			date := p.sourceDate()
			header := &doc.GenManHeader{Title: "DM3SYNC", Section: "1", Source: "dm3sync", Manual: "dm3sync", Date: &date}
			if err := doc.GenManTree(root, header, to); err != nil {
				return fmt.Errorf("writing the manual pages: %w", err)
			}
			return nil
		},
	}
	command.Flags().StringVar(&to, "to", "", "`FOLDER` to write them into")
	return command
}

// sourceDate is the date that the pages show: that of the source, where SOURCE_DATE_EPOCH tells it in Unix seconds, so that
// a build can be repeated to the byte.
func (p *program) sourceDate() time.Time {
	if seconds, err := strconv.ParseInt(p.getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	return p.now()
}
