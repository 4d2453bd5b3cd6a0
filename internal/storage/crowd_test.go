package storage_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// patience is for what must happen, however busy the machine is.
const patience = time.Minute

// from is a client whose connections come from an address of this machine.
func from(t *testing.T, address string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// hold opens connections from 127.0.0.1 that say nothing.
func hold(t *testing.T, address string, number int) (release func()) {
	t.Helper()
	var held []net.Conn
	for range number {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, connection)
	}
	release = sync.OnceFunc(func() {
		for _, connection := range held {
			connection.Close()
		}
	})
	t.Cleanup(release)
	return release
}

// TestOneAddressHoldsNotAll: who opens connections and says nothing keeps nobody else out,
// and is let in again when it has closed them.
func TestOneAddressHoldsNotAll(t *testing.T) {
	other := from(t, "127.0.0.2")
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	address, _ := start(t, answer, storage.ServerOptions{MaxConnections: 32, HeaderWait: time.Hour, RequestWait: time.Hour})
	probe, err := other.Get("http://" + address)
	if err != nil {
		t.Skipf("this machine has no second address for a client: %v", err)
	}
	probe.Body.Close()
	release := hold(t, address, 50)
	response, err := other.Get("http://" + address)
	if err != nil {
		t.Fatalf("another one waits: %v", err)
	}
	response.Body.Close()
	release()
	again := from(t, "127.0.0.1")
	for end := time.Now().Add(patience); ; { // until the server knows that they are closed
		response, err := again.Get("http://" + address)
		if err == nil {
			response.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("who has closed its connections is not let in: %v", err)
		}
	}
}

// TestProxiesHoldAsManyAsTheyLike: the connections of a load balancer are many clients'.
func TestProxiesHoldAsManyAsTheyLike(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	address, _ := start(t, answer, storage.ServerOptions{
		MaxConnections: 32, HeaderWait: time.Hour, RequestWait: time.Hour, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	hold(t, address, 31)
	response, err := from(t, "127.0.0.1").Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// busy is a backend whose answers wait, and which counts how many are asked for at once.
type busy struct {
	dm3api.Backend
	goOn chan struct{}

	mu        sync.Mutex
	now, most int
}

func (b *busy) NumberOfConversations(ctx context.Context, _ string) (int, error) {
	b.count(1)
	defer b.count(-1)
	select {
	case <-b.goOn:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (b *busy) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now += n
	b.most = max(b.most, b.now)
}

func (b *busy) underWay() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// checks counts who has shown a session.
type checks struct {
	dm3api.Authenticator
	number atomic.Int64
}

func (c *checks) Check(ctx context.Context, account, token string) error {
	c.number.Add(1)
	return c.Authenticator.Check(ctx, account, token)
}

// TestOneAccountAtOnce: of one account's requests only some are worked on at once, so that
// it can't take all memory; the others are answered in their turn.
func TestOneAccountAtOnce(t *testing.T) {
	const wanted, usual = 30, 8
	backend, login := &busy{goOn: make(chan struct{})}, &checks{}
	r := newRecords(t, newClock(), memory.New(nil), 0, func(o *storage.Options) {
		login.Authenticator = o.Login
		o.Backend, o.Login = backend, login
	})
	session := r.logIn(t)
	var group sync.WaitGroup
	statuses := make(chan int, wanted)
	for range wanted {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/storage/new/"+ownName+"/getNumberOfConversations", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = session
		group.Go(func() {
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			statuses <- response.StatusCode
		})
	}
	for login.number.Load() < wanted || backend.underWay() < usual {
		time.Sleep(time.Millisecond)
	}
	close(backend.goOn)
	group.Wait()
	close(statuses)
	for status := range statuses {
		if status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	}
	if backend.most > usual {
		t.Errorf("%d at once", backend.most)
	}
}
