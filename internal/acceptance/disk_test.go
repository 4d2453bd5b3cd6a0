//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// diskInterval is the agents' interval in these tests, the longest that one may rest when there is room again.
const diskInterval = 2 * time.Second

// mount mounts a file system on folder until the test ends. Only root can.
func mount(t *testing.T, folder string, arguments ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a disk that is full or can't be written needs root")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", append(arguments, folder)...).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) }) // the test may have done it
}

// tmpfs mounts an empty disk of that size.
func tmpfs(t *testing.T, folder, size string) {
	t.Helper()
	mount(t, folder, "-t", "tmpfs", "-o", "size="+size, "tmpfs")
}

func remount(t *testing.T, folder, option string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+option, folder).CombinedOutput(); err != nil {
		t.Fatalf("mount -o remount,%s: %v\n%s", option, err, out)
	}
}

// fill takes all space of a disk, until the file that it returns is removed.
func fill(t *testing.T, folder string) (filler string) {
	t.Helper()
	filler = filepath.Join(folder, "filler")
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	return filler
}

// disks is what these tests have in common: an agent whose interval is short, and a ledger.
type disks struct {
	*ledger
	t     *testing.T
	base  string
	built string
}

func newDisks(t *testing.T) *disks {
	t.Helper()
	base, err := os.MkdirTemp("", "dm3") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	seed := uint64(time.Now().UnixNano())
	return &disks{t: t, base: base, built: program(t), ledger: &ledger{
		source: newSource(t), random: rand.New(rand.NewPCG(seed, 4)), offered: map[container.MessageHash]bool{},
	}}
}

func (d *disks) newMachine(name string) *machine {
	d.t.Helper()
	return newMachineAt(d.t, d.built, d.base, name, []string{"--folder", placeFolder(d.base)},
		"DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL="+diskInterval.String())
}

// must appends some batches, all of which must be acknowledged.
func (d *disks) must(client *api.Client, batches int) {
	d.t.Helper()
	for range batches {
		if err := d.offer(d.t.Context(), d.t, client); err != nil {
			d.t.Fatalf("append: %v", err)
		}
	}
}

// refused appends until the agent refuses, which it must say in words that name the cause.
func (d *disks) refused(client *api.Client, cause syscall.Errno) {
	d.t.Helper()
	for range 10_000 {
		err := d.offer(d.t.Context(), d.t, client)
		if err == nil {
			continue
		}
		var wire *api.Error
		if !errors.As(err, &wire) || !strings.Contains(err.Error(), cause.Error()) {
			d.t.Errorf("the append was refused with %q, want words with %q", err, cause.Error())
		}
		d.t.Logf("refused after %d acknowledged messages: %v", d.acknowledged, err)
		return
	}
	d.t.Fatal("no append is refused")
}

