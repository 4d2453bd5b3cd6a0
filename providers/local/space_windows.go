package local

import (
	"golang.org/x/sys/windows"

	"github.com/dm3sync/dm3sync/providers"
)

// spaceOf asks the volume that a folder is on, for what this user may use of it.
func spaceOf(path string) (providers.Space, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return unknownSpace, err
	}
	var left, total uint64
	if err := windows.GetDiskFreeSpaceEx(name, &left, &total, nil); err != nil {
		return unknownSpace, err
	}
	return providers.Space{Used: int64(total - left), Total: int64(total)}, nil
}
