package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
)

const (
	certificateSoon = 14 * 24 * time.Hour
	clockSkew       = 3 * time.Minute // of HTTP's Date
	clockWrong      = time.Hour
)

// Address is a server that something depends on.
type Address struct {
	URL    string // of http or https; or tcp://host:port
	CAFile string
	Proxy  string // empty: as the environment says
}

// Seen is what a server showed.
type Seen struct {
	Proxy   string    // that was used, without its password; empty: none
	Ends    time.Time // of the first certificate to expire; zero: none
	Date    time.Time // by the server's clock; zero: it does not tell
	Asked   time.Time // by this device's clock, when the answer came
	Looked  bool      // the name was found in DNS, or is an address
	Reached bool      // a connection stands
}

// Prober asks a server for nothing in particular, without credentials.
type Prober func(ctx context.Context, a Address) (Seen, error)

// Probe asks over the network. proxy is http.ProxyFromEnvironment, and now this
// device's clock.
func Probe(proxy func(*http.Request) (*url.URL, error), now func() time.Time) Prober {
	return func(ctx context.Context, a Address) (seen Seen, err error) {
		target, err := url.Parse(a.URL)
		if err != nil || target.Host == "" {
			return seen, errors.New("doctor: the address is none")
		}
		if target.Scheme == "tcp" {
			connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", target.Host)
			if err != nil {
				return seen, fmt.Errorf("doctor: connecting: %w", err)
			}
			return Seen{Looked: true, Reached: true, Asked: now()}, connection.Close()
		}
		base := &url.URL{Scheme: target.Scheme, Host: target.Host, Path: "/"} // paths may be private
		way, err := transport.New(&transport.Options{CAFile: a.CAFile, Proxy: a.Proxy})
		if err != nil {
			return seen, fmt.Errorf("doctor: preparing the connection: %w", err)
		}
		if a.Proxy == "" {
			way.Proxy = proxy
		}
		defer way.CloseIdleConnections()
		var looked, reached atomic.Bool // dialling goes on, and tells, when nobody waits for it any more
		defer func() { seen.Looked, seen.Reached = looked.Load(), reached.Load() }()
		trace := &httptrace.ClientTrace{
			DNSDone: func(d httptrace.DNSDoneInfo) { looked.Store(d.Err == nil) },
			GotConn: func(httptrace.GotConnInfo) { looked.Store(true); reached.Store(true) },
		}
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodHead, base.String(), nil)
		if err != nil {
			return seen, fmt.Errorf("doctor: asking: %w", err)
		}
		if used, err := way.Proxy(request); err == nil && used != nil {
			seen.Proxy = used.Redacted()
		}
		response, err := way.RoundTrip(request)
		if err != nil {
			return seen, fmt.Errorf("doctor: asking %s: %w", base.Host, err)
		}
		defer response.Body.Close()
		seen.Asked = now()
		seen.Date, _ = http.ParseTime(response.Header.Get("Date")) // zero where it says nothing
		seen.Ends = firstEnd(response.TLS)
		return seen, nil
	}
}

// firstEnd is when the first certificate of the chain expires.
func firstEnd(state *tls.ConnectionState) (end time.Time) {
	if state == nil {
		return end
	}
	for _, chain := range state.VerifiedChains[:min(1, len(state.VerifiedChains))] {
		for _, certificate := range chain {
			if end.IsZero() || certificate.NotAfter.Before(end) {
				end = certificate.NotAfter
			}
		}
	}
	return end
}

// network says how an address can be reached.
func (s *Surroundings) network(ctx context.Context, a Address) []Finding {
	seen, err := s.Probe(ctx, a)
	host := hostOf(a.URL)
	through := ""
	if seen.Proxy != "" {
		through = " through the proxy " + seen.Proxy
	}
	if err != nil {
		return []Finding{s.unreachable(err, host, through)}
	}
	var found []Finding
	now := s.Now()
	if left := seen.Ends.Sub(now); !seen.Ends.IsZero() && left < certificateSoon {
		found = append(found, note("renew it, or tell whoever runs the server", "the certificate of %s ends on %s", host, seen.Ends.Format(time.DateOnly)))
	}
	switch skew := seen.Asked.Sub(seen.Date).Abs(); {
	case seen.Date.IsZero():
	case skew > clockWrong:
		found = append(found, wrong("set the clock, or let it be set by the network", "this device's clock and that of %s are %s apart: logins and signed requests will be refused", host, skew.Round(time.Minute)))
	case skew > clockSkew:
		found = append(found, note("set the clock, or let it be set by the network", "this device's clock and that of %s are %s apart", host, skew.Round(time.Second)))
	}
	if len(found) > 0 {
		return found
	}
	text := host + " answers" + through
	if !seen.Ends.IsZero() {
		text += ", certificate until " + seen.Ends.Format(time.DateOnly)
	}
	return []Finding{fine("%s", text)}
}

// unreachable says where the way to a server ends.
func (s *Surroundings) unreachable(err error, host, through string) Finding {
	var lookup *net.DNSError
	var expired x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &lookup):
		return wrong("check the address, and that this device is online", "the name %s is not known to DNS%s", lookup.Name, through)
	case errors.As(err, &name):
		return wrong("check the address; on a network with a login page, log in there first", "the certificate is not for %s", host)
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return wrong("check this device's clock; else the server's certificate has to be renewed", "the certificate of %s is not valid at this time: it is good from %s to %s",
			host, expired.Cert.NotBefore.Format(time.DateOnly), expired.Cert.NotAfter.Format(time.DateOnly))
	case errors.As(err, &unknown):
		return wrong("name its authority as ca_file if it is your own; else do not go on: somebody may stand in between", "the certificate of %s is from nobody that this device trusts", host)
	case errors.Is(err, context.DeadlineExceeded):
		return wrong("check that this device is online, and firewalls", "%s does not answer%s", host, through)
	}
	return wrong("check the address, that this device is online, and firewalls", "%s can't be reached%s: %v", host, through, err)
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the server"
	}
	return parsed.Host
}
