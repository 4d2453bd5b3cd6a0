package cachetest

// DiskOf lets tests get at the disk of a session.
func DiskOf(s *Session) *Disk { return s.disk }
