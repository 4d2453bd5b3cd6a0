package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/internal/serving"
)

const (
	// browserLimit is how long a login may take, unless told otherwise.
	browserLimit = 5 * time.Minute
	// goodbye is how long the last page may take to reach the browser.
	goodbye = 2 * time.Second
	// largestAnswer bounds what the browser may send, in bytes.
	largestAnswer = 16 << 10
)

// BrowserOptions say how a login with a browser on this machine runs.
type BrowserOptions struct {
	// Open starts the browser with an address and does not wait for it. Nil: the user does it.
	Open func(ctx context.Context, address string) error
	// Tell gets sentences for the user; it must be set.
	Tell func(sentence string)
	// Port is where the answer is waited for; 0 is any free port.
	Port int
	// Limit is how long the answer is waited for; 0 is five minutes.
	Limit time.Duration
	// InFile keeps the token in the sealed file even where there is a keyring.
	InFile bool
	// Listen opens the port; nil asks the system.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
}

// Browser logs in: it sends the user's browser to the server, waits on 127.0.0.1 for the answer, and keeps the token. Only
// an answer that knows the attempt's state ends the wait; ErrNotCompleted says that access was denied, that the server
// refused, or that nothing came in time.
func (l *Login) Browser(ctx context.Context, o BrowserOptions) (Result, error) {
	f, err := l.Begin(ctx, o)
	if err != nil {
		return Result{}, err
	}
	l.send(ctx, f.waiter.attempt, f.options)
	return f.Wait(ctx)
}

// Flow is a login that waits for its answer, for programs that show the address themselves. Wait ends it.
type Flow struct {
	waiter  *waiter
	options BrowserOptions
	stop    func()
	over    chan struct{} // closed when Wait returns: nobody takes an answer any more
}

// Begin opens the port for the browser's answer; of the options, Open and Tell are not used. The caller must call Wait.
func (l *Login) Begin(ctx context.Context, o BrowserOptions) (*Flow, error) {
	if o.Limit <= 0 {
		o.Limit = browserLimit
	}
	if o.Listen == nil {
		o.Listen = (&net.ListenConfig{}).Listen
	}
	listener, err := o.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		return nil, l.noPort(o.Port, err)
	}
	a, err := l.newAttempt("http://" + listener.Addr().String() + "/")
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	w := &waiter{login: l, attempt: a, host: listener.Addr().String(), answers: make(chan *answer)}
	return &Flow{waiter: w, options: o, stop: w.serve(listener), over: make(chan struct{})}, nil
}

// Address is what the browser opens. It holds no secret.
func (f *Flow) Address() string { return f.waiter.login.address(f.waiter.attempt) }

// Redirect is how the address begins that the browser ends at.
func (f *Flow) Redirect() string { return f.waiter.attempt.redirect }

// Paste takes the address that a browser elsewhere ended at, where that could not reach this machine. ErrForeign says that
// it is not this login's, and the wait goes on; how the login ended, Wait tells.
func (f *Flow) Paste(ctx context.Context, address string) error {
	code, err := f.waiter.login.judge(f.waiter.attempt, answerIn(address))
	if errors.Is(err, errForeign) {
		return fmt.Errorf("login: %w; the right one begins with %s and holds code= and state=", ErrForeign, f.Redirect())
	}
	if !f.waiter.answered.CompareAndSwap(false, true) {
		return fmt.Errorf("login: %w: it has its answer already", ErrForeign)
	}
	select {
	case f.waiter.answers <- &answer{code: code, err: err, page: make(chan page, 1)}:
		return nil
	case <-f.over:
		return fmt.Errorf("login: %w: this login is over; begin another one", ErrNotCompleted)
	case <-ctx.Done():
		return fmt.Errorf("login: %w: %w", ErrNotCompleted, ctx.Err())
	}
}

// Wait waits for the answer, keeps the token, and ends the flow; it is called once. Errors are as with Browser.
func (f *Flow) Wait(ctx context.Context) (Result, error) {
	defer close(f.over)
	defer f.stop()
	return f.waiter.wait(ctx, f.options)
}

