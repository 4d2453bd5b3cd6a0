package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/container"
)

var (
	verbRow = regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
	verbIn  = regexp.MustCompile("`([a-z-]+)")
)

// TestReadmeVerbs: README.md has a row for each verb that is shown, and none that is gone; the help has a group for each.
func TestReadmeVerbs(t *testing.T) {
	text := readme(t)
	_, table, _ := strings.Cut(text, "| verb | does |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := make(map[string]bool)
	for _, row := range verbRow.FindAllStringSubmatch(table, -1) {
		for _, verb := range verbIn.FindAllStringSubmatch(row[1], -1) {
			rows[verb[1]] = true
		}
	}
	verbs := make(map[string]bool)
	for _, command := range (&program{}).command().Commands() {
		if command.Hidden {
			continue
		}
		verbs[command.Name()] = true
		if !rows[command.Name()] {
			t.Errorf("README.md has no row for %s", command.Name())
		}
		grouped(t, command)
	}
	for verb := range rows {
		if !verbs[verb] {
			t.Errorf("README.md has a row for %s, which is no verb", verb)
		}
	}
}

// grouped fails where a verb stands in no group of the help.
func grouped(t *testing.T, command *cobra.Command) {
	t.Helper()
	if command.GroupID == "" && command.Name() != "version" {
		t.Errorf("%s stands in no group of the help; give it one in command", command.Name())
	}
}

// TestReadmeEnvelope: what README.md shows as the least of an envelope is taken.
func TestReadmeEnvelope(t *testing.T) {
	_, sample, _ := strings.Cut(readme(t), "<!-- envelope -->\n```json\n")
	sample, _, found := strings.Cut(sample, "```")
	if !found {
		t.Fatal("README.md shows no envelope")
	}
	if envelope, _, err := container.ParseEnvelope([]byte(strings.TrimSpace(sample))); err != nil || strings.Count(sample, "\n") != 1 || envelope.Timestamp != 1700000000000 {
		t.Errorf("%v: %s", err, sample)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
