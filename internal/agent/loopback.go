package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/access"
	"github.com/dm3sync/dm3sync/internal/api"
)

// look is how often the loopback listener is looked after: opened again where it
// should be, closed where nobody needs it any more.
const look = 10 * time.Second

// loopback is the agent's interface over loopback. It implements [api.Access].
type loopback struct {
	agent    *Agent
	context  context.Context // of the agent's run; set before anybody else has the agent
	services sync.WaitGroup  // none is added once over is set

	mu      sync.Mutex
	gate    *access.Gate
	address netip.AddrPort // of the listener; zero: closed
	asked   string         // the address in the configuration that it was opened for; empty: for a browser
	named   bool           // nobody else can have the port under a name of localhost
	close   func()         // returns when the listener is closed
	failure string         // of the last attempt to open, so that it is logged once
	over    bool           // nothing is opened any more
}

var _ api.Access = (*loopback)(nil)

// begin says how long the agent runs.
func (l *loopback) begin(ctx context.Context) { l.context = ctx }

// run looks after the listener until ctx ends, and returns when it is closed.
func (l *loopback) run(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		l.tend()
		select {
		case <-ctx.Done():
			l.mu.Lock()
			l.over = true
			l.mu.Unlock()
			l.services.Wait()
			return
		case <-ticker.C:
		}
	}
}

// configure lets what a reload has changed hold at once.
func (l *loopback) configure() {
	l.mu.Lock()
	if l.gate != nil {
		i := &l.agent.current.Load().Interface
		l.gate.Change(access.Rules{Origins: i.Origins, PerSecond: i.Rate, Burst: i.Burst, Page: i.HasPage()})
	}
	l.mu.Unlock()
	l.tend()
}

// tend opens the listener that is configured, moves one that stands elsewhere, and closes one that was only
// opened for a browser that has left. A failure does not stop the agent: history
// is kept whether somebody looks at it or not.
func (l *loopback) tend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted, open := l.agent.current.Load().Interface.Listen, l.address.IsValid()
	switch {
	case wanted != "" && (!open || l.asked != wanted):
		if err := l.move(wanted); err != nil && err.Error() != l.failure {
			l.agent.log.Error("the interface can't be opened, will try again", "error", err)
			l.failure = err.Error()
		}
	case wanted != "" || !open:
	case l.asked != "":
		l.agent.log.Info("the interface is closed: the configuration no longer names an address for it")
		l.shut()
	case l.gate.Waiting() == 0:
		l.agent.log.Info("the interface is closed: the last browser has left")
		l.shut()
	}
}

// move opens the listener at an address, and closes the one that is open elsewhere once that is done: who can't be
// reached at the new address can still be reached at the old one. The caller holds the lock.
func (l *loopback) move(wanted string) error {
	before, shut := l.address, l.close
	if port, err := access.ParseAddress(wanted); before.IsValid() && (err != nil || port.Port() == before.Port()) {
		l.shut() // two can't have one port
		before = netip.AddrPort{}
	}
	if err := l.open(); err != nil {
		return err
	}
	if before.IsValid() {
		shut()
		l.agent.log.Info("the interface has moved", "from", before.String())
	}
	return nil
}

// shut closes the listener. The caller holds the lock.
func (l *loopback) shut() {
	l.close()
	l.address = netip.AddrPort{}
}

// prepare makes the gate. The caller holds the lock.
func (l *loopback) prepare() (err error) {
	if l.gate != nil {
		return nil
	}
	i := &l.agent.current.Load().Interface
	l.gate, err = access.New(access.Options{
		TokenFile: filepath.Join(l.agent.config.Data, access.TokenName), Origins: i.Origins,
		PerSecond: i.Rate, Burst: i.Burst, Page: i.HasPage(),
		Open: openPaths, MaxBody: maxBody, Log: l.agent.log, Now: l.agent.options.Now, Random: rand.Reader,
	})
	return err
}

// open opens the listener. The caller holds the lock.
func (l *loopback) open() error {
	if err := l.prepare(); err != nil {
		return err
	}
	if err := l.context.Err(); err != nil || l.over {
		return fmt.Errorf("agent: opening the interface: %w", context.Canceled)
	}
	asked := l.agent.current.Load().Interface.Listen
	listeners, err := access.Listen(l.context, asked)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(l.context)
	guarded := l.gate.Guard(l.agent.handler, listeners.Address)
	var serving sync.WaitGroup
	for _, listener := range listeners.All {
		serving.Add(1)
		l.services.Go(func() {
			err := access.Serve(ctx, listener, guarded, access.ServerOptions{Log: l.agent.log})
			stop() // one without the other would be half an interface
			serving.Done()
			if err != nil {
				l.ended(listeners.Address, err) // waits for who shuts it
			}
		})
	}
	l.address, l.asked, l.named, l.failure = listeners.Address, asked, listeners.Whole, ""
	l.close = func() { stop(); serving.Wait() }
	l.agent.log.Info("the interface is open", "address", l.address.String())
	return nil
}

// ended notes that a listener failed, so that it is opened again.
func (l *loopback) ended(address netip.AddrPort, err error) {
	l.agent.log.Error("the interface ended, will be opened again", "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.address == address {
		l.address = netip.AddrPort{}
	}
}

// NewLink implements api.Access. It opens the listener where it is not open.
func (l *loopback) NewLink(_ context.Context, o api.LinkOptions) (api.Link, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.agent.current.Load().Interface.HasPage() {
		return api.Link{}, fmt.Errorf("agent: %w: there is no page: interface.page is false", api.ErrRequest)
	}
	if !l.address.IsValid() {
		if err := l.open(); err != nil {
			return api.Link{}, err
		}
	}
	code, expires, err := l.gate.NewLink(o.OwnUser)
	if err != nil {
		return api.Link{}, err
	}
	host := l.address.String()
	if l.named && !o.Numeric && runtime.GOOS != "darwin" { // Safari asks the network for names under localhost
		host = net.JoinHostPort(l.gate.Name(), fmt.Sprint(l.address.Port()))
	}
	return api.Link{URL: "http://" + host + access.EnterPath(code), Address: l.address.String(), Expires: expires}, nil
}

// ReplaceToken implements api.Access.
func (l *loopback) ReplaceToken(context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.prepare(); err != nil && !errors.Is(err, access.ErrToken) {
		return "", err
	}
	if l.gate == nil { // the file is damaged: it is replaced before anybody reads it
		return access.NewToken(filepath.Join(l.agent.config.Data, access.TokenName), rand.Reader)
	}
	return l.gate.ReplaceToken()
}