// noPort says why nothing can be waited for.
func (l *Login) noPort(port int, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) && port != 0 {
		return fmt.Errorf("login: %w: port %d of 127.0.0.1 is taken by another program; leave out --port, or use --headless: %w", ErrNotCompleted, port, err)
	}
	return fmt.Errorf("login: %w: no port of 127.0.0.1 can be opened for the browser's answer; use --headless: %w", ErrNotCompleted, err)
}

// send opens the browser, and shows the address in any case: a browser that started may show nothing.
func (l *Login) send(ctx context.Context, a *attempt, o BrowserOptions) {
	address := l.address(a)
	if o.Open == nil {
		o.Tell("open this address in a browser on this machine:")
	} else if err := o.Open(ctx, address); err != nil {
		o.Tell(fmt.Sprintf("no browser could be started (%v); open this address in one on this machine, or use --headless for a browser elsewhere:", err))
	} else {
		o.Tell(fmt.Sprintf("a browser opens to log in to %s; if it does not, open this address in one on this machine:", l.place.Title))
	}
	o.Tell(address)
	o.Tell(fmt.Sprintf("waiting for the browser's answer, at most %v", o.Limit))
}

// answer is what a browser brought, and who waits for the page.
type answer struct {
	code secret
	err  error
	page chan page
}

// waiter waits for one answer.
type waiter struct {
	login    *Login
	attempt  *attempt
	host     string
	answers  chan *answer
	answered atomic.Bool
}

// serve answers browsers until stop is called, which lets the last page go out.
func (w *waiter) serve(listener net.Listener) (stop func()) {
	server := &http.Server{
		Handler:           w,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    largestAnswer,
		ErrorLog:          log.New(io.Discard, "", 0), // it may quote requests
	}
	server.SetKeepAlivesEnabled(false)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// A fault shows by itself: no answer comes. What is cut is a browser that keeps a connection open without asking anything.
		_ = serving.Until(ctx, "login", server, listener, serving.Stop{Wait: goodbye, Finish: true})
	}()
	return func() {
		cancel()
		<-ended
	}
}

// wait returns when an answer was used, when the time is over, or when ctx ends.
func (w *waiter) wait(ctx context.Context, o BrowserOptions) (Result, error) {
	limit := time.NewTimer(o.Limit)
	defer limit.Stop()
	select {
	case answer := <-w.answers:
		result, err := Result{}, answer.err
		if err == nil {
			result, err = w.login.finish(ctx, w.attempt, answer.code, o.InFile)
		}
		answer.page <- pageFor(w.login.place, err)
		return result, err
	case <-limit.C:
		return Result{}, fmt.Errorf("login: %w: the browser did not answer within %v; run `%s` again, with --headless for a browser on another machine",
			ErrNotCompleted, o.Limit, w.login.place.Command)
	case <-ctx.Done():
		return Result{}, fmt.Errorf("login: %w: %w", ErrNotCompleted, ctx.Err())
	}
}

// ServeHTTP implements http.Handler.
func (w *waiter) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	switch {
	case request.Host != w.host:
		// Another name that leads here: a page elsewhere may have made it up.
		pageNotHere.write(out)
		return
	case request.URL.Path != "/":
		pageNotHere.write(out)
		return
	case request.Method != http.MethodGet:
		out.Header().Set("Allow", http.MethodGet)
		pageMethod.write(out)
		return
	}
	query, err := url.ParseQuery(request.URL.RawQuery)
	if err != nil {
		pageForeign.write(out)
		return
	}
	code, err := w.login.judge(w.attempt, query)
	if errors.Is(err, errForeign) {
		pageForeign.write(out)
		return
	}
	if !w.answered.CompareAndSwap(false, true) {
		pageTwice.write(out)
		return
	}
	a := &answer{code: code, err: err, page: make(chan page, 1)}
	select {
	case w.answers <- a:
		(<-a.page).write(out)
	case <-request.Context().Done():
	}
}
