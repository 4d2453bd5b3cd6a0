package agent

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// killedFolder names the data folder to the process that is killed.
const killedFolder = "DM3SYNC_TEST_KILLED_FOLDER"

// folderDevice is a device whose provider is a folder inside its data folder.
func folderDevice(t *testing.T, folder string) *device {
	d := newDevice(t, "alice.eth")
	d.config.Data, d.config.Socket = folder, filepath.Join(folder, "agent.sock")
	d.config.Accounts[0].Spool = filepath.Join(folder, "spool")
	d.options.Open = func(context.Context, config.Account) (providers.Store, error) {
		return local.New(filepath.Join(folder, "place"), nil)
	}
	return d
}

// TestAgentToKill is the process that is killed; by itself it does nothing.
func TestAgentToKill(t *testing.T) {
	folder := os.Getenv(killedFolder)
	if folder == "" {
		t.Skip("only runs as a child of TestKill")
	}
	d := folderDevice(t, folder)
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(a.Run(t.Context()))
}

// startKillable starts a process with an agent; kill ends it as kill -9 does.
func startKillable(t *testing.T, folder string) (client *Client, kill func()) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestAgentToKill$")
	command.Env = append(os.Environ(), killedFolder+"="+folder)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
	})
	t.Cleanup(kill)
	wait(t, "the process", func() (ok bool) {
		var err error
		client, err = Dial(folder)
		return err == nil
	})
	until(t, client, "", isOpen)
	return client, kill
}

// Kill -9 at any time loses nothing that was acknowledged, leaves nothing in the
// way of the next start, and a spooled file is taken whole in the end.
func TestKill(t *testing.T) {
	folder := newDevice(t).config.Data
	if err := local.Create(filepath.Join(folder, "place")); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	const spooled = 10_000
	for round := range 4 {
		client, kill := startKillable(t, folder)
		if round == 0 {
			spoolFile(t, filepath.Join(folder, "spool"), "x.ndjson", envelopes(spooled))
		}
		var timer *time.Timer
		for {
			line := envelope("alice.eth", "carol.eth", 1+accepted, "x")
			summary, err := client.Append(t.Context(), "", "", strings.NewReader(line))
			if err != nil {
				break
			}
			if accepted += summary.Accepted; timer == nil { // however long the first one takes
				timer = time.AfterFunc(time.Duration(50+70*round)*time.Millisecond, kill)
			}
		}
		kill()
	}
	if accepted < 4 {
		t.Fatalf("%d messages were accepted in four rounds", accepted)
	}
	if _, err := os.Stat(filepath.Join(folder, "agent.sock")); err != nil {
		t.Errorf("no stale socket, so its replacement is not tested: %v", err)
	}
	client, stop := folderDevice(t, folder).start()
	until(t, client, "", isOpen)
	page, err := client.Messages(t.Context(), "", "carol.eth", engine.Range{})
	if err != nil || len(page.Messages) < accepted {
		t.Errorf("%d messages of %d that were accepted, %v", len(page.Messages), accepted, err)
	}
	wait(t, "the spooled file", func() bool {
		_, err := os.Stat(filepath.Join(folder, "spool", "x.ndjson"))
		return os.IsNotExist(err)
	})
	until(t, client, "", func(s api.AccountStatus) bool { return isPushed(s) && len(s.Problems) == 0 })
	page, err = client.Messages(t.Context(), "", "bob.eth", engine.Range{})
	if err != nil || len(page.Messages) != spooled {
		t.Errorf("%d spooled messages, %v", len(page.Messages), err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
