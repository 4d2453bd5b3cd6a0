// Package transport holds what the stores that speak HTTP, and the database, have in common: certificates and proxies of a
// connection, a watchdog over requests that stand still, bounded bodies, how long a server asks to wait, and what statuses and broken
// connections mean. It imports only providers, for the sentinels, and knows no objects.
package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// Options says how a server is reached; nil means directly, by the system's certificates.
type Options struct {
	CAFile string // further certificate authorities, PEM
	Proxy  string // address of a proxy ("http://host:port"); empty: HTTPS_PROXY and so on
	// CertificateFile and KeyFile, PEM, prove to the server who asks; the key may be in the first one too.
	CertificateFile, KeyFile string
	PerHost                  int // idle connections that are kept: as many as there are concurrent requests
}

// New makes a transport, without any request. Errors don't repeat the proxy's address, which may hold a password.
func New(options *Options) (*http.Transport, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: o.PerHost,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // objects are sealed, and sizes must be those stored
		// Else a dead HTTP/2 connection, which serves all requests, would outlive each of them.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if o.Proxy != "" {
		proxy, err := url.Parse(o.Proxy)
		if err != nil || proxy.Host == "" {
			return nil, errors.New("proxy is not an address like http://host:port")
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	config, err := TLS(&o)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig = config
	return transport, nil
}

// TLS returns what the options say of certificates, for connections of TLS 1.2 and later; nil where they say nothing.
func TLS(o *Options) (*tls.Config, error) {
	if o.CAFile == "" && o.CertificateFile == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pool, err := authorities(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		config.RootCAs = pool
	}
	if o.CertificateFile != "" {
		key := o.KeyFile
		if key == "" {
			key = o.CertificateFile
		}
		certificate, err := tls.LoadX509KeyPair(o.CertificateFile, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return pool, nil
}

// RetryAfter reads how long an answer asks to wait, in seconds or as a date (RFC 9110, 10.2.3), the latter against the
// answer's own clock. It is at most a day, and zero where nothing that makes sense was said.
func RetryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, min(seconds, 24*3600))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, min(until.Sub(now), 24*time.Hour))
}
