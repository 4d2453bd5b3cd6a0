package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fileSystems are the kinds that matter, by their numbers in the kernel.
var fileSystems = map[int64]Disk{
	unix.NFS_SUPER_MAGIC:  {Kind: "nfs", Network: true},
	unix.SMB_SUPER_MAGIC:  {Kind: "smb", Network: true},
	unix.SMB2_SUPER_MAGIC: {Kind: "smb", Network: true},
	unix.CIFS_SUPER_MAGIC: {Kind: "cifs", Network: true},
	unix.CODA_SUPER_MAGIC: {Kind: "coda", Network: true},
	unix.AFS_SUPER_MAGIC:  {Kind: "afs", Network: true},
	unix.AFS_FS_MAGIC:     {Kind: "afs", Network: true},
	unix.V9FS_MAGIC:       {Kind: "9p", Network: true},
	unix.CEPH_SUPER_MAGIC: {Kind: "ceph", Network: true},
	unix.TMPFS_MAGIC:      {Kind: "tmpfs", Memory: true},
	unix.RAMFS_MAGIC:      {Kind: "ramfs", Memory: true},
}

// SystemDisk asks the system.
func SystemDisk(path string) (Disk, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return Disk{Free: -1}, fmt.Errorf("doctor: asking for the file system: %w", err)
	}
	disk := fileSystems[int64(stat.Type)]              //nolint:unconvert // on some processors it has 32 bits
	disk.Free = int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // likewise
	return disk, nil
}

// SystemLimits asks the system.
func SystemLimits() (l Limits) {
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		l.Files = files.Cur
	}
	l.Memory = memoryOf("/proc/self/cgroup", "/sys/fs/cgroup")
	var space unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &space) == nil && space.Cur != unix.RLIM_INFINITY && (l.Memory == 0 || space.Cur < l.Memory) {
		l.Memory = space.Cur
	}
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches"); err == nil {
		l.Watches, _ = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64) // 0 where the kernel writes otherwise
	}
	return l
}

// memoryOf is what the control groups of this process leave it, the smallest of all above it; 0 where none bounds it.
func memoryOf(process, root string) (least uint64) {
	text, err := os.ReadFile(process)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::") // of the one hierarchy that bounds memory now
		if !ok {
			continue
		}
		for at := filepath.Clean("/" + group); ; at = filepath.Dir(at) {
			data, err := os.ReadFile(filepath.Join(root, at, "memory.max"))
			if limit, number := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err == nil && number == nil && (least == 0 || limit < least) {
				least = limit
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}
