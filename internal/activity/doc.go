// Package activity tells whoever looks what the agent does and what changed:
// a bounded feed of events, and the progress of long work. Nothing here is
// kept on disk, and nothing of it is logged: it names contacts.
//
// A reader takes what state it needs, beside [Log.Last], and from then on asks
// [Log.Since] with the last number that it saw, each time that [Log.Watch]
// wakes it. Whoever was away for too long is told that it missed something,
// and takes the state anew.
package activity
