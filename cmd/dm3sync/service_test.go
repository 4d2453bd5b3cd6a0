package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestSampleUnit: the sample is what `service print` prints.
func TestSampleUnit(t *testing.T) {
	p, out, _ := testProgram(nil)
	if code := p.main(t.Context(), []string{"service", "print", "--system", "--manager", "systemd", "--program", "/usr/local/bin/dm3sync"}); code != exitDone {
		t.Fatalf("code %d", code)
	}
	sample, err := os.ReadFile("../../configs/dm3sync.service")
	if err != nil || out.String() != string(sample) {
		t.Errorf("configs/dm3sync.service is not what is printed (%v); run: dm3sync service print --system --program /usr/local/bin/dm3sync > configs/dm3sync.service", err)
	}
}

// calls keeps the commands that a service manager would have got.
type calls []string

func (c *calls) Run(_ context.Context, name string, arguments ...string) (string, error) {
	text := strings.Join(append([]string{name}, arguments...), " ")
	if strings.Contains(text, "show") {
		return "LoadState=not-found\nActiveState=inactive\n", nil
	}
	*c = append(*c, text)
	return "", nil
}

// TestServiceVerbs: a dry run changes nothing and says what install does then; status says what to do.
func TestServiceVerbs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the commands are those of systemd")
	}
	home := t.TempDir()
	ran := &calls{}
	run := func(arguments ...string) (string, string) {
		t.Helper()
		p, out, notes := testProgram(nil)
		p.runner, p.machine, p.environ = ran, t.TempDir(), []string{"HOME=" + home}
		if code := p.main(t.Context(), append([]string{"service"}, arguments...)); code != exitDone {
			t.Fatalf("%q: code %d: %s", arguments, code, notes)
		}
		return out.String(), notes.String()
	}
	unit := filepath.Join(home, ".config/systemd/user/dm3sync.service")
	dry, _ := run("install", "--dry-run")
	if _, err := os.Stat(unit); err == nil || len(*ran) > 0 || !strings.Contains(dry, "would write "+unit+"\nwould run `systemctl --user daemon-reload`\n") {
		t.Errorf("dry run: ran %q, said %s", *ran, dry)
	}
	said, notes := run("install", "--program", "/opt/dm3 sync/dm3sync")
	text, err := os.ReadFile(unit)
	if err != nil || !strings.Contains(string(text), `ExecStart="/opt/dm3 sync/dm3sync" run`+"\n") {
		t.Errorf("unit %s, error %v", text, err)
	}
	if strings.Count(said, "\n") != 4 || len(*ran) != 3 || !strings.Contains(notes, "dm3sync ui") {
		t.Errorf("ran %q, said %s, noted %s", *ran, said, notes)
	}
	if text, _ := run("status"); !strings.Contains(text, "not installed (systemd, yours)") || !strings.Contains(text, "service install") {
		t.Errorf("status %s", text)
	}
	if text, _ := run("uninstall", "--json"); !strings.Contains(text, `"step":"removed `+unit+`"`) {
		t.Errorf("uninstall %s", text)
	}
	if text, _ := run("uninstall"); !strings.Contains(text, "nothing to do") {
		t.Errorf("uninstall again %s", text)
	}
}
