package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/login"
)

// loginLimit is how long a login that a page began may take: the browser may be elsewhere.
const loginLimit = 30 * time.Minute

// Logins runs logins in the background, at most one for each place. It is safe for concurrent
// use; the zero value is ready.
type Logins struct {
	mu     sync.Mutex
	flows  map[place]*flow
	closed bool
	group  sync.WaitGroup
}

// place is what one login is for: an account, and its mirror or none.
type place struct{ account, mirror string }

// flow is a login that waits, or how the last one ended; its status is under the mutex of Logins.
type flow struct {
	flow   *login.Flow
	stop   context.CancelFunc
	ended  chan struct{}
	status api.LoginStatus
}

// Start begins a login and returns while it waits; one that waits for the same place is given up
// before. open prepares the login, which is closed at the end; after is called with a new login
// and makes use of it: its error is told, and the login is kept all the same. now is the wall clock.
func (l *Logins) Start(account, mirror string, now func() time.Time, open func() (*login.Login, error), after func(context.Context) error) (api.LoginStatus, error) {
	p := place{account, mirror}
	l.Stop(account, mirror)
	own, err := open()
	if err != nil {
		return api.LoginStatus{}, err
	}
	ctx, stop := context.WithCancel(context.Background())
	waiting, err := own.Begin(ctx, login.BrowserOptions{Limit: loginLimit})
	if err != nil {
		stop()
		return api.LoginStatus{}, errors.Join(err, own.Close())
	}
	f := &flow{flow: waiting, stop: stop, ended: make(chan struct{}), status: api.LoginStatus{
		Account: account, Mirror: mirror, State: api.LoginWaiting,
		Address: waiting.Address(), Redirect: waiting.Redirect(), Until: now().Add(loginLimit).Round(0),
	}}
	status, err := l.run(p, f, func() api.LoginStatus {
		defer stop()
		return finish(ctx, f, own, after)
	})
	if err != nil {
		stop()
		_, waitErr := waiting.Wait(ctx)
		return api.LoginStatus{}, errors.Join(err, waitErr, own.Close())
	}
	return status, nil
}

// run lets a login of a place wait in the background, and gives up the one before; it returns how
// the login is until then. It fails after Close.
func (l *Logins) run(p place, f *flow, work func() api.LoginStatus) (api.LoginStatus, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return api.LoginStatus{}, fmt.Errorf("setup: no login begins any more: %w", context.Canceled)
	}
	if l.flows == nil {
		l.flows = make(map[place]*flow)
	}
	if before := l.flows[p]; before != nil {
		before.stop() // of a click that came twice; nothing else would end it
	}
	l.flows[p] = f
	l.group.Go(func() {
		defer close(f.ended)
		ended := work()
		ended.Account, ended.Mirror = p.account, p.mirror
		l.mu.Lock()
		f.status = ended
		l.mu.Unlock()
	})
	return f.status, nil
}

// finish waits for the end of a login and says how it was.
func finish(ctx context.Context, f *flow, own *login.Login, after func(context.Context) error) api.LoginStatus {
	result, err := f.flow.Wait(ctx)
	if closeErr := own.Close(); err == nil {
		err = closeErr
	}
	switch {
	case errors.Is(err, context.Canceled):
		return api.LoginStatus{State: api.LoginNone}
	case err != nil:
		return api.LoginStatus{State: api.LoginFailed, Text: strings.TrimPrefix(err.Error(), "login: ")}
	}
	status := api.LoginStatus{State: api.LoginDone, Text: "You are logged in; the token is " + result.Kept + "."}
	if err := after(ctx); err != nil {
		status.Text += fmt.Sprintf(" The place is not ready, though: %v.", err)
	}
	return status
}

// Status says how far the last login of a place is.
func (l *Logins) Status(account, mirror string) api.LoginStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flows[place{account, mirror}]; f != nil {
		return f.status
	}
	return api.LoginStatus{Account: account, Mirror: mirror, State: api.LoginNone}
}

// Answer takes the address that a browser ended at; api.ErrRequest where none waits, or for another one.
func (l *Logins) Answer(ctx context.Context, account, mirror, address string) error {
	l.mu.Lock()
	f := l.flows[place{account, mirror}]
	waits := f != nil && f.status.State == api.LoginWaiting
	l.mu.Unlock()
	if !waits {
		return fmt.Errorf("%w: no login waits for an answer; begin one", api.ErrRequest)
	}
	if err := f.flow.Paste(ctx, address); err != nil {
		return fmt.Errorf("%w: %w", api.ErrRequest, err)
	}
	return nil
}

// Stop gives up the login of a place, if one waits, and waits until its port is free.
func (l *Logins) Stop(account, mirror string) {
	l.mu.Lock()
	f := l.flows[place{account, mirror}]
	l.mu.Unlock()
	if f != nil {
		f.stop()
		<-f.ended
	}
}

// Close gives up every login and waits for their ends.
func (l *Logins) Close() {
	l.mu.Lock()
	l.closed = true
	for _, f := range l.flows {
		f.stop()
	}
	l.mu.Unlock()
	l.group.Wait()
}
