//go:build !linux

package doctor

import (
	"fmt"

	"github.com/dm3sync/dm3sync/internal/limits"
)

// SystemDisk asks the system for the room; of which kind the file system is, it does not tell.
func SystemDisk(path string) (Disk, error) {
	disk, err := limits.System{}.Disk(path)
	if err != nil {
		return Disk{Free: -1}, fmt.Errorf("doctor: asking for the file system: %w", err)
	}
	return Disk{Free: disk.Free}, nil
}
