package drivetest

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
)

// entry is one file or folder. Deleted ones stay where listings lag.
type entry struct {
	id, name, parent, kind, space, drive string
	properties                           map[string]string
	data                                 []byte
	summed                               string // MD5 of data, hex; "" until it is asked for
	binned                               bool   // itself
	born, dead                           int64  // numbers of calls; dead 0 while it lives
	hidden                               bool   // another app's: scope drive.file does not show it
	created                              string
}

func (f *entry) sum() string {
	if f.summed == "" {
		sum := md5.Sum(f.data)
		f.summed = hex.EncodeToString(sum[:])
	}
	return f.summed
}

// trashed tells of a file whether it, or a folder above it, is in the trash.
func (s *Server) trashed(f *entry) bool {
	for f != nil {
		if f.binned {
			return true
		}
		f = s.files[f.parent]
	}
	return false
}

func (s *Server) note(f *entry, removed bool) {
	s.changes = append(s.changes, change{file: f, removed: removed})
}

// byHand changes a living file as the user does in the browser.
func (s *Server) byHand(id string, act func(*entry)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f := s.files[id]
	if f == nil || f.dead != 0 {
		panic("drivetest: no file " + id)
	}
	act(f)
	s.note(f, f.dead != 0)
}

// Trash puts a file or folder into the trash; Restore takes it out.
func (s *Server) Trash(id string) { s.byHand(id, func(f *entry) { f.binned = true }) }

// Restore takes a file or folder out of the trash.
func (s *Server) Restore(id string) { s.byHand(id, func(f *entry) { f.binned = false }) }

// Rename gives another name.
func (s *Server) Rename(id, name string) { s.byHand(id, func(f *entry) { f.name = name }) }

// Move puts it below another folder, or [RootID].
func (s *Server) Move(id, parent string) { s.byHand(id, func(f *entry) { f.parent = parent }) }

// Replace uploads other content, as a new version.
func (s *Server) Replace(id string, data []byte) {
	s.byHand(id, func(f *entry) { f.data, f.summed = bytes.Clone(data), "" })
}

// Remove deletes for ever, with what a folder holds.
func (s *Server) Remove(id string) { s.byHand(id, func(f *entry) { s.kill(f) }) }

// kill ends a file and all below it, with the mutex held.
func (s *Server) kill(f *entry) {
	f.dead = max(1, s.calls)
	if s.lag == 0 {
		delete(s.files, f.id) // no listing is going to show it
	}
	for _, child := range s.files {
		if child.parent == f.id && child.dead == 0 {
			s.kill(child)
		}
	}
}

// Add makes a file, or with kind [FolderType] a folder, by hand, and returns its id. Own says whether the app may see it
// with the scope drive.file: as if the app had made it, with these properties.
func (s *Server) Add(name, parent, kind string, own bool, properties map[string]string, data []byte) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	id := s.freshID()
	s.used[id] = true
	f := &entry{id: id, name: name, parent: parent, kind: kind, space: SpaceFiles, properties: maps.Clone(properties),
		data: bytes.Clone(data), hidden: !own, born: s.calls, created: s.now().Format(timeForm)}
	if above := s.files[parent]; above != nil {
		f.drive, f.space = above.drive, above.space
	}
	if s.drives[parent] {
		f.drive = parent
	}
	s.files[id] = f
	s.note(f, false)
	return id
}

// Copy makes a second file with all that a create gives, under an id of its own, and returns that: a twin.
func (s *Server) Copy(id string) string {
	s.mutex.Lock()
	f := *s.files[id] // what it holds is replaced, never changed
	s.mutex.Unlock()
	return s.Add(f.name, f.parent, f.kind, true, f.properties, f.data)
}

func (s *Server) freshID() string {
	s.counter++
	return fmt.Sprintf("1dRiVe%027d", s.counter)
}

const timeForm = "2006-01-02T15:04:05.000Z"
