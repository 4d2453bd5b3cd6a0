//go:build linux || darwin || freebsd

package limits

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func diskOf(folder string) (Disk, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return Disk{}, fmt.Errorf("limits: asking for the room of %s: %w", folder, err)
	}
	size := int64(stat.Bsize) //nolint:unconvert // not everywhere
	return Disk{Free: int64(stat.Bavail) * size, Total: int64(stat.Blocks) * size}, nil
}
