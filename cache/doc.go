// Package cache keeps what one device holds locally: the journal of items that
// the provider does not yet confirm, the records (base and index), and the
// blobs (bodies of states that were read lately).
//
// It never holds a key and never opens anything: every value is sealed by the
// caller before it arrives and opened by the caller after it left, so plaintext
// is never at rest here, and a wrong or damaged value is found by the caller's
// authenticated decryption.
//
// Place in the import order: below sync/engine and internal/history, beside
// providers. It imports the standard library, modernc.org/sqlite and
// github.com/gofrs/flock, and no other package of this module.
//
// Everything is asked of a Disk: that of the system, or one that tests bring, as
// in cachetest.
//
// Layout of the folder:
//
//	format            version of this layout
//	lock, lock.pid    one process at a time; the second file stays after a crash
//	journal/          segments, see the format in journal_frame.go
//	records.db        one SQLite database
//	blobs/xx/         one file a blob, named after a hash of its name
package cache
