package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
)

// TestMoveKilled: along places of many kinds a move that is killed again and again, at whatever point, gets there by
// the same command, and nothing is lost. Then it is finished in the same way.
func TestMoveKilled(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	run := func(ctx context.Context, arguments ...string) (string, error) {
		command := exec.CommandContext(ctx, program) // killed with -9 when ctx ends
		command.Args = append([]string{"dm3sync"}, arguments...)
		command.Env = []string{"HOME=" + home, "DM3SYNC_CONFIG=" + filepath.Join(home, "config.toml"), "DM3SYNC_DATA=" + filepath.Join(home, "data")}
		command.Dir = home
		output := &bytes.Buffer{}
		command.Stdout, command.Stderr = output, output
		err := command.Run()
		return output.String(), err
	}
	must := func(arguments ...string) string {
		t.Helper()
		output, err := run(t.Context(), arguments...)
		if err != nil {
			t.Fatalf("dm3sync %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
		return output
	}
	must("init", "--new-wallet", "--name", "alice.eth", "--secret-file", "wallet.key", "--folder", "place0")
	writeSample(t, filepath.Join(home, "some.ndjson"), 300)
	must("append", "some.ndjson", "--sync")
	before := must("messages", "bekks.user.dm3.eth", "--hashes")
	random := rand.New(rand.NewPCG(8, 9))
	kills := 0
	insist := func(arguments func() []string) { // until it ends by itself; what is killed often gets more time
		t.Helper()
		for most := 100 * time.Millisecond; ; most += most / 4 {
			next := arguments()
			if next == nil {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(most))))
			output, err := run(ctx, next...)
			killed := ctx.Err() != nil
			cancel()
			if killed {
				kills++
			} else if err != nil {
				t.Fatalf("dm3sync %s: %v\n%s", strings.Join(next, " "), err, output)
			} else {
				return
			}
		}
	}
	underWay := func() bool {
		_, err := os.Stat(moveFile(t, home))
		return err == nil
	}
	for number, station := range stationsOf(t, home) {
		insist(func() []string {
			if underWay() {
				return []string{"move"}
			}
			return append([]string{"move"}, station...)
		})
		insist(func() []string {
			if underWay() {
				return []string{"move", "--finish", "--delete-old", "--yes"}
			}
			return nil
		})
		must("sync") // what was killed may have left something to look at
		if after := must("messages", "bekks.user.dm3.eth", "--hashes"); after != before {
			t.Fatalf("at place %d other messages are read", number)
		}
		if output := must("verify", "--deep"); !strings.Contains(output, "300 messages") || !strings.Contains(output, "no problems") {
			t.Fatalf("at place %d: %s", number, output)
		}
	}
	if kills == 0 {
		t.Error("it was never killed: this test shows nothing")
	}
	t.Logf("killed %d times", kills)
}

// stationsOf are places by the flags of move: of every kind that needs no login.
func stationsOf(t *testing.T, home string) [][]string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("dm3"); err != nil {
		t.Fatal(err)
	}
	buckets, collections := httptest.NewServer(gofakes3.New(backend).Server()), httptest.NewServer(collectionsIn(filepath.Join(home, "served")))
	t.Cleanup(buckets.Close)
	t.Cleanup(collections.Close)
	kubo := kubotest.New().Add()
	t.Cleanup(kubo.Close)
	dsn, password := newDatabase(t)
	for name, text := range map[string]string{"s3.secret": "secret", "dav.password": "hunter2", "database.password": password} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(home, "served", "files", "alice"), 0o700); err != nil {
		t.Fatal(err)
	}
	stations := [][]string{
		{"--bucket", "dm3", "--endpoint", buckets.URL, "--path-style", "--region", "us-east-1", "--access-key-id", "key", "--s3-secret-file", "s3.secret"},
		{"--url", collections.URL + "/files/alice/dm3sync", "--username", "alice", "--password-file", "dav.password"},
		{"--ipfs", kubo.URL, "--device", "1"},
	}
	if dsn != "" {
		stations = append(stations, []string{"--dsn", dsn, "--password-file", "database.password"})
	}
	return append(stations, []string{"--file", "place.dm3sync"}, []string{"--folder", "place1"})
}

// moveFile is where a move keeps how far it is.
func moveFile(t *testing.T, home string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(home, "data", "accounts", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	return filepath.Join(found[0], "move.json")
}

// writeSample writes the first messages of the embedded chat.
func writeSample(t *testing.T, path string, count int) {
	t.Helper()
	lines, err := chat.Sample()
	if err != nil {
		t.Fatal(err)
	}
	generator, text := chat.NewGenerator("alice.eth", chat.ByRegular, nil), &bytes.Buffer{}
	for _, line := range lines[:count] {
		fmt.Fprintf(text, "%s\n", generator.Message(line).JSON)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMoveWithLogin: the login of the old place goes with it when it becomes a mirror, and
// comes back with it.
func TestMoveWithLogin(t *testing.T) {
	d := newDesk(t, `{}`)
	d.paste()
	stop := d.agent()
	well := func(arguments ...string) string {
		t.Helper()
		code, out := d.run(arguments...)
		if code != exitDone {
			t.Fatalf("%v: code %d: %s", arguments, code, out)
		}
		return out
	}
	well("append", d.envelope("one", "on Drive", 1_700_000_000_000))
	d.until("waiting       0 messages", "status")
	well("move", "--folder", d.path("place"))
	well("append", d.envelope("two", "in a folder", 1_700_000_001_000))
	well("sync")
	d.comes("the old place is a mirror and lacks nothing", func(code int, out string) bool { // the agent may write something just then
		return code == exitDone && strings.Contains(out, "mirror drive (the old place") && !strings.Contains(out, "lacks")
	}, "status", "--check")
	well("move", "--abort")
	well("sync")
	if out := well("verify", "--deep"); !strings.Contains(out, "2 messages") || !strings.Contains(out, "no problems") {
		t.Errorf("verify: %s", out)
	}
	d.healthy()
	well("move", "--finish")
	stop()
}
