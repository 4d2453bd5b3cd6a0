//go:build linux || darwin || freebsd

package local

import (
	"golang.org/x/sys/unix"

	"github.com/dm3sync/dm3sync/providers"
)

// spaceOf asks the file system that a folder is on. What only root may use counts
// as used.
func spaceOf(path string) (providers.Space, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return unknownSpace, err
	}
	size := int64(stat.Bsize) //nolint:unconvert // not everywhere
	total := int64(stat.Blocks) * size
	return providers.Space{Used: total - int64(stat.Bavail)*size, Total: total}, nil
}
