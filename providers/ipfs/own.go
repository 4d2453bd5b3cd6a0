package ipfs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// own is what this device built at the node.
type own struct {
	stamp
	stamps    map[string]bool    // those known to be this device's
	oldest    int64              // the lowest sequence among them
	marks     map[string]int     // what it lists as removed; replaced, never changed
	objects   *snapshot          // its objects as the last look found them; nil before
	recent    map[string]*change // since then, by name
	changes   int64              // counts puts and removals
	empty     string             // identifier of no bytes
	published string             // root that was published last
	judged    string             // own folder, as another device linked it, that was found to be this device's
	dirty     bool               // something was put or removed since
	relayed   bool               // another device's head is newer here than it was published
	failures  int                // publications that failed in a row
	failing   time.Time          // when the first of them did
	pinned    map[int]string     // own folders of others that are pinned, by number
}

// change is a put, or a removal with no entry.
type change struct {
	entry *entry
	at    int64 // of own.changes
}

// ready opens the store at its first use, and says whether it was stopped.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ipfs: %w", err)
	}
	s.mu.Lock()
	opened, stopped := s.opened, s.stopped
	s.mu.Unlock()
	if stopped != nil || opened {
		return stopped
	}
	return s.open(ctx)
}

// open reads this device's folder at the node, and makes it where there is none; a number that another device uses is
// refused before anything is written.
func (s *Store) open(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	opened, stopped := s.opened, s.stopped
	s.mu.Unlock()
	if opened {
		return stopped
	}
	empty, err := s.node.add(ctx, nil)
	if err != nil {
		return err
	}
	_, err = s.node.stat(ctx, s.paths.pinned) // made last
	if errors.Is(err, errAbsent) {
		err = s.make(ctx, empty)
	}
	if err != nil {
		return err
	}
	self, relays, err := s.readOwn(ctx)
	if err != nil {
		return err
	}
	self.empty, self.recent = empty, make(map[string]*change)
	if err := s.importKey(ctx); err != nil {
		return err
	}
	if self.pinned, err = s.readPinned(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.self = *self
	s.mu.Unlock()
	s.recall(ctx, relays)
	root, err := s.node.stat(ctx, s.paths.head)
	if err != nil {
		return err
	}
	if err := s.mine(ctx); errors.Is(err, ErrTaken) || ctx.Err() != nil {
		return err
	}
	// Whatever can't be found out now is asked again before anything is published.
	objects, err := s.lines(ctx, s.paths.objects)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.self.dirty = s.self.published != root && (self.sequence > 0 || len(objects) > 0)
	s.opened = true
	if s.self.dirty {
		s.publishLater(s.o.Publish)
	}
	s.mu.Unlock()
	if !s.o.Still {
		s.work.Add(1)
		go s.tendNowAndThen()
	}
	return nil
}

// make builds the folder. A name that somebody publishes already is another device's.
func (s *Store) make(ctx context.Context, empty string) error {
	_, err := s.node.stat(ctx, s.paths.head+"/own/objects")
	if err != nil && !errors.Is(err, errAbsent) {
		return err
	}
	if err != nil { // not even begun
		switch _, err := s.node.resolve(ctx, s.names[s.o.Device]); {
		case err == nil:
			return fmt.Errorf("device %d: %w", s.o.Device, ErrTaken)
		case errors.Is(err, errNoName), errors.Is(err, providers.ErrTransient) && ctx.Err() == nil:
			// Nobody, as far as can be found out; it is asked again before the first publication.
		default:
			return err
		}
	}
	instance, err := s.draw()
	if err != nil {
		return err
	}
	first, err := s.newStamp(0, instance)
	if err != nil {
		return err
	}
	for _, folder := range []string{s.paths.objects, s.paths.removed, s.paths.others, s.paths.kept} {
		if err := s.makeFolder(ctx, folder); err != nil {
			return err
		}
	}
	if err := s.node.link(ctx, empty, s.paths.head+"/own/"+first.String()); err != nil {
		return err
	}
	return s.makeFolder(ctx, s.paths.pinned)
}

func (s *Store) makeFolder(ctx context.Context, path string) error {
	return s.node.run(ctx, "files/mkdir", query("arg", path, "parents", "true", "cid-version", "1"), nil)
}

// draw returns a random word.
func (s *Store) draw() (string, error) {
	random := make([]byte, 8)
	if _, err := io.ReadFull(s.o.Random, random); err != nil {
		return "", fmt.Errorf("ipfs: randomness: %w", err)
	}
	return hex.EncodeToString(random), nil
}

func (s *Store) newStamp(sequence int64, instance string) (stamp, error) {
	nonce, err := s.draw()
	return stamp{sequence: sequence, instance: instance, nonce: nonce}, err
}

// readOwn reads this device's folder, and what it has of the others'.
func (s *Store) readOwn(ctx context.Context) (*own, []child, error) {
	root, err := s.node.stat(ctx, s.paths.head)
	if err != nil {
		return nil, nil, err
	}
	found, err := s.node.list(ctx, false, "/ipfs/"+root+"/own", "/ipfs/"+root+"/others", "/ipfs/"+root+"/own/removed")
	if err != nil {
		return nil, nil, err
	}
	var folder snapshot
	if !folder.read(found[0]) {
		return nil, nil, fmt.Errorf("device %d: %w", s.o.Device, ErrGone)
	}
	self := &own{stamp: folder.stamp, marks: marksOf(found[2])}
	self.stamps, self.oldest = stampsOf(found[0])
	return self, found[1], nil
}

func stampsOf(folder []child) (stamps map[string]bool, oldest int64) {
	stamps = make(map[string]bool)
	for _, one := range folder {
		if at, ok := readStamp(one.Name); ok {
			if len(stamps) == 0 || at.sequence < oldest {
				oldest = at.sequence
			}
			stamps[one.Name] = true
		}
	}
	return stamps, oldest
}

// importKey gives the node the key that signs for this device's name.
func (s *Store) importKey(ctx context.Context) error {
	_, file, err := keyOf(s.o.Seed, s.o.Device)
	if err != nil {
		return err
	}
	_, err = s.node.call(ctx, "key/import", query("arg", s.keyName()), file, 1<<16)
	if errors.Is(err, errExists) {
		return nil
	}
	return err
}

// keyName is the key's name in the node's keystore; it tells nobody whose it is.
func (s *Store) keyName() string { return "dm3sync-" + s.names[s.o.Device] }

// mine makes sure that what stands under this device's name was published by it, else it stops the store for good.
func (s *Store) mine(ctx context.Context) error {
	root, err := s.node.resolve(ctx, s.names[s.o.Device])
	s.mu.Lock()
	known, never := s.self.published, s.self.sequence == 0
	s.mu.Unlock()
	switch {
	case errors.Is(err, errNoName), err != nil && never && errors.Is(err, providers.ErrTransient) && ctx.Err() == nil:
		return nil
	case err != nil:
		return err
	case root == known:
		return nil
	}
	found, err := s.node.list(ctx, false, "/ipfs/"+root+"/own")
	if err != nil {
		return err
	}
	if err := s.judge(ctx, found[0]); err != nil {
		return err
	}
	s.mu.Lock()
	s.self.published = root
	s.mu.Unlock()
	return nil
}

// judge stops the store when an own folder, found under this device's name, is not from this device.
func (s *Store) judge(ctx context.Context, folder []child) error {
	var theirs snapshot
	theirs.read(folder)
	if s.knows(theirs.stamp) {
		return nil
	}
	self, _, err := s.readOwn(ctx) // another process of this device may have published
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.self.stamps, s.self.oldest, s.self.stamp = self.stamps, self.oldest, self.stamp
	s.mu.Unlock()
	if s.knows(theirs.stamp) {
		return nil
	}
	return s.stop()
}

func (s *Store) knows(theirs stamp) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.self.stamps[theirs.String()] || theirs.instance == s.self.instance && theirs.sequence < s.self.oldest
}

func (s *Store) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = fmt.Errorf("device %d: %w", s.o.Device, ErrTaken)
	return s.stopped
}
