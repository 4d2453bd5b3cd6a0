// Package cachetest has a disk in memory for the tests of package cache and of what stands on it: it loses power, fails,
// fills up and rots on demand, and does the same again for the same random numbers.
//
// A Disk outlives processes; a Session is the disk as one process sees it, a cache.Disk. What a session wrote is what it
// reads, and what a crash leaves of it is what a careless but honest disk may leave:
//
//   - A write to a file that was not synced is lost, kept, or kept in part: up to some byte, or with a hole of zeros. Each
//     write has a fate of its own. What was synced stays. After a failed sync nothing tells which of the writes before it
//     the disk has, and no later sync brings them there.
//   - Names (made, renamed, removed) that no sync of their folder made durable survive up to some moment: whatever came
//     after it is undone. A file whose folder is gone is gone.
//   - Of a store of records the last transactions may be missing, never a part of one. Closing the store makes all durable.
//
// Place in the import order: beside package cache, which it imports. It starts no goroutine and looks at no clock but the
// one that it is given. Only tests import it.
package cachetest
