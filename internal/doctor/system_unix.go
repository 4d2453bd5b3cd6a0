//go:build !linux && !windows

package doctor

import "golang.org/x/sys/unix"

// SystemLimits asks the system.
func SystemLimits() (l Limits) {
	l.Files, l.Memory = limitOf(unix.RLIMIT_NOFILE), limitOf(unix.RLIMIT_AS)
	return l
}

// limitOf is a limit of this process; 0 where there is none, or nobody tells.
func limitOf(which int) uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(which, &limit) != nil || uint64(limit.Cur) >= 1<<62 { //nolint:unconvert // signed on some systems
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // likewise
}
