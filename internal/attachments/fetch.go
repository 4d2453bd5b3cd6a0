package attachments

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
)

// Defaults of Options.
const (
	DefaultMaxFile  = 25 << 20
	DefaultMaxTotal = 1 << 30
	DefaultMaxCount = 10_000
	DefaultWait     = 2 * time.Minute
)

const (
	maxRedirects = 5
	maxAddress   = 8 << 10 // bytes
	stall        = 30 * time.Second
	// userAgent tells what asks, as some servers want to know, but not whose, and no version.
	userAgent = "dm3sync"
)

// Options bound what is fetched. The zero value has the defaults.
type Options struct {
	MaxFile  int64         // bytes of one attachment; 0 is 25 MiB
	MaxTotal int64         // bytes of all that one run fetches; 0 is 1 GiB
	MaxCount int           // attachments that one run asks for; 0 is 10,000
	Wait     time.Duration // for one attachment; 0 is two minutes
	// Types are the media types that are taken, "image/*" for all of a kind; none means all.
	Types []string
	// Gateway is an IPFS gateway, Node the RPC address of a Kubo node; nil for none. The user names them, so they may be
	// on this machine. Node goes first.
	Gateway, Node *url.URL
	// Allowed decides which addresses are dialled; nil is Public, but for the networks that this machine is in. Tests allow
	// their own server.
	Allowed func(netip.Addr) bool
	// TLS are further settings for tests' certificates; may be nil.
	TLS *tls.Config
	// Now is the wall clock, for the time that is kept; nil is time.Now.
	Now func() time.Time
}

// Fetcher fetches single attachments. It is safe for concurrent use. Close it.
type Fetcher struct {
	options Options
	strict  *http.Transport // to where messages point
	own     *http.Transport // to the gateway or node that the user named
}

