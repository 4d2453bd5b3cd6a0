//go:build linux

package acceptance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

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

// scrub has the agent do now what it does every day: a pass that failed has left objects that no head names.
func (d *desk) scrub(client *api.Client) {
	d.t.Helper()
	if _, err := client.Sync(d.t.Context(), "", engine.Work{Scrub: true}, nil); err != nil {
		d.t.Fatalf("scrub: %v", err)
	}
}

// TestFullDisk: the disk below the data folder is full. Appends are refused, reading goes on, a start goes as far as it can,
// and when there is room again, all goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	data := filepath.Join(d.base, "desktop")
	tmpfs(t, data, "8m")
	desktop := d.newMachine("desktop")
	agent := desktop.start()
	client := agent.client()
	d.must(client, 20)
	d.status(client, "the first messages are at the place", openWait, delivered)
	filler := fill(t, data)
	d.refused(client, syscall.ENOSPC)
	desktop.fails(1, "make room", "append", d.file(1000))
	d.wantReadable(client)
	time.Sleep(2 * restInterval) // passes meet the full disk
	d.wantReadable(client)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	d.status(client, "delivered when there is room", restInterval+passMost, delivered)
	d.must(client, 20)

	// Killed while the disk is full, and started on it.
	filler = fill(t, data)
	d.refused(client, syscall.ENOSPC)
	agent.kill()
	agent = desktop.start()
	time.Sleep(restInterval)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	client = agent.client()
	d.must(client, 20)
	d.status(client, "delivered after a start on the full disk", restInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

// TestFullPlace: the disk of the provider's folder is full. Messages wait, the status says why, and they go when there is
// room.
func TestFullPlace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
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
	d.status(client, "delivered when there is room", restInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}

// TestReadOnlyPlace: the provider's folder can't be written for a while.
func TestReadOnlyPlace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
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
	d.status(client, "delivered when it can", restInterval+passMost, delivered)
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
	t.Parallel()
	d := newDesk(t)
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
	time.Sleep(2 * restInterval) // passes meet the disk
	d.wantReadable(client)
	agent.kill()
	if err := syscall.Unmount(data, 0); err != nil {
		t.Fatal(err)
	}

	mount(t, data, "-o", "loop,ro,noload", image)
	for _, verb := range []string{"run", "append", "sync", "status"} {
		desktop.fails(1, "mount it anew", verb)
	}
	if err := syscall.Unmount(data, 0); err != nil {
		t.Fatal(err)
	}

	mount(t, data, "-o", "loop", image)
	agent = desktop.start()
	client = agent.client()
	d.must(client, 20)
	d.status(client, "delivered when it can be written", restInterval+passMost, delivered)
	d.scrub(client)
	agent.stop()
	finish(t, desktop)
	d.compare(t, d.newMachine("laptop"))
}
