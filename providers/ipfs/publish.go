package ipfs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

const (
	// lifetime is how long a published record holds while its node is away; the node announces it anew long before.
	lifetime = 7 * 24 * time.Hour
	// mostStamps is how many stamps a head holds before all but the newest leave it.
	mostStamps = 32
	// publishPatience bounds one publication: on the public network it takes up to a minute.
	publishPatience = 3 * time.Minute
	// failingLong and failingOften are how long and how often publications may fail before the user is told.
	failingLong  = 10 * time.Minute
	failingOften = 5
	// longestWait is the longest time between attempts.
	longestWait = 5 * time.Minute
)

// publishLater makes sure that what changed is published within a while. Called with s.mu.
func (s *Store) publishLater(after time.Duration) {
	if s.o.Still || s.scheduled || s.closed {
		return
	}
	s.scheduled = true
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.life.Done():
			return
		}
		s.mu.Lock()
		s.scheduled = false
		s.publishNow()
		s.mu.Unlock()
	}()
}

// publishNow begins to publish what changed; it goes on whoever waits. Nil when nothing changed. Called with s.mu.
func (s *Store) publishNow() chan struct{} {
	if s.publication == nil && s.opened && s.stopped == nil && (s.self.dirty || s.self.relayed) {
		s.publication = make(chan struct{})
		s.work.Add(1)
		go s.publish(s.publication)
	}
	return s.publication
}

// publishAll publishes what changed before the call, and waits at most limit for that. It says whether all is published.
func (s *Store) publishAll(ctx context.Context, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for range 2 { // the first may have begun before the last change
		s.mu.Lock()
		if !s.self.dirty && !(s.closed && s.self.relayed) {
			s.mu.Unlock()
			return true
		}
		before := s.self.failures
		publication := s.publishNow()
		s.mu.Unlock()
		if publication == nil {
			return false
		}
		select {
		case <-publication:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
		s.mu.Lock()
		failed := s.self.failures > before
		s.mu.Unlock()
		if failed {
			return false
		}
	}
	return true
}

// publish publishes once, and sees to it that a failure is tried again.
func (s *Store) publish(done chan struct{}) {
	defer s.work.Done()
	s.mu.Lock()
	s.self.dirty, s.self.relayed = false, false
	s.mu.Unlock()
	err := s.publishHead(s.life)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publication = nil
	close(done)
	if err == nil {
		s.self.failures = 0
		return
	}
	s.self.dirty = true
	if s.self.failures++; s.self.failures == 1 {
		s.self.failing = s.o.Now()
	}
	if errors.Is(err, ErrTaken) {
		s.o.Log.Error("nothing is published any more", "error", err)
		return
	}
	if s.life.Err() == nil {
		s.o.Log.Info("not published yet; it is safe at the node, and tried again", "error", err)
	}
	s.publishLater(min(s.o.Publish<<min(s.self.failures, 16), longestWait))
}

// Warning says since when nothing could be published, once that takes long; else "". A store that stopped says why with
// every call.
func (s *Store) Warning(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped != nil || s.self.failures == 0 || s.self.failures < failingOften && now.Sub(s.self.failing) < failingLong {
		return ""
	}
	return fmt.Sprintf("since %s nothing could be published, so that other devices don't see what this one writes; it is safe at the node, and tried again: "+
		"is the node connected to others (`ipfs swarm peers`)?", s.self.failing.Format("2006-01-02 15:04"))
}

// publishHead writes a new stamp and publishes the head, if nobody else published under this device's name.
func (s *Store) publishHead(ctx context.Context) error {
	s.mu.Lock()
	never := s.self.sequence == 0
	s.mu.Unlock()
	if never { // what others saw under this device's name may be all that is left of its first writer
		if err := s.look(ctx); err != nil {
			return err
		}
	}
	if err := s.mine(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	last, empty := s.self.stamp, s.self.empty
	stamps := len(s.self.stamps)
	s.mu.Unlock()
	next, err := s.newStamp(last.sequence+1, last.instance)
	if err != nil {
		return err
	}
	err = s.node.link(ctx, empty, s.paths.head+"/own/"+next.String())
	if err != nil && !errors.Is(err, errExists) {
		return err
	}
	s.mu.Lock()
	s.self.stamp = next
	s.self.stamps[next.String()] = true
	s.mu.Unlock()
	if stamps >= mostStamps {
		if err := s.dropStamps(ctx); err != nil {
			return err
		}
	}
	root, err := s.node.stat(ctx, s.paths.head)
	if err != nil {
		return err
	}
	_, err = s.node.callFor(ctx, publishPatience, publishPatience, "name/publish", query("arg", "/ipfs/"+root, "key", s.keyName(), "resolve", "false",
		"allow-offline", "true", "lifetime", lifetime.String(), "ttl", time.Minute.String()), nil, 1<<16)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.self.published = root
	s.mu.Unlock()
	return nil
}

// dropStamps lets all but the newest stamps go.
func (s *Store) dropStamps(ctx context.Context) error {
	s.mu.Lock()
	oldest := s.self.sequence - mostStamps/2
	var old []string
	for text := range s.self.stamps {
		if at, _ := readStamp(text); at.sequence < oldest {
			old = append(old, s.paths.head+"/own/"+text)
		}
	}
	s.mu.Unlock()
	if err := s.node.unlink(ctx, old...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := range s.self.stamps {
		if at, _ := readStamp(text); at.sequence < oldest {
			delete(s.self.stamps, text)
		}
	}
	s.self.oldest = oldest
	return nil
}

// Space implements providers.Spacer: of the node's whole repository, by the limit that its owner set.
func (s *Store) Space(ctx context.Context) (providers.Space, error) {
	unknown := providers.Space{Used: -1, Total: -1}
	var told struct{ RepoSize, StorageMax *int64 }
	if err := s.node.run(ctx, "repo/stat", query("size-only", "true"), &told); err != nil {
		return unknown, err
	}
	if told.RepoSize != nil {
		unknown.Used = *told.RepoSize
	}
	if told.StorageMax != nil && *told.StorageMax > 0 {
		unknown.Total = *told.StorageMax
	}
	return unknown, nil
}
