package watch

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script writes a program of sh.
func shell(t *testing.T, text string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs sh")
	}
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCommand: the notice comes as a document and in variables, nothing is run by a
// shell, and secrets of the environment stay here.
func TestCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	path := shell(t, `cat >"$1.json"; env >"$1.env"; printf '%s' "$2" >"$1.arg"`)
	n := Notice{Account: "alice.eth", Cause: CauseStuck, Title: "alice.eth is stuck", Text: "$(touch /tmp/x) `id` \"", Pending: 3, Time: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	c := &Command{Program: []string{path, out, "$HOME;x"}, Timeout: 10 * time.Second, Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/h", "MY_SECRET=hunter2", "DM3SYNC_ACCOUNT_1_SECRET=hunter2"}}
	if err := c.Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out + ".json")
	var got Notice
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	environment, err := os.ReadFile(out + ".env")
	if err != nil || strings.Contains(string(environment), "hunter2") {
		t.Errorf("%s, %v", environment, err)
	}
	for _, want := range []string{"HOME=/h", "DM3SYNC_NOTICE_CAUSE=stuck", "DM3SYNC_NOTICE_OVER=false", "DM3SYNC_NOTICE_ACCOUNT=alice.eth", "DM3SYNC_NOTICE_PENDING=3", "DM3SYNC_NOTICE_TEXT=" + n.Text} {
		if !strings.Contains(string(environment), want+"\n") {
			t.Errorf("no %s in\n%s", want, environment)
		}
	}
	if argument, err := os.ReadFile(out + ".arg"); err != nil || string(argument) != "$HOME;x" {
		t.Errorf("%s, %v", argument, err)
	}
}

func TestCommandFails(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"fails": {"exit 3", "exit status 3"},
		"hangs": {"exec sleep 3", "deadline"},
		"child": {"sleep 3 & echo; exec sleep 3", "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			command := &Command{Program: []string{shell(t, c.text)}, Timeout: 200 * time.Millisecond, Environ: os.Environ()}
			if name == "fails" {
				command.Timeout = 10 * time.Second
			}
			if err := command.Notify(t.Context(), Notice{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	missing := &Command{Program: []string{filepath.Join(t.TempDir(), "none")}, Timeout: time.Second}
	if err := missing.Notify(t.Context(), Notice{}); err == nil {
		t.Error("a program that is not there ran")
	}
}
