//go:build !linux

package cache

import "errors"

// Sync is os.File.Sync, which asks macOS for F_FULLFSYNC.
func (f *dataFile) Sync() error { return f.File.Sync() }

// Reserve is left to systems where it is cheap.
func (f *dataFile) Reserve(int64, int64) error { return errors.ErrUnsupported }
