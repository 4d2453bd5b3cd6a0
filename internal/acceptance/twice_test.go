//go:build unix

package acceptance

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// inUse is the exit code of a program that finds another one at work.
const inUse = 6

// TestTwoAgents: a second agent on the same data folder ends with a sentence, the first goes on, and the other verbs go
// through it; also when both are started at once.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	desktop := d.newMachine("desktop")
	agent := desktop.start()
	client := agent.client()
	d.must(client, 5)
	desktop.fails(inUse, "another agent is already running", "run")
	d.must(client, 5)
	if out := desktop.run("sync"); strings.TrimSpace(out) == "" {
		t.Error("sync says nothing")
	}
	d.status(client, "the first goes on", openWait, delivered)

	// Frozen, it still holds the folder: nobody may write beside it.
	freeze(t, agent.command)
	desktop.fails(inUse, "another agent is already running", "run")
	desktop.fails(1, "if it is suspended, let it go on", "sync")
	thaw(t, agent.command)
	d.must(client, 5)
	d.status(client, "the first goes on after a rest", openWait, delivered)
	agent.kill()

	// Of several that start at once on what a killed one left, one stays.
	stays := startCrowd(t, desktop)
	client = stays.client()
	d.must(client, 5)
	d.status(client, "the one that stays works", openWait, delivered)
	stays.kill()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

// startCrowd starts agents at once, and returns the one that stays; the others must end.
func startCrowd(t *testing.T, m *machine) *process {
	t.Helper()
	type end struct{ number, code int }
	crowd := make([]*process, 5)
	ended := make(chan end, len(crowd))
	for i := range crowd {
		crowd[i] = m.start()
		go func() {
			_ = crowd[i].wait() // the code says it
			ended <- end{i, crowd[i].command.ProcessState.ExitCode()}
		}()
	}
	for range len(crowd) - 1 {
		select {
		case e := <-ended:
			if crowd[e.number] = nil; e.code != inUse {
				t.Errorf("an agent that came too late ended with code %d", e.code)
			}
		case <-time.After(openWait):
			t.Fatal("more than one agent runs")
		}
	}
	return crowd[slices.IndexFunc(crowd, func(p *process) bool { return p != nil })]
}
