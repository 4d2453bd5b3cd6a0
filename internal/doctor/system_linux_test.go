package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMemoryOf: the tightest of all control groups above counts, and none is no limit.
func TestMemoryOf(t *testing.T) {
	root := t.TempDir()
	process := filepath.Join(root, "cgroup")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want uint64) {
		t.Helper()
		if got := memoryOf(process, root); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	expect(0)
	write(process, "1:name=systemd:/old\n0::/system.slice/dm3sync.service\n")
	expect(0)
	write(filepath.Join(root, "system.slice/dm3sync.service/memory.max"), "max\n")
	expect(0)
	write(filepath.Join(root, "system.slice/memory.max"), "209715200\n")
	expect(209715200)
	write(filepath.Join(root, "system.slice/dm3sync.service/memory.max"), "104857600\n")
	expect(104857600)
	write(process, "0::/../elsewhere\n") // as seen from a namespace of its own
	expect(0)
}

// TestSystem: this machine answers.
func TestSystem(t *testing.T) {
	if l := SystemLimits(); l.Files == 0 {
		t.Errorf("%+v", l)
	}
	if disk, err := SystemDisk(t.TempDir()); err != nil || disk.Free <= 0 {
		t.Errorf("%+v, %v", disk, err)
	}
}
