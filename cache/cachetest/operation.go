package cachetest

import (
	"errors"
	"io/fs"
)

// ErrCrashed is the error of every call of a session whose disk crashed.
var ErrCrashed = errors.New("the disk lost power")

// Kind is what a call changes.
type Kind string

// The calls that change something, or make a change durable.
const (
	MakeFolder Kind = "make folder"
	SyncFolder Kind = "sync folder"
	Create     Kind = "create" // a segment, a lock's file, or a store of records that isn't there
	WriteFile  Kind = "write file"
	Write      Kind = "write" // of a part of a segment
	Truncate   Kind = "truncate"
	Sync       Kind = "sync"
	SetTime    Kind = "set time"
	Rename     Kind = "rename"
	Remove     Kind = "remove" // of a file, or of a folder with all that is in it
	Commit     Kind = "commit" // of a transaction
	Checkpoint Kind = "checkpoint"
)

// Operation is a call that is about to change the disk.
type Operation struct {
	Kind   Kind
	Path   string
	To     string // of a Rename
	Bytes  int    // that a write, or the values of a transaction, would bring
	Number int    // among all such calls since New; the first is 1
}

// Outcome is what becomes of a call. The zero Outcome lets it go on.
type Outcome struct {
	// Err is what the call fails with.
	Err error
	// Bytes is how many bytes of a WriteFile or Write that fails are written all
	// the same. After a WriteFile with 0 the file is as it was.
	Bytes int
	// Crash ends all sessions: the disk loses power.
	Crash bool
	// After says that it does so after the call's effect, and not before it.
	After bool
}

// Fail lets a call fail without effect. A failed Sync has one: see the package.
func Fail(err error) Outcome { return Outcome{Err: err} }

// FailAfter lets a write fail after some of its bytes.
func FailAfter(bytes int, err error) Outcome { return Outcome{Err: err, Bytes: bytes} }

// CrashBefore loses power before the call has any effect.
func CrashBefore() Outcome { return Outcome{Crash: true} }

// CrashAfter loses power after the call had its effect; its caller never knows.
func CrashAfter() Outcome { return Outcome{Crash: true, After: true} }

// call is an Operation with what it does, all of it with the disk locked.
type call struct {
	Operation
	effect func() error
	fault  func(bytes int) // what a failure that the hook asked for does; nil: nothing
}

// do asks the hook, with nothing locked, and then has the effect.
func (s *Session) do(c call) error {
	d := s.disk
	d.mu.Lock()
	if !s.alive() {
		d.mu.Unlock()
		return c.fail(ErrCrashed)
	}
	d.changes++
	c.Number = d.changes
	hook := d.hook
	d.mu.Unlock()
	var outcome Outcome
	if hook != nil {
		outcome = hook(c.Operation)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !s.alive(): // it crashed while this call waited
		return c.fail(ErrCrashed)
	case outcome.Crash:
		if outcome.After {
			_ = c.effect() // whatever it says, nobody hears it
		}
		d.crash(d.random)
		return c.fail(ErrCrashed)
	case outcome.Err != nil:
		if c.fault != nil {
			c.fault(outcome.Bytes)
		}
		return c.fail(outcome.Err)
	}
	if err := c.effect(); err != nil {
		return c.fail(err)
	}
	return nil
}

// fail names the call, as package os does.
func (c call) fail(err error) error {
	return &fs.PathError{Op: string(c.Kind), Path: c.Path, Err: err}
}

// look does what changes nothing, with the disk locked.
func (s *Session) look(doing, path string, see func() error) error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	err := ErrCrashed
	if s.alive() {
		err = see()
	}
	if err != nil {
		return &fs.PathError{Op: doing, Path: path, Err: err}
	}
	return nil
}
