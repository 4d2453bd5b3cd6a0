package doctor

import "github.com/dm3sync/dm3sync/sync/obstacle"

// ways are what to do about what is in an account's way. Those that are not here have a check of their own.
var ways = map[obstacle.Kind]string{
	obstacle.Blocked:     "`dm3sync status` says how to go on",
	obstacle.Locked:      "`dm3sync unlock` takes the passphrase, or the agent's page",
	obstacle.Secret:      "see what is said of its secret",
	obstacle.OtherKey:    "check [account.secret]: what is kept belongs to another key",
	obstacle.Newer:       "update dm3sync here: what is kept was written by a newer one",
	obstacle.InUse:       "end the other program that uses the data folder",
	obstacle.Damaged:     "check this device's disk; the cache is filled again from the place",
	obstacle.Disk:        "make room on the disk with the data folder; it goes on by itself",
	obstacle.ReadOnly:    "mount the disk with the data folder so that it can be written, and restart the agent",
	obstacle.Journal:     "see what is wrong with its place; or raise cache.journal_limit",
	obstacle.Login:       "log in again: `dm3sync login drive`",
	obstacle.Refused:     "check the credentials of [account.provider]; of a folder, whose it is and that its disk can be written; on a network with a login page, log in there first",
	obstacle.Room:        "make room at the place; it goes on by itself",
	obstacle.Busy:        "wait; or set provider.parallel lower",
	obstacle.Clock:       "set this device's clock, or let it be set by the network",
	obstacle.Certificate: "see what is said of its place; don't go on without knowing why",
}

// way is what to do about what is in the way, or otherwise.
func way(kind obstacle.Kind, otherwise string) string {
	if text := ways[kind]; text != "" {
		return text
	}
	return otherwise
}