// wantReadable reads everything from the agent: what was acknowledged is there.
func (d *disks) wantReadable(client *api.Client) {
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
func (d *disks) status(client *api.Client, what string, most time.Duration, fits func(api.AccountStatus) bool) {
	d.t.Helper()
	began := time.Now()
	var status api.AccountStatus
	var err error
	for time.Since(began) < most {
		if status, err = client.Account("").Status(d.t.Context()); err == nil && fits(status) {
			d.t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.t.Fatalf("%s: not after %v: %+v, %v", what, most, status, err)
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

// scrub has the agent do now what it does every day: a pass that failed has left objects that no head names.
func (d *disks) scrub(client *api.Client) {
	d.t.Helper()
	if _, err := client.Sync(d.t.Context(), "", engine.Work{Scrub: true}, nil); err != nil {
		d.t.Fatalf("scrub: %v", err)
	}
}

// TestFullDisk: the disk below the data folder is full. Appends are refused, reading goes on, a start goes as far as it can,
// and when there is room again, all goes on by itself.
func TestFullDisk(t *testing.T) {
	d := newDisks(t)
	data := filepath.Join(d.base, "desktop")
	tmpfs(t, data, "8m")
	desktop := d.newMachine("desktop")
	agent := desktop.start()
	client := agent.client()
	d.must(client, 20)
	d.status(client, "the first messages are at the place", openWait, delivered)
	filler := fill(t, data)
	d.refused(client, syscall.ENOSPC)
	d.wantReadable(client)
	time.Sleep(2 * diskInterval) // passes meet the full disk
	d.wantReadable(client)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	d.status(client, "delivered when there is room", diskInterval+passMost, delivered)
	d.must(client, 20)

	// Killed while the disk is full, and started on it.
	filler = fill(t, data)
	d.refused(client, syscall.ENOSPC)
	agent.kill()
	agent = desktop.start()
	time.Sleep(diskInterval)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	client = agent.client()
	d.must(client, 20)
	d.status(client, "delivered after a start on the full disk", diskInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

// TestFullPlace: the disk of the provider's folder is full. Messages wait, the status says why, and they go when there is
// room.
func TestFullPlace(t *testing.T) {
	d := newDisks(t)
	tmpfs(t, placeFolder(d.base), "8m")
	desktop := d.newMachine("desktop")
	agent := desktop.start()
	client := agent.client()
	d.must(client, 20)
	d.status(client, "the first messages are at the place", openWait, delivered)
	filler := fill(t, placeFolder(d.base))
	before := d.acknowledged
	d.must(client, 200)
	d.status(client, "the status says that the place is full", openWait, func(s api.AccountStatus) bool {
		return s.Pending > 0 && strings.Contains(s.LastError, "no space left") // the system's words
	})
	d.must(client, 20)
	t.Logf("%d messages acknowledged while the place is full", d.acknowledged-before)
	d.wantReadable(client)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	d.status(client, "delivered when there is room", diskInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

// TestReadOnlyPlace: the provider's folder can't be written for a while.
func TestReadOnlyPlace(t *testing.T) {
	d := newDisks(t)
	tmpfs(t, placeFolder(d.base), "64m")
	desktop := d.newMachine("desktop")
	agent := desktop.start()
	client := agent.client()
	d.must(client, 20)
	d.status(client, "the first messages are at the place", openWait, delivered)
	remountUntil(t, placeFolder(d.base), "ro")
	d.must(client, 20)
	d.status(client, "the status says that the place can't be written", openWait, func(s api.AccountStatus) bool {
		return s.Pending > 0 && strings.Contains(s.LastError, syscall.EROFS.Error())
	})
	d.wantReadable(client)
	remount(t, placeFolder(d.base), "rw")
	d.status(client, "delivered when it can", diskInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

// remountUntil tries until nothing there is open for writing.
func remountUntil(t *testing.T, folder, option string) {
	t.Helper()
	for end := time.Now().Add(openWait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if exec.Command("mount", "-o", "remount,"+option, folder).Run() == nil {
			return
		}
	}
	remount(t, folder, option) // says why
}

// TestReadOnlyDisk: the disk below the data folder turns read-only while the agent runs, as a broken ext4 does, and then is
// so when the next one starts. Such a disk has to be unmounted and mounted anew, so that agent has to end.
func TestReadOnlyDisk(t *testing.T) {
	d := newDisks(t)
	data, image := filepath.Join(d.base, "desktop"), filepath.Join(d.base, "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4 is needed for a disk that breaks: %v %s", err, out)
	}
	mount(t, data, "-o", "loop,errors=remount-ro", image)
	desktop := d.newMachine("desktop")
	agent := desktop.start()
	client := agent.client()
	d.must(client, 20)
	d.status(client, "the first messages are at the place", openWait, delivered)
	d.must(client, 5)
	remount(t, data, "abort")
	d.refused(client, syscall.EROFS)
	d.wantReadable(client)
	time.Sleep(2 * diskInterval) // passes meet the disk
	d.wantReadable(client)
	agent.kill()
	if err := syscall.Unmount(data, 0); err != nil {
		t.Fatal(err)
	}

	mount(t, data, "-o", "loop,ro,noload", image)
	desktop.fails(1, syscall.EROFS.Error(), "run")
	desktop.fails(1, syscall.EROFS.Error(), "append", os.DevNull)
	desktop.fails(1, syscall.EROFS.Error(), "status")
	if err := syscall.Unmount(data, 0); err != nil {
		t.Fatal(err)
	}

	mount(t, data, "-o", "loop", image)
	agent = desktop.start()
	client = agent.client()
	d.must(client, 20)
	d.status(client, "delivered when it can be written", diskInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

