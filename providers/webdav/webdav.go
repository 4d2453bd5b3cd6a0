// Package webdav keeps each object as one file of a WebDAV server: Nextcloud, ownCloud, Apache, nginx, lighttpd, a NAS.
// Nothing is asked but GET with ranges, PUT with a length, DELETE, MKCOL, and PROPFIND of depth 0 and 1. No ETag,
// condition, lock or MOVE is used, as servers differ in all of them. It imports only providers.
//
// An object "container/state" is the file "xx/container.d/state.o" below the base collection, where xx is drawn from the
// container's name: so no collection grows with the whole history, and the listing of one container is one request. The
// base collection holds a marker file, made by [Create]: a collection without it is never taken for an empty store, as
// the mount point of an absent drive or a mistyped address would be.
//
// Single requests go through gowebdav, which knows no context and loses headers; so every call gives it a connection of
// its own (type exchange) that has both, and sends exactly one request. Logins, redirects and listings are done here:
// gowebdav's digests name the wrong path, its redirects turn a PUT into a GET, and its listings end silently where an
// answer was cut off. The package does not repeat requests, except for a login, a redirect, or a collection that was
// missing; providers.Retry does the rest.
package webdav

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// Kind is the store's word in configurations.
const Kind = "webdav"

// Options says where the base collection is and how to log in there.
type Options struct {
	// URL is the address of the base collection ("https://cloud.example.org/remote.php/dav/files/alice/dm3sync").
	URL string
	// Auth is how to log in: one of the Auth constants; empty is AuthAuto.
	Auth string
	// Username and Secret log in; the secret is a password, an app password, or with AuthBearer a token.
	Username, Secret string
	// CAFile holds further certificate authorities, PEM.
	CAFile string
	// CertificateFile and KeyFile, PEM, prove to the server who asks.
	CertificateFile, KeyFile string
	// Proxy is the address of a proxy ("http://host:port"); empty: HTTPS_PROXY and so on.
	Proxy string

	Stall     time.Duration // a request that makes no progress for so long is given up as transient: 1 min
	MaxObject int64         // largest object in bytes: providers.DefaultMaxObject
	Parallel  int           // sensible concurrent requests: 6
}

// Store is one base collection.
type Store struct {
	base       *url.URL // ends in "/"
	moved      atomic.Pointer[url.URL]
	transport  *http.Transport
	login      *login
	stall      time.Duration
	known      collections
	properties providers.Properties
}

// New makes a store, without any request: whether the collection is there is found out by use. Errors speak of the
// options only, and don't repeat addresses, which may hold a password.
func New(options *Options) (*Store, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	base, err := parseBase(o.URL)
	if err != nil {
		return nil, fmt.Errorf("webdav: %w", err)
	}
	s := &Store{base: base, stall: o.Stall, properties: properties(&o)}
	if s.login, err = newLogin(o.Auth, o.Username, o.Secret); err != nil {
		return nil, fmt.Errorf("webdav: %w", err)
	}
	s.transport, err = transport.New(&transport.Options{
		CAFile: o.CAFile, Proxy: o.Proxy, CertificateFile: o.CertificateFile, KeyFile: o.KeyFile, PerHost: s.properties.Parallel,
	})
	if err != nil {
		return nil, fmt.Errorf("webdav: %w", err)
	}
	s.transport.OnProxyConnectResponse = proxyAnswer
	if s.stall <= 0 {
		s.stall = time.Minute
	}
	return s, nil
}

// proxyAnswer judges what a proxy says to the wish for a connection.
func proxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusProxyAuthRequired || answer.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: the proxy refuses (%d); the login belongs in the proxy's URL", providers.ErrUnauthorised, answer.StatusCode)
	}
	return nil
}

// properties promises what the weakest server keeps. None of them syncs a file before it answers, and some show a file
// while it is being written, or keep the part of it that had come when a connection broke; so puts must be read back.
func properties(o *Options) providers.Properties {
	p := providers.Properties{
		Kind: Kind, Durable: false, CurrentListings: true, Deletes: true, MaxObject: o.MaxObject, Parallel: o.Parallel,
	}
	if p.MaxObject <= 0 {
		p.MaxObject = providers.DefaultMaxObject
	}
	if p.Parallel <= 0 {
		p.Parallel = 6
	}
	return p
}

func parseBase(address string) (*url.URL, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") || base.User != nil {
		return nil, errors.New("url is not an address like https://host/path") // it may hold a secret
	}
	if base.RawQuery != "" || base.ForceQuery || base.Fragment != "" {
		return nil, errors.New("url must name a collection, without ? and #")
	}
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
		if base.RawPath != "" {
			base.RawPath += "/"
		}
	}
	return base, nil
}

// Properties implements providers.Store.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}
