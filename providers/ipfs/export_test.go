package ipfs

import "context"

// Tend does at once what happens now and then.
func (s *Store) Tend(ctx context.Context) error {
	err := s.tend(ctx)
	s.work.Wait() // with nothing else in the background: the publication that it began
	return err
}

// Name is a device's IPNS name.
func (s *Store) Name(device int) string { return s.names[device] }

// Marks is how many names this device lists as removed.
func (s *Store) Marks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.self.marks)
}

// Stamps is how many publications this device's head names.
func (s *Store) Stamps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.self.stamps)
}
