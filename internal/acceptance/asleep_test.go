//go:build unix

package acceptance

import (
	"os"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
)

// TestAsleep: the laptop falls asleep in the midst of an upload, and when it wakes up its connections are dead, since the
// server was started anew meanwhile. It needs no hand to go on. (That the schedule notices a long sleep is TestClockJumps
// there: a frozen process looks the same to it, but for the time that the test would take.)
func TestAsleep(t *testing.T) {
	t.Parallel()
	base, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	c := newChaos(t, base, uint64(time.Now().UnixNano()))
	for nap := range 2 {
		c.network.add(toxic{Type: "bandwidth", Stream: "upstream", Attributes: map[string]int{"rate": 2}})
		for range 20 {
			if err := c.offer(t.Context(), t, c.client); err != nil {
				t.Fatalf("append: %v", err)
			}
		}
		c.untilUploading()
		c.sleep()
		c.network.reset()
		time.Sleep(longest) // requests under way run into their end
		c.wake()
		t.Logf("nap %d: recovered after %v", nap, c.recover(nap, "asleep", time.Now()))
	}
	c.finish()
	c.compare(t, c.newMachine(base, "laptop"))
}

// untilUploading waits until a pass has begun to send.
func (c *chaos) untilUploading() {
	c.t.Helper()
	before, err := c.client.Account("").Status(c.t.Context())
	for end := time.Now().Add(openWait); err == nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var status api.AccountStatus
		status, err = c.client.Account("").Status(c.t.Context())
		if err == nil && status.State == "working" && status.Pending > 0 && status.Traffic.Requests() > before.Traffic.Requests() {
			time.Sleep(c.between(0, shortest)) // somewhere in the body
			return
		}
	}
	c.t.Fatalf("no upload has begun: %v", err)
}
