//go:build unix

package acceptance

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	chaosShort = 10
	chaosFull  = 200
	everyLong  = 60 // of the full form, one round in so many keeps the server away for minutes
	longDown   = 2 * time.Minute
	shortest   = 200 * time.Millisecond // of other faults
	longest    = 2 * time.Second
	everyWhole = 10 // one fault in so many lasts until whole passes fail, which a request's own repetitions prevent for 8 s
	leastWhole = 8 * time.Second
	mostWhole  = 20 * time.Second

	// chaosInterval is the agent's interval, and the longest time that it may do nothing after a fault has ended: its
	// waits after failures are not longer, nor are those before it repeats a single request (6 s).
	chaosInterval = 10 * time.Second
	// passMost is what the pass itself may take, on a machine where other tests run; see within.
	passMost = 10 * time.Second
	// offerWait is how long an append may wait for an agent that may be frozen.
	offerWait = 5 * time.Second
)

// chaos is an agent, a MinIO, and a network between them, all of which break.
type chaos struct {
	*ledger
	t       *testing.T
	fate    *rand.Rand // of the faults; the ledger's own is drawn from beside it
	built   string     // the program
	minio   *server
	network *toxiproxy
	desktop *machine
	agent   *process
	client  *api.Client

	agentKills, serverKills int
	faults                  map[string]int
	recoveries              []time.Duration
	refused                 int // appends that failed or got no answer
}

// TestChaos: a real agent on a real MinIO through a network that breaks, and both are killed and frozen on the way. What was
// acknowledged is never lost, and when a fault is over, the agent gets everything there by itself, within one interval.
func TestChaos(t *testing.T) {
	t.Parallel()
	base, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	rounds := chaosShort
	if full() {
		rounds = chaosFull
	}
	c := newChaos(t, base, uint64(time.Now().UnixNano()))
	started := time.Now()
	kinds := c.kinds()
	var order []int
	for round := range rounds {
		if len(order) == 0 { // each kind as often as any other
			order = c.fate.Perm(len(kinds))
		}
		f, lasts := kinds[order[0]], c.between(shortest, longest)
		switch {
		case full() && round%everyLong == everyLong/2:
			f = fault{"network down for minutes", func() { c.network.down() }, func() { c.network.reset() }}
			lasts = longDown
		case round%everyWhole == everyWhole-1:
			lasts = c.between(leastWhole, mostWhole)
			fallthrough
		default:
			order = order[1:]
		}
		c.round(round, f, lasts)
	}
	t.Logf("%d rounds in %.0f s: %d batches, %d messages acknowledged, %d offered, %d appends without an answer",
		rounds, time.Since(started).Seconds(), c.batches, c.acknowledged, len(c.offered), c.refused)
	slices.Sort(c.recoveries)
	t.Logf("%d times kill -9 of the agent, %d times of the server; recovered after %v (median), %v (19 of 20), %v (worst)",
		c.agentKills, c.serverKills, c.recoveries[len(c.recoveries)/2], c.recoveries[len(c.recoveries)*19/20], slices.Max(c.recoveries))
	t.Logf("faults: %v", c.faults)
	c.wantHealthy()
	c.finish()
	c.compare(t, c.newMachine(base, "laptop"))
	wantNothingPlain(t, base, c.ledger)
}

func newChaos(t *testing.T, base string, seed uint64) *chaos {
	t.Helper()
	t.Logf("seed %d", seed)
	c := &chaos{
		t: t, faults: map[string]int{}, fate: rand.New(rand.NewPCG(seed, 3)), built: program(t),
		ledger: &ledger{source: newSource(t), random: rand.New(rand.NewPCG(seed, 2)), offered: map[container.MessageHash]bool{}},
	}
	c.minio = newMinio(t, base, "chaos")
	c.network = newToxiproxy(t, base, c.minio.address)
	c.desktop = c.newMachine(base, "desktop")
	c.startAgent()
	c.client = c.agent.client()
	return c
}

