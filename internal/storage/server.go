package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

	"github.com/dm3sync/dm3sync/internal/serving"
)

// Bounds on what a client may take its time for. Bodies are a few MB at most, so
// whoever needs longer is broken or means harm.
const (
	headerWait  = 10 * time.Second
	requestWait = 2 * time.Minute // a whole request, body included; and as long for the answer
	idleWait    = 2 * time.Minute
	maxHeader   = 16 << 10
)

// leastShare is how many connections one address may always have open: more than a browser
// opens.
const leastShare = 16

// stopWait is how long requests under way may take to end when the server stops.
const stopWait = 10 * time.Second

// ServerOptions is how requests are taken. Zero fields of time take a default.
type ServerOptions struct {
	// CertificateFile and KeyFile are PEM files, read again when they change;
	// without them the server speaks plain HTTP.
	CertificateFile, KeyFile string
	// MaxConnections bounds open connections; 0 is no bound. One address gets a quarter
	// of them at most, or 16: what it opens beyond that is closed at once.
	MaxConnections int
	// Proxies are the addresses of load balancers, whose connections are many clients'.
	Proxies []netip.Prefix
	// HeaderWait and RequestWait bound the reading of a request's header, and of
	// the whole request; StopWait how long the stop waits for requests under way.
	HeaderWait, RequestWait, StopWait time.Duration
	// Log gets what the HTTP server complains about.
	Log *slog.Logger
}

func (o ServerOptions) withDefaults() ServerOptions {
	for _, field := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.HeaderWait, headerWait}, {&o.RequestWait, requestWait}, {&o.StopWait, stopWait}} {
		if *field.value <= 0 {
			*field.value = field.usual
		}
	}
	return o
}

// Serve answers requests on listener with handler until ctx ends; then it takes no
// more, lets those under way end for a short time, and cuts the rest. It closes
// listener. It returns nil after a stop.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, o ServerOptions) error {
	o = o.withDefaults()
	if o.MaxConnections > 0 {
		listener = newShares(netutil.LimitListener(listener, o.MaxConnections), max(leastShare, o.MaxConnections/4), o.Proxies)
	}
	if o.CertificateFile != "" {
		certificate, err := newCertificate(o.CertificateFile, o.KeyFile, o.Log)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: certificate.get, NextProtos: []string{"http/1.1"},
		})
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: o.HeaderWait,
		ReadTimeout:       o.RequestWait,
		WriteTimeout:      2 * o.RequestWait, // counts from the end of the header
		IdleTimeout:       idleWait,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	// An append under way is answered.
	return serving.Until(ctx, "storage", server, listener, serving.Stop{Wait: o.StopWait, Finish: true})
}
