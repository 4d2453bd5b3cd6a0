package cache

import (
	"errors"
	"fmt"
	"io/fs"
)

// damageMark ends the name of a file that says: rebuild at the next Open.
const damageMark = ".rebuild"

// openRecords opens the store, or sets it aside and makes a new one when it is
// damaged. used says that the cache had records before; thorough asks for a look
// at the whole structure, as after a crash.
func openRecords(disk Disk, path string, used, thorough bool) (*Records, error) {
	r := &Records{disk: disk, path: path}
	_, missing := disk.Stat(path)
	_, unmarked := disk.Stat(path + damageMark)
	if unmarked == nil {
		if err := r.setAside(); err != nil {
			return nil, err
		}
	}
	r.rebuilt = used && (missing != nil || unmarked == nil)
	var err error
	r.store, err = disk.OpenRecords(path, thorough)
	if errors.Is(err, ErrDamaged) {
		if err := r.setAside(); err != nil {
			return nil, err
		}
		r.store, err = disk.OpenRecords(path, false)
		r.rebuilt = true
	}
	if err != nil {
		return nil, fmt.Errorf("cache: opening records: %w", err)
	}
	return r, nil
}

// setAside keeps one damaged copy, the latest, for whoever wants to look.
func (r *Records) setAside() error {
	err := r.disk.Rename(r.path, r.path+".damaged")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cache: setting damaged records aside: %w", err)
	}
	// The write-ahead log belongs to the old file and would spoil a new one.
	for _, suffix := range []string{"-wal", "-shm", damageMark} {
		if err := removeFile(r.disk, r.path+suffix); err != nil {
			return fmt.Errorf("cache: setting damaged records aside: %w", err)
		}
	}
	return nil
}