// newMachine keeps its history in MinIO behind the network. Small chunks and frequent scrubs make for much to break.
func (c *chaos) newMachine(base, name string) *machine {
	c.t.Helper()
	secret := filepath.Join(base, "s3.secret")
	if err := os.WriteFile(secret, []byte(testSecret), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return newMachineAt(c.t, c.built, base, name,
		[]string{"--bucket", "chaos", "--endpoint", "http://" + c.network.listen, "--path-style", "--region", "us-east-1",
			"--access-key-id", testKey, "--s3-secret-file", secret},
		"DM3SYNC_ACCOUNT_1_SCHEDULE_IDLE=100ms", "DM3SYNC_ACCOUNT_1_SCHEDULE_LONGEST=500ms", "DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL="+chaosInterval.String(),
		"DM3SYNC_ACCOUNT_1_SCHEDULE_SCRUB=2m", "DM3SYNC_ACCOUNT_1_CHUNK_SIZE=32kB")
}

func (c *chaos) startAgent() { c.agent = c.desktop.start() }

// round lets one fault happen while messages are appended, and waits until the agent has got over it.
func (c *chaos) round(number int, f fault, lasts time.Duration) {
	c.t.Helper()
	c.faults[f.kind]++
	ctx, cancel := context.WithCancel(c.t.Context())
	var feeding sync.WaitGroup
	feeding.Go(func() { c.feedUntil(ctx, max(50*time.Millisecond, lasts/100)) })
	time.Sleep(c.between(0, shortest)) // the fault may hit a pass or a rest
	f.begin()
	time.Sleep(lasts)
	cancel()
	f.end()
	ended := time.Now()
	feeding.Wait()
	took := c.recover(number, f.kind, ended)
	c.t.Logf("round %d: %s for %.1f s, recovered after %v", number, f.kind, lasts.Seconds(), took.Round(time.Millisecond))
	c.recoveries = append(c.recoveries, took.Round(time.Millisecond))
}

// feedUntil appends until ctx ends; what was begun then gets its answer.
func (c *chaos) feedUntil(ctx context.Context, pause time.Duration) {
	for ctx.Err() == nil {
		waiting, cancel := context.WithTimeout(c.t.Context(), offerWait)
		err := c.offer(waiting, c.t, c.client)
		cancel()
		if wire := (*api.Error)(nil); errors.As(err, &wire) && !errors.Is(err, api.ErrNotReady) {
			c.t.Errorf("an agent on a sound disk refused an append: %v", err)
		}
		if err != nil {
			c.refused++
		}
		time.Sleep(pause)
	}
}

// recover waits until nothing is pending and the last pass was good.
func (c *chaos) recover(round int, kind string, ended time.Time) time.Duration {
	c.t.Helper()
	var status api.AccountStatus
	var err error
	recovered := within(chaosInterval+passMost, func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), offerWait)
		defer cancel()
		status, err = c.client.Account("").Status(ctx)
		return err == nil && delivered(status)
	})
	if !recovered {
		c.t.Fatalf("round %d, %s: not recovered %v after the fault ended: %+v, %v", round, kind, time.Since(ended), status, err)
	}
	return time.Since(ended)
}

// wantHealthy: no problem stays; what a scrub finds it may mend first.
func (c *chaos) wantHealthy() {
	c.t.Helper()
	var status api.AccountStatus
	var err error
	for end := time.Now().Add(openWait); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if status, err = c.client.Account("").Status(c.t.Context()); err == nil && len(status.Problems) == 0 {
			break
		}
	}
	if err != nil || status.Stuck || status.State == "blocked" || status.JournalDamaged > 0 || status.CacheRebuilt {
		c.t.Errorf("status at the end: %+v, %v", status, err)
	}
	wantNoProblems(c.t, "status at the end", status.Problems)
}

// finish ends the agent after the scrub that comes every day: what failed passes wrote, and no head names, is its work.
func (c *chaos) finish() {
	c.t.Helper()
	if _, err := c.client.Sync(c.t.Context(), "", engine.Work{Scrub: true}, nil); err != nil {
		c.t.Fatalf("scrub: %v", err)
	}
	c.agent.stop()
	finish(c.t, c.desktop)
}

// between is a random time.
func (c *chaos) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.fate.Int64N(int64(most-least)))
}

// delivered: everything is at the place for sure, and the last pass was good.
func delivered(s api.AccountStatus) bool { return s.Open && s.Pending == 0 && s.LastError == "" }