// NewFetcher makes a fetcher; nothing is asked yet.
func NewFetcher(o Options) (*Fetcher, error) {
	o.MaxFile, o.MaxTotal = orDefault(o.MaxFile, DefaultMaxFile), orDefault(o.MaxTotal, DefaultMaxTotal)
	o.MaxFile = min(o.MaxFile, o.MaxTotal) // else one that never fits would end every run
	o.MaxCount, o.Wait = orDefault(o.MaxCount, DefaultMaxCount), orDefault(o.Wait, DefaultWait)
	if o.Allowed == nil {
		o.Allowed = func(address netip.Addr) bool { return outside(address, net.InterfaceAddrs) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	strict, err := transport.New(nil)
	if err != nil {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	own := strict.Clone() // by the user's proxy, where there is one
	// A proxy would hide which address is dialled.
	strict.Proxy = nil
	strict.DialContext = (&net.Dialer{Timeout: 15 * time.Second, Control: control(o.Allowed)}).DialContext
	strict.TLSClientConfig = o.TLS
	return &Fetcher{options: o, strict: strict, own: own}, nil
}

func orDefault[N int | int64 | time.Duration](value, byDefault N) N {
	if value <= 0 {
		return byDefault
	}
	return value
}

// Close lets connections go.
func (f *Fetcher) Close() {
	f.strict.CloseIdleConnections()
	f.own.CloseIdleConnections()
}

// Fetch fetches what is at an address. Errors match this package's sentinels, or are those of the network; none repeats the
// address.
func (f *Fetcher) Fetch(ctx context.Context, uri string) (File, error) {
	request, err := f.request(uri)
	if err != nil {
		return File{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.options.Wait)
	defer cancel()
	for range maxRedirects + 1 {
		response, next, err := f.ask(ctx, request)
		switch {
		case err != nil:
			return File{}, err
		case next != nil:
			request = next
		default:
			response.URI = uri
			return response, nil
		}
	}
	return File{}, fmt.Errorf("attachments: %w", ErrRedirects)
}

// step is one request, over one of the two transports.
type step struct {
	method string
	url    *url.URL
	own    bool
	// via is the host that is dialled, where the gateway goes by another name too; empty: the URL's.
	via string
}

// cid is how the name of IPFS content looks.
var cid = regexp.MustCompile(`^[A-Za-z0-9]{20,120}$`)

// request makes the first request for an address.
func (f *Fetcher) request(uri string) (*step, error) {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxAddress || u.User != nil {
		return nil, fmt.Errorf("attachments: %w", ErrScheme)
	}
	switch strings.ToLower(u.Scheme) {
	case "https":
		if u.Hostname() != "" {
			u.Fragment = ""
			return &step{method: http.MethodGet, url: u}, nil
		}
	case "ipfs":
		return f.ipfs(u)
	}
	return nil, fmt.Errorf("attachments: %w", ErrScheme)
}

// ipfs makes the request for ipfs://CID/path, at the node or the gateway. The content's name is case-sensitive, which
// url.Parse keeps.
func (f *Fetcher) ipfs(u *url.URL) (*step, error) {
	root, inside := u.Host, path.Clean("/"+u.Path)
	if root == "ipfs" { // an old way of writing them: ipfs://ipfs/CID
		root, inside, _ = strings.Cut(inside[1:], "/")
		inside = "/" + inside
	}
	name := "/ipfs/" + root + inside
	switch {
	case !cid.MatchString(root):
		return nil, fmt.Errorf("attachments: %w", ErrScheme)
	case f.options.Node != nil:
		target := f.options.Node.JoinPath("api", "v0", "cat")
		target.RawQuery = url.Values{"arg": {strings.TrimSuffix(name, "/")}}.Encode()
		return &step{method: http.MethodPost, url: target, own: true}, nil
	case f.options.Gateway != nil:
		// Not JoinPath: it would decode the name once more, and so lead out of it, or to nowhere.
		target := *f.options.Gateway
		target.Path, target.RawPath = strings.TrimSuffix(target.Path, "/")+strings.TrimSuffix(name, "/"), ""
		return &step{method: http.MethodGet, url: &target, own: true}, nil
	}
	return nil, fmt.Errorf("attachments: %w", ErrNoIPFS)
}

// ask makes one request, and returns what came or where to ask next.
func (f *Fetcher) ask(ctx context.Context, s *step) (File, *step, error) {
	over := f.strict
	if s.own {
		over = f.own
	}
	ctx, dog := transport.Watch(ctx, over, stall)
	defer dog.Stop()
	request, err := http.NewRequestWithContext(ctx, s.method, s.url.String(), nil)
	if err != nil {
		return File{}, nil, fmt.Errorf("attachments: %w", ErrScheme)
	}
	request.Header.Set("User-Agent", userAgent)
	if s.via != "" {
		request.Host, request.URL.Host = s.url.Host, s.via
	}
	response, err := over.RoundTrip(request) // no client: nothing is remembered from one request to the next
	switch {
	case errors.Is(err, ErrPrivate):
		return File{}, nil, fmt.Errorf("attachments: %w", ErrPrivate)
	case err != nil:
		return File{}, nil, fmt.Errorf("attachments: asking: %w", withoutAddress(dog.Explain(err)))
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400 && response.Header.Get("Location") != "":
		next, err := f.onward(s, response)
		return File{}, next, err
	case response.StatusCode != http.StatusOK:
		return File{}, nil, fmt.Errorf("attachments: %w: status %d", ErrAnswer, response.StatusCode)
	case f.unwanted(response.Header.Get("Content-Type")):
		return File{}, nil, fmt.Errorf("attachments: %w", ErrType)
	}
	data, err := dog.Read(response.Body, response.ContentLength, f.options.MaxFile)
	if err == nil && response.Trailer.Get("X-Stream-Error") != "" { // so Kubo says that there was more
		err = io.ErrUnexpectedEOF
	}
	if err == nil { // a server that notices the connection's end may still say something, and be heard
		err = ctx.Err()
	}
	switch {
	case errors.Is(err, transport.ErrTooLong):
		return File{}, nil, fmt.Errorf("attachments: %w of %d bytes", ErrTooLarge, f.options.MaxFile)
	case err != nil:
		return File{}, nil, fmt.Errorf("attachments: reading: %w", withoutAddress(dog.Explain(err)))
	}
	kind := kindOf(response.Header.Get("Content-Type"), data)
	if !f.wanted(kind) {
		return File{}, nil, fmt.Errorf("attachments: %w", ErrType)
	}
	return File{Type: kind, Fetched: f.options.Now().UnixMilli(), Data: data}, nil, nil
}

// onward is the request that a redirect asks for: https, to anywhere public; or, from the user's own gateway, to content there.
func (f *Fetcher) onward(s *step, response *http.Response) (*step, error) {
	target, err := s.url.Parse(response.Header.Get("Location"))
	if err != nil || target.User != nil || s.method != http.MethodGet || len(target.String()) > maxAddress {
		return nil, fmt.Errorf("attachments: %w", ErrRedirects)
	}
	if s.own && target.Scheme == s.url.Scheme && f.atGateway(target) {
		return &step{method: http.MethodGet, url: target, own: true, via: f.options.Gateway.Host}, nil
	}
	if target.Scheme != "https" || target.Hostname() == "" {
		return nil, fmt.Errorf("attachments: %w", ErrRedirects)
	}
	target.Fragment = ""
	return &step{method: http.MethodGet, url: target}, nil
}

// atGateway tells whether an address is content at the user's gateway. Its machine may answer other requests at other paths, and
// content can hold redirects of its own. Kubo sends on to a name below its own for each content: that is asked for where
// the gateway is, whatever the name resolves to; by https such a name is like any other.
func (f *Fetcher) atGateway(target *url.URL) bool {
	gateway := f.options.Gateway
	if target.Host == gateway.Host {
		return strings.HasPrefix(path.Clean(target.Path), strings.TrimSuffix(gateway.Path, "/")+"/ipfs/")
	}
	return target.Scheme == "http" && strings.HasSuffix(target.Host, ".ipfs."+gateway.Host)
}

// withoutAddress takes the address out of an error of the network.
func withoutAddress(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Err != nil {
		err = operation.Err
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return errors.New("the host's name can't be resolved")
	}
	return err
}

// unwanted tells of a type that the server is sure of and that was not asked for.
func (f *Fetcher) unwanted(header string) bool {
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && !vague(kind) && !f.wanted(kind)
}

// wanted tells whether a type was asked for.
func (f *Fetcher) wanted(kind string) bool {
	for _, pattern := range f.options.Types {
		if group, all := strings.CutSuffix(pattern, "/*"); kind == pattern || all && strings.HasPrefix(kind, group+"/") {
			return true
		}
	}
	return len(f.options.Types) == 0
}

func vague(kind string) bool {
	return kind == "application/octet-stream" || kind == "text/plain" || kind == "binary/octet-stream"
}

// kindOf is the type of content: what the bytes show, else what the server says.
func kindOf(header string, data []byte) string {
	seen, _, _ := strings.Cut(http.DetectContentType(data), ";")
	if said, _, err := mime.ParseMediaType(header); err == nil && vague(seen) {
		return said
	}
	return seen
}
