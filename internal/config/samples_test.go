package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
)

const samples = "../../configs"

func TestSamplesLoad(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(samples, "*.toml"))
	if err != nil || len(files) < 14 {
		t.Fatalf("samples %q, error %v; this test knows fourteen", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := config.Load(file, environment("HOME=/home/alice"))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings %q", c.Warnings)
			}
		})
	}
}

// TestUnitFile: the unit starts a verb that exists with a file that matches its
// credentials. (cmd/dm3sync has the test that "run" is a verb.)
func TestUnitFile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(samples, "dm3sync.service"))
	if err != nil {
		t.Fatal(err)
	}
	unit := parseUnit(t, string(data))
	if got := unit["ExecStart"]; len(got) != 1 || got[0] != "/usr/local/bin/dm3sync run --config /etc/dm3sync/config.toml" {
		t.Errorf("ExecStart %q", got)
	}
	if got := unit["Type"]; len(got) != 1 || got[0] != "notify" {
		t.Errorf("Type %q", got)
	}
	c, err := config.Load(filepath.Join(samples, "headless-s3.toml"), environment("STATE_DIRECTORY=/var/lib/dm3sync"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/var/lib/dm3sync" {
		t.Errorf("data folder %s", c.Data)
	}
	loaded := map[string]bool{}
	for _, credential := range unit["LoadCredential"] {
		name, _, _ := strings.Cut(credential, ":")
		loaded[name] = true
	}
	for _, name := range []string{c.Accounts[0].Secret.Credential, c.Accounts[0].Provider.SecretCredential} {
		if !loaded[name] {
			t.Errorf("the unit does not load the credential %q", name)
		}
	}
}

// parseUnit reads a systemd unit: sections, comments and Name=value lines.
func parseUnit(t *testing.T, text string) map[string][]string {
	t.Helper()
	unit := map[string][]string{}
	for number, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name != strings.TrimSpace(name) {
			t.Fatalf("line %d is no setting: %s", number+1, line)
		}
		unit[name] = append(unit[name], value)
	}
	return unit
}
