package ipfs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// mostFolders bounds how many listings are kept of one head.
const mostFolders = 4096

// snapshot is one device's own folder, as it was once; it never changes but for what was read of it.
type snapshot struct {
	stamp
	folder, objects, removed string         // content identifiers
	marks                    map[string]int // names that it lists as removed, and up to which generation

	mu      sync.Mutex
	folders map[string][]entry // listings of its folders of objects
}

// read takes the lines of an own folder; false where it is none.
func (s *snapshot) read(folder []child) bool {
	stamped := false
	for _, one := range folder {
		if at, ok := readStamp(one.Name); ok && (!stamped || at.sequence > s.sequence) {
			s.stamp, stamped = at, true
		}
		switch one.Name {
		case "objects":
			s.objects = one.Hash
		case "removed":
			s.removed = one.Hash
		}
	}
	return stamped && s.objects != "" && s.removed != ""
}

func marksOf(folder []child) map[string]int {
	marks := make(map[string]int)
	for _, one := range folder {
		if name, generation, ok := readMark(one.Name); ok {
			if known, twice := marks[name]; !twice || generation > known {
				marks[name] = generation
			}
		}
	}
	return marks
}

// device is what is known of another device's head.
type device struct {
	root              string    // that its name last led to
	current, previous *snapshot // previous stands in for what can't be read of current
	relay             *snapshot // what this device's own head links
	asking            chan struct{}
	asked             time.Time
	slow              bool  // it did not answer in time
	failure           error // of the last question
}

// look asks for all heads, and waits a bounded time for the answers: what is late counts for the next look.
func (s *Store) look(ctx context.Context) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ipfs: look: %w", err)
	}
	begun := s.o.Now()
	quick, slow := s.askAll(begun)
	if err := s.lookAtOwn(ctx); err != nil {
		return err
	}
	if err := wait(ctx, quick, s.o.Patience); err != nil {
		return err
	}
	if err := wait(ctx, slow, s.o.Slow); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = begun
	return s.stopped
}

// askAll begins to ask for every other head that is due, and says which answers to wait for, and for which not long.
func (s *Store) askAll(now time.Time) (quick, slow []chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := 1; number <= s.o.Devices; number++ {
		d := &s.devices[number]
		if number == s.o.Device {
			continue
		}
		absent := d.current == nil && d.failure != nil
		if d.asking == nil && (!absent || now.Sub(d.asked) >= s.o.AskAbsent) {
			d.asking, d.asked = make(chan struct{}), now
			s.work.Add(1)
			go s.ask(number, d.asking)
		}
		switch {
		case d.asking == nil:
		case d.slow || absent:
			slow = append(slow, d.asking)
		default:
			quick = append(quick, d.asking)
		}
	}
	return quick, slow
}

// wait waits for answers; that some do not come is no error.
func wait(ctx context.Context, answers []chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, answer := range answers {
		select {
		case <-answer:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("ipfs: look: %w", ctx.Err())
		}
	}
	return nil
}

