package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// newTransport is what the options say of certificates and proxies. Errors don't repeat the proxy's address, which may
// hold a password.
func newTransport(o *Options) (*http.Transport, error) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // objects are sealed, and sizes must be those stored
		// Else a dead HTTP/2 connection, which serves all requests, would outlive each of them.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if o.Proxy != "" {
		proxy, err := url.Parse(o.Proxy)
		if err != nil || proxy.Host == "" {
			return nil, errors.New("s3: proxy is not an address like http://host:port")
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("s3: certificate authorities: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("s3: certificate authorities: no certificate in %s", o.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return transport, nil
}

// readOnly hides every method of a request's body but Read and Close. The SDK closes bodies as soon as an answer has
// begun, and WriteTo of its closed bodies fails (smithy-go 1.28: io.EOF instead of nil), on which net/http cuts the
// connection in the midst of the answer, whenever the server is quicker than the goroutine that had just sent the body.
type readOnly struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (r readOnly) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody {
		body := struct{ io.ReadCloser }{request.Body}
		request = request.WithContext(request.Context()) // a copy: round trippers must not change what they are given
		request.Body = body
	}
	return r.RoundTripper.RoundTrip(request)
}

// errStalled is the cause of contexts ended by a watchdog.
var errStalled = errors.New("no progress")

// watchdog ends a context when neither a request's body nor its answer moves for a while, so that a connection that died
// without a word does not hold a pass for ever.
type watchdog struct {
	ctx   context.Context
	stall time.Duration
	timer *time.Timer
	end   context.CancelCauseFunc
}

// watch returns a context for one request; stop must be called when it is done with.
func (s *Store) watch(parent context.Context) (context.Context, *watchdog) {
	ctx, end := context.WithCancelCause(parent)
	return ctx, &watchdog{ctx: ctx, stall: s.stall, end: end, timer: time.AfterFunc(s.stall, func() {
		s.transport.CloseIdleConnections() // they died with this one, as after sleep; the next try must not wait for each
		end(errStalled)
	})}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.end(nil)
}

// explain adds to err that the watchdog was the reason.
func (w *watchdog) explain(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), errStalled) && !errors.Is(err, errStalled) {
		return fmt.Errorf("%w for %v: %w", errStalled, w.stall, err)
	}
	return err
}

// moving is a body whose every read is progress.
type moving struct {
	io.ReadSeeker
	watchdog *watchdog
}

// Read implements io.Reader.
func (m moving) Read(p []byte) (int, error) {
	m.watchdog.timer.Reset(m.watchdog.stall)
	return m.ReadSeeker.Read(p)
}

// read reads an answer's body of at most limit bytes; more is an error. Size is what the server announced, or -1.
func (w *watchdog) read(body io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, errTooLong
	}
	data := make([]byte, 0, max(size, 0)+512) // room for the read that finds the end
	for {
		n, err := body.Read(data[len(data):cap(data)])
		w.timer.Reset(w.stall)
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, errTooLong
		case errors.Is(err, io.EOF) && size >= 0 && int64(len(data)) != size:
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// errTooLong turns into providers.ErrTooLarge.
var errTooLong = errors.New("longer than objects may be")
