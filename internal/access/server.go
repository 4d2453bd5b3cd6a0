package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/dm3sync/dm3sync/internal/serving"
)

// Bounds on connections. What a session or program needs is far below.
const (
	headerWait     = 10 * time.Second
	idleWait       = time.Minute
	maxHeader      = 16 << 10
	maxConnections = 128
	stopWait       = 3 * time.Second
)

// ErrNotLoopback says that an address could be reached from other machines.
var ErrNotLoopback = errors.New("the address is not on loopback")

// ParseAddress reads an address and port to listen on: an address of loopback,
// or localhost, which is 127.0.0.1. Everything else is ErrNotLoopback. Port 0 is
// any free one.
func ParseAddress(text string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("access: %q is no address and port, such as 127.0.0.1:8485", text)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	address, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || !address.Addr().IsLoopback() || address.Addr().Is4In6() || address.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("access: %w: %q; use 127.0.0.1 or [::1] with a port, and `ssh -L` from elsewhere", ErrNotLoopback, text)
	}
	return address, nil
}

// Listeners are those of one port of loopback.
type Listeners struct {
	// All has one listener, or one for each kind of address.
	All []net.Listener
	// Address is where the first one listens.
	Address netip.AddrPort
	// Whole says that nobody else can listen on the port of either 127.0.0.1 or
	// ::1. Browsers try both for a name, so only then may an address with a name
	// carry a secret.
	Whole bool
}

// attempts is how many free ports are tried for one that is free on both kinds
// of addresses.
const attempts = 8

// Listen listens on an address of loopback (see [ParseAddress]), and on the same
// port of the other kind of address where the machine has it. An empty text is
// any free port.
func Listen(ctx context.Context, text string) (Listeners, error) {
	if text == "" {
		found, err := listenFree(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil { // a machine without IPv4
			return listenFree(ctx, netip.MustParseAddrPort("[::1]:0"))
		}
		return found, nil
	}
	address, err := ParseAddress(text)
	switch {
	case err != nil:
		return Listeners{}, err
	case address.Port() == 0:
		return listenFree(ctx, address)
	}
	return listenBoth(ctx, address)
}

// listenFree listens on any port, if it can on one that is free on both kinds of
// addresses.
func listenFree(ctx context.Context, address netip.AddrPort) (found Listeners, err error) {
	for range attempts {
		found.stop()
		if found, err = listenBoth(ctx, address); err != nil || found.Whole || len(found.All) > 1 {
			break
		}
	}
	return found, err
}

func (l Listeners) stop() {
	for _, listener := range l.All {
		_ = listener.Close() // nobody has connected to it
	}
}

func listenBoth(ctx context.Context, address netip.AddrPort) (Listeners, error) {
	first, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address.String())
	if err != nil {
		return Listeners{}, fmt.Errorf("access: listening on loopback: %w", err)
	}
	found := Listeners{All: []net.Listener{first}}
	if found.Address, err = netip.ParseAddrPort(first.Addr().String()); err != nil {
		found.stop()
		return Listeners{}, fmt.Errorf("access: listening on loopback: %w", err)
	}
	other, four := netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})
	usual := address.Addr() == other || address.Addr() == four // names lead nowhere else
	if address.Addr().Is6() {
		other = four
	}
	second, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(other, found.Address.Port()).String())
	switch {
	case err == nil:
		found.All = append(found.All, second)
		found.Whole = usual
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		found.Whole = usual // there is no such address, so nobody has it
	}
	return found, nil
}

// ServerOptions is how connections are taken. Zero fields take their default.
type ServerOptions struct {
	// HeaderWait bounds the reading of a request's header; default 10 s.
	HeaderWait time.Duration
	// IdleWait is how long a connection may wait for its next request; default
	// 60 s.
	IdleWait time.Duration
	// Connections bounds those that are open at once; default 128.
	Connections int
	// Log gets what the HTTP server complains about; must be set.
	Log *slog.Logger
}

// Serve answers on listener with handler, which should be a Gate's Guard, until
// ctx ends; then requests under way are cancelled, given a short time to answer,
// and cut. It closes listener. It returns nil after a stop.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, o ServerOptions) error {
	setDefault(&o.HeaderWait, headerWait)
	setDefault(&o.IdleWait, idleWait)
	setDefault(&o.Connections, maxConnections)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: o.HeaderWait,
		IdleTimeout:       o.IdleWait,
		MaxHeaderBytes:    maxHeader,
		// "OPTIONS *" too is for the guard.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	listener = netutil.LimitListener(listener, o.Connections)
	return serving.Until(ctx, "access", server, listener, serving.Stop{Wait: stopWait})
}

func setDefault[T comparable](target *T, value T) {
	var zero T
	if *target == zero {
		*target = value
	}
}
