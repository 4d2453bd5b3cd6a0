package cache

import "syscall"

// Sync leaves out what fdatasync leaves out: times, and nothing that a reader
// needs.
func (f *dataFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.descriptor))
		if err != syscall.EINTR {
			return err
		}
	}
}

// Reserve allocates space behind the end and makes it part of the file, as zeros.
func (f *dataFile) Reserve(offset, length int64) error {
	return syscall.Fallocate(int(f.descriptor), 0, offset, length)
}
