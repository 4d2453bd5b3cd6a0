package display_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/display"
)

func TestReasonDropsPackages(t *testing.T) {
	for text, want := range map[string]string{
		"engine: pass: engine: list heads: providers: list failed 3 times: webdav: list e4/: providers: not reachable for the moment": "pass: list heads: list failed 3 times: webdav: list e4/: not reachable for the moment",
		"agent: configuration: the account has no node":  "configuration: the account has no node",
		"the folder cache: is full":                      "the folder cache: is full",
		"A pass failed.":                                 "A pass failed.",
		"webdav: list x/: context canceled":              "webdav: list x/: it was interrupted",
		"providers: context deadline exceeded":           "it took too long",
		"agent":                                          "agent",
		"keyring: ":                                      "",
		"open /var/lib/engine: pass: permission denied":  "open /var/lib/engine: pass: permission denied",
		"archive: no such file; is the drive mounted?":   "no such file; is the drive mounted?",
		"login: postgres: connecting: the login refused": "postgres: connecting: the login refused",
	} {
		if got := display.Reason(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestReasonKnowsThePackages: whichever package begins an error with its name, people don't read that name; but they read
// which kind of place has answered.
func TestReasonKnowsThePackages(t *testing.T) {
	places := []string{"dm3node", "gdrive", "ipfs", "memory", "postgres", "s3", "webdav"}
	clause := regexp.MustCompile(`(?m)^package (\w+)$`)
	seen := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := clause.FindSubmatch(text)
		if name != nil && !strings.HasSuffix(string(name[1]), "test") && strings.Contains(string(text), `"`+string(name[1])+`: `) {
			seen[string(name[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range seen {
		want := "it is full"
		if slices.Contains(places, name) {
			want = name + ": " + want
		}
		if got := display.Reason(name + ": it is full"); got != want {
			t.Errorf("package %s: people read %q", name, got)
		}
	}
	for _, place := range places {
		if !seen[place] {
			t.Errorf("no package %s begins an error with its name", place)
		}
	}
}
