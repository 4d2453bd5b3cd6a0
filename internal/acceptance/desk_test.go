//go:build unix

package acceptance

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// restInterval is the interval of a desk's agents, the longest that one may rest when a fault is over.
const restInterval = 2 * time.Second

// desk is where one agent runs whose place is a folder, and what it acknowledged.
type desk struct {
	*ledger
	t     *testing.T
	base  string
	built string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	base, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	seed := uint64(time.Now().UnixNano())
	return &desk{t: t, base: base, built: program(t), ledger: &ledger{
		source: newSource(t), random: rand.New(rand.NewPCG(seed, 4)), offered: map[container.MessageHash]bool{},
	}}
}

func (d *desk) newMachine(name string) *machine {
	d.t.Helper()
	return newMachineAt(d.t, d.built, d.base, name, []string{"--folder", placeFolder(d.base)},
		"DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL="+restInterval.String())
}

// must appends some batches, all of which must be acknowledged.
func (d *desk) must(client *api.Client, batches int) {
	d.t.Helper()
	for range batches {
		if err := d.offer(d.t.Context(), d.t, client); err != nil {
			d.t.Fatalf("append: %v", err)
		}
	}
}

// refused appends until the agent refuses, which it must say in words that name the cause.
func (d *desk) refused(client *api.Client, cause syscall.Errno) {
	d.t.Helper()
	for range 10_000 {
		err := d.offer(d.t.Context(), d.t, client)
		if err == nil {
			continue
		}
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), cause.Error()) {
			d.t.Errorf("the append was refused with %q, want words with %q", err, cause.Error())
		}
		d.t.Logf("refused after %d acknowledged messages: %v", d.acknowledged, err)
		return
	}
	d.t.Fatal("no append is refused")
}

// file holds messages that no agent has seen yet.
func (d *desk) file(messages int) string {
	d.t.Helper()
	text, hashes := d.batch(d.t, messages)
	for _, hash := range hashes {
		d.offered[hash] = false
	}
	path := filepath.Join(d.t.TempDir(), "messages.ndjson")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// wantReadable reads everything from the agent: what was acknowledged is there.
func (d *desk) wantReadable(client *api.Client) {
	d.t.Helper()
	list, err := client.Conversations(d.t.Context(), "")
	if err != nil {
		d.t.Fatalf("conversations: %v", err)
	}
	kept := 0
	for _, conversation := range list {
		page, err := client.Messages(d.t.Context(), "", conversation.Contact, engine.Range{})
		if err != nil {
			d.t.Fatalf("messages: %v", err)
		}
		for _, message := range page.Messages {
			if d.offered[message.Hash] {
				kept++
			}
		}
	}
	if kept != d.acknowledged {
		d.t.Errorf("%d of %d acknowledged messages can be read", kept, d.acknowledged)
	}
}

// status waits until the agent's status fits.
func (d *desk) status(client *api.Client, what string, most time.Duration, fits func(api.AccountStatus) bool) {
	d.t.Helper()
	began := time.Now()
	var status api.AccountStatus
	var err error
	fitting := within(most, func() bool {
		status, err = client.Account("").Status(d.t.Context())
		return err == nil && fits(status)
	})
	if !fitting {
		d.t.Fatalf("%s: not after %v: %+v, %v", what, time.Since(began), status, err)
	}
	d.t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
}

// fails runs a verb that must fail with that code and those words, and returns what it said.
func (m *machine) fails(code int, words string, arguments ...string) {
	m.t.Helper()
	var out bytes.Buffer
	command := m.command(arguments...)
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState.ExitCode() != code || !strings.Contains(out.String(), words) {
		m.t.Errorf("dm3sync %s: %v, want code %d and %q:\n%s", arguments[0], err, code, words, out.Bytes())
	}
	m.t.Logf("dm3sync %s ends with code %d: %s", arguments[0], code, strings.TrimSpace(out.String()))
}
