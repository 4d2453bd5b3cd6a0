package storage

import (
	"net"
	"net/netip"
	"sync"
)

// shares is a listener that gives one address so many connections at once, so that
// nobody can hold all of them by opening some and saying nothing.
type shares struct {
	net.Listener
	most    int
	proxies []netip.Prefix

	mu   sync.Mutex
	open map[string]int // by address, see network
}

func newShares(listener net.Listener, most int, proxies []netip.Prefix) *shares {
	return &shares{Listener: listener, most: most, proxies: proxies, open: make(map[string]int)}
}

// Accept implements net.Listener.
func (s *shares) Accept() (net.Conn, error) {
	for {
		connection, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address, ok := parseAddress(connection.RemoteAddr().String())
		if !ok || isProxy(address, s.proxies) {
			return connection, nil
		}
		if key := network(address); s.take(key) {
			return &share{Conn: connection, give: sync.OnceFunc(func() { s.give(key) })}, nil
		}
		_ = connection.Close() // nobody used it
	}
}

func (s *shares) take(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key] >= s.most {
		return false
	}
	s.open[key]++
	return true
}

func (s *shares) give(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key]--; s.open[key] == 0 {
		delete(s.open, key)
	}
}

// share is a connection that counts until it is closed.
type share struct {
	net.Conn
	give func()
}

// Close implements net.Conn.
func (s *share) Close() error {
	s.give()
	return s.Conn.Close()
}
