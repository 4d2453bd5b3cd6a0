package cache

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

const crashFolderVariable = "DM3SYNC_CACHE_CRASH_FOLDER"

// appendUntilKilled is the process that dies: sixteen writers tell each
// acknowledged number, and forget every fourth.
func appendUntilKilled(folder string) {
	c, err := Open(folder, Options{SegmentSize: 64 << 10})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	for range 16 {
		go func() {
			for i := 0; ; i++ {
				token := fmt.Sprintf("%d-%p", i, &i)
				id, err := c.Journal().Append(context.Background(), crashEntry(token))
				if err != nil {
					fmt.Println("failed", err)
					return
				}
				if i%4 != 0 {
					fmt.Println("ack", id, token)
				} else if err := c.Journal().Forget(id); err != nil {
					fmt.Println("failed", err)
				}
			}
		}()
	}
	select {}
}

// crashEntry makes entries of many sizes, each recognisable.
func crashEntry(token string) []byte {
	return append([]byte(token+"|"), make([]byte, len(token)*97%1500)...)
}

// A process killed in the middle of appends loses nothing that it acknowledged,
// gives no number twice, and leaves nothing that looks like damage.
func TestJournalSurvivesKill(t *testing.T) {
	folder := t.TempDir()
	want := make(map[EntryID]string)
	for round := range 6 {
		killDuringAppends(t, folder, time.Duration(20+30*round)*time.Millisecond, want)
		c, err := Open(folder, Options{SegmentSize: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		if !c.lock.unclean {
			t.Error("the crash went unnoticed")
		}
		got := replayed(t, c.Journal())
		for id, token := range want {
			if got[id] != string(crashEntry(token)) {
				t.Fatalf("round %d: acknowledged entry %d is missing or differs", round, id)
			}
		}
		if damaged := c.Journal().Stats().DamagedFrames; damaged != 0 {
			t.Errorf("round %d: %d damaged frames", round, damaged)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) == 0 {
		t.Error("nothing was acknowledged, so nothing was tested")
	}
}

func killDuringAppends(t *testing.T, folder string, after time.Duration, want map[EntryID]string) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), crashFolderVariable+"="+folder)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var timer *time.Timer
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if timer == nil { // counted from the first entry, however slow the start
			timer = time.AfterFunc(after, func() { _ = command.Process.Kill() })
		}
		var id EntryID
		var token string
		if _, err := fmt.Sscanf(lines.Text(), "ack %d %s", &id, &token); err != nil {
			t.Errorf("the process said %q", lines.Text())
			continue
		}
		if _, twice := want[id]; twice {
			t.Errorf("entry %d was given out twice", id)
		}
		want[id] = token
	}
	_ = command.Wait() // it was killed
}