// ask finds out what another device published last. It may take longer than the look that began it.
func (s *Store) ask(number int, done chan struct{}) {
	defer s.work.Done()
	err := s.follow(s.life, number)
	if err != nil && !errors.Is(err, errNoName) {
		s.o.Log.Debug("a head can't be had now; the last one that is known stands in", "device", number, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &s.devices[number]
	d.failure, d.asking = err, nil
	d.slow = err != nil && !errors.Is(err, errNoName)
	close(done)
}

func (s *Store) follow(ctx context.Context, number int) error {
	root, err := s.node.resolve(ctx, s.names[number])
	if err != nil {
		return err
	}
	s.mu.Lock()
	same := s.devices[number].root == root
	s.mu.Unlock()
	if same {
		return nil
	}
	found, err := s.node.list(ctx, false, "/ipfs/"+root, "/ipfs/"+root+"/own", "/ipfs/"+root+"/others")
	if err != nil {
		return err
	}
	for _, one := range found[0] {
		if one.Name != "own" {
			continue
		}
		err := s.accept(ctx, number, one.Hash, found[1])
		if errors.Is(err, errOtherWriter) {
			s.o.Log.Warn("two devices publish under one number; the first one is listed", "device", number)
		} else if err != nil {
			return err
		}
	}
	for _, one := range found[2] {
		if err := s.takeRelay(ctx, one); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.devices[number].root = root
	s.mu.Unlock()
	return nil
}

// takeRelay takes what one device saw of another, where that is newer than what this one saw. What it saw of this very device
// may have been written by somebody else under its name.
func (s *Store) takeRelay(ctx context.Context, link child) error {
	number, sequence, ok := readRelay(link.Name)
	if !ok || number > s.o.Devices {
		return nil
	}
	s.mu.Lock()
	current := s.devices[number].current
	known := current != nil && sequence <= current.sequence || number == s.o.Device && link.Hash == s.self.judged
	s.mu.Unlock()
	if known {
		return nil
	}
	folder, err := s.node.list(ctx, false, "/ipfs/"+link.Hash)
	if err != nil {
		return err
	}
	if number != s.o.Device {
		return s.accept(ctx, number, link.Hash, folder[0])
	}
	if err := s.judge(ctx, folder[0]); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self.judged = link.Hash
	return nil
}

// accept takes a newer head: its marks are obeyed, and this device's own head links it from now on.
func (s *Store) accept(ctx context.Context, number int, identifier string, folder []child) error {
	next := &snapshot{folder: identifier, folders: make(map[string][]entry)}
	if !next.read(folder) {
		return fmt.Errorf("ipfs: head of device %d: %w: it is no head of dm3sync", number, providers.ErrTransient)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	d := &s.devices[number]
	current, relay := d.current, d.relay
	s.mu.Unlock()
	if current != nil && next.sequence <= current.sequence {
		return nil // a stale answer: there is one writer, who counts upwards
	}
	if current != nil && next.instance != current.instance {
		return errOtherWriter // what the first one wrote is not given up for it
	}
	var before map[string]int
	if current != nil {
		before = current.marks
	}
	if current != nil && next.removed == current.removed {
		next.marks = current.marks
	} else {
		marks, err := s.node.list(ctx, false, "/ipfs/"+next.removed)
		if err != nil {
			return err
		}
		next.marks = marksOf(marks[0])
	}
	if current != nil && next.objects == current.objects {
		current.mu.Lock()
		next.folders = current.folders // never changed by current again, as nobody asks it any more
		current.folders = make(map[string][]entry)
		current.mu.Unlock()
	}
	if err := s.obey(ctx, before, next.marks); err != nil {
		return err
	}
	if err := s.linkRelay(ctx, number, relay, next); err != nil {
		return err
	}
	s.mu.Lock()
	d.previous, d.current = current, next
	s.mu.Unlock()
	return nil
}

// linkRelay makes another device's head part of this one's. Where nothing but the sequence changed the old link does: else
// two devices would answer each other's heads for ever.
func (s *Store) linkRelay(ctx context.Context, number int, old, next *snapshot) error {
	if old != nil && old.objects == next.objects && old.removed == next.removed {
		return nil
	}
	err := s.node.link(ctx, next.folder, s.paths.others+"/"+relayOf(number, next.sequence))
	if err != nil && !errors.Is(err, errExists) {
		return err
	}
	if old != nil {
		if err := s.node.unlink(ctx, s.paths.others+"/"+relayOf(number, old.sequence)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[number].relay = next
	s.self.relayed = true
	return nil
}

// recall starts with what this device saw of the others before it was restarted.
func (s *Store) recall(ctx context.Context, relays []child) {
	for _, link := range relays {
		number, _, ok := readRelay(link.Name)
		if !ok || number > s.o.Devices || number == s.o.Device {
			continue
		}
		one := &snapshot{folder: link.Hash, folders: make(map[string][]entry)}
		folder, err := s.node.list(ctx, false, "/ipfs/"+link.Hash, "/ipfs/"+link.Hash+"/removed")
		if err != nil || !one.read(folder[0]) {
			s.o.Log.Debug("what was seen of another device can't be read", "device", number, "error", err)
			continue
		}
		one.marks = marksOf(folder[1])
		s.mu.Lock()
		if d := &s.devices[number]; d.current == nil || d.current.sequence < one.sequence {
			d.current, d.relay = one, one
		}
		s.mu.Unlock()
	}
}

// lookAtOwn finds out where this device's own objects stand: that is what a listing shows of them.
func (s *Store) lookAtOwn(ctx context.Context) error {
	s.mu.Lock()
	changes := s.self.changes
	s.mu.Unlock()
	objects, err := s.node.stat(ctx, s.paths.objects)
	if errors.Is(err, errAbsent) {
		return fmt.Errorf("device %d: %w", s.o.Device, ErrGone)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.self.objects == nil || s.self.objects.objects != objects {
		s.self.objects = &snapshot{objects: objects, folders: make(map[string][]entry)}
	}
	for name, change := range s.self.recent {
		if change.at <= changes {
			delete(s.self.recent, name)
		}
	}
	return nil
}
