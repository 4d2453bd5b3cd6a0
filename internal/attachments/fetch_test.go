package attachments_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/attachments"
)

// server is somebody's server of attachments; it keeps what it was asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newServer(t *testing.T, answer http.HandlerFunc) *server {
	s := &server{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Clone(context.Background()))
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// here allows this machine's first address and no other, which Public would refuse.
func here(address netip.Addr) bool { return address == netip.MustParseAddr("127.0.0.1") }

// fetcher trusts the server's certificate, and may dial 127.0.0.1 unless the options say otherwise.
func fetcher(t *testing.T, s *server, o attachments.Options) *attachments.Fetcher {
	t.Helper()
	if o.Allowed == nil {
		o.Allowed = here
	}
	if s != nil {
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	f, err := attachments.NewFetcher(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// content answers by path.
func content(w http.ResponseWriter, r *http.Request) {
	if target := r.URL.Query().Get("to"); target != "" {
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "you"})
		http.Redirect(w, r, target, http.StatusFound)
		return
	}
	switch r.URL.Path {
	case "/text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, "some text")
	case "/page":
		w.Header().Set("Content-Type", "image/png")
		fmt.Fprint(w, "<!DOCTYPE html><script>alert(1)</script>")
	case "/large":
		w.Header().Set("Content-Length", "5000")
		fmt.Fprint(w, strings.Repeat("x", 5000))
	case "/endless":
		for range 200 {
			fmt.Fprint(w, strings.Repeat("x", 1000))
			w.(http.Flusher).Flush()
		}
	case "/short":
		w.Header().Set("Content-Length", "5000")
		fmt.Fprint(w, "x")
	case "/again":
		http.Redirect(w, r, "/again", http.StatusMovedPermanently)
	case "/slow":
		<-r.Context().Done()
	default:
		http.NotFound(w, r)
	}
}

func TestFetch(t *testing.T) {
	s := newServer(t, content)
	now := time.UnixMilli(1_700_000_000_000)
	f := fetcher(t, s, attachments.Options{MaxFile: 4000, Now: func() time.Time { return now }})
	for path, c := range map[string]struct {
		want  error
		data  string
		kind  string
		exact bool
	}{
		"/text":                       {nil, "some text", "text/plain", false},
		"/text#part":                  {nil, "some text", "text/plain", false},
		"/page":                       {nil, "<!DOCTYPE html><script>alert(1)</script>", "text/html", false}, // the content decides
		"/large":                      {attachments.ErrTooLarge, "", "", false},
		"/endless":                    {attachments.ErrTooLarge, "", "", false},
		"/missing":                    {attachments.ErrAnswer, "", "", false},
		"/again":                      {attachments.ErrRedirects, "", "", false},
		"/?to=/text":                  {nil, "some text", "text/plain", false},
		"/?to=http://127.0.0.1/":      {attachments.ErrRedirects, "", "", false},
		"/?to=file:///etc/passwd":     {attachments.ErrRedirects, "", "", false},
		"/?to=https://a:b@127.0.0.1/": {attachments.ErrRedirects, "", "", false},
		"/?to=https://127.0.0.2/":     {attachments.ErrPrivate, "", "", false},
		"/?to=https://[::1]/":         {attachments.ErrPrivate, "", "", false},
	} {
		file, err := f.Fetch(t.Context(), s.URL+path)
		if !errors.Is(err, c.want) || string(file.Data) != c.data || err == nil && (file.Type != c.kind || file.URI != s.URL+path || file.Fetched != now.UnixMilli()) {
			t.Errorf("%s: %+v %v", path, file, err)
		}
		if err != nil && strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error repeats the address: %v", path, err)
		}
	}
	if _, err := f.Fetch(t.Context(), s.URL+"/short"); err == nil {
		t.Error("content that was cut off was taken")
	}
}

// TestRequestsTellNothing: nothing in a request says who asks or what was asked before, also after a redirect that set a cookie.
func TestRequestsTellNothing(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9") // where nobody listens
	s := newServer(t, content)
	f := fetcher(t, s, attachments.Options{})
	for range 2 {
		if _, err := f.Fetch(t.Context(), s.URL+"/?to=/text"); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.asked()) != 4 {
		t.Fatalf("%d requests", len(s.asked()))
	}
	for _, r := range s.asked() {
		if len(r.Header) != 1 || r.Header.Get("User-Agent") != "dm3sync" || r.Method != http.MethodGet {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
	}
}

// TestPrivateAddresses: without a test's leave, this machine is never asked, by whatever name.
func TestPrivateAddresses(t *testing.T) {
	s := newServer(t, content)
	f := fetcher(t, s, attachments.Options{Allowed: attachments.Public})
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "0.0.0.0", "[::]", "0x7f.1", "2130706433"} {
		_, err := f.Fetch(t.Context(), "https://"+host+":"+port+"/text")
		if named := strings.Contains(host, "x") || host == "127.1" || host == "2130706433"; err == nil || !named && !errors.Is(err, attachments.ErrPrivate) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := len(s.asked()); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

func TestSchemes(t *testing.T) {
	f := fetcher(t, nil, attachments.Options{})
	for uri, want := range map[string]error{
		"http://example.org/a": attachments.ErrScheme, "file:///etc/passwd": attachments.ErrScheme, "javascript:alert(1)": attachments.ErrScheme,
		"https:///path": attachments.ErrScheme, "https://user:password@example.org/": attachments.ErrScheme, "": attachments.ErrScheme, "%zz": attachments.ErrScheme,
		"https://example.org/" + strings.Repeat("x", 9000): attachments.ErrScheme, "ftp://example.org/": attachments.ErrScheme, "data:,x": attachments.ErrScheme,
		"ipfs://" + content1: attachments.ErrNoIPFS, "ipfs://../../api": attachments.ErrScheme, "ipfs:" + content1: attachments.ErrScheme,
	} {
		if _, err := f.Fetch(t.Context(), uri); !errors.Is(err, want) {
			t.Errorf("%.60s: %v", uri, err)
		}
	}
}

const content1 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"

// TestIPFS: by the gateway or the node that the user names, which may be on this machine; where they send on is not trusted.
func TestIPFS(t *testing.T) {
	var asked []string
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		switch {
		case strings.HasSuffix(r.URL.Path, "/moved"):
			http.Redirect(w, r, "/ipfs/"+content1+"/here", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/away"):
			http.Redirect(w, r, "http://127.0.0.2/", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/inside"):
			http.Redirect(w, r, "https://127.0.0.2/", http.StatusFound)
		default:
			fmt.Fprint(w, "content")
		}
	}))
	defer own.Close()
	address, err := url.Parse(own.URL)
	if err != nil {
		t.Fatal(err)
	}
	gateway := fetcher(t, nil, attachments.Options{Gateway: address, Allowed: attachments.Public})
	for path, want := range map[string]error{"": nil, "/a/../../b": nil, "/moved": nil, "/away": attachments.ErrRedirects, "/inside": attachments.ErrPrivate} {
		if file, err := gateway.Fetch(t.Context(), "ipfs://"+content1+path); !errors.Is(err, want) || err == nil && string(file.Data) != "content" {
			t.Errorf("%q: %q %v", path, file.Data, err)
		}
	}
	// A message can't reach the gateway's machine by another way.
	if _, err := gateway.Fetch(t.Context(), "https://"+address.Host+"/ipfs/"+content1); !errors.Is(err, attachments.ErrPrivate) {
		t.Errorf("by https: %v", err)
	}
	if file, err := gateway.Fetch(t.Context(), "ipfs://ipfs/"+content1+"/x"); err != nil || string(file.Data) != "content" || asked[len(asked)-1] != "GET /ipfs/"+content1+"/x" {
		t.Errorf("the old way: %q %v", asked, err)
	}
	asked = nil
	node := fetcher(t, nil, attachments.Options{Node: address, Gateway: address, Allowed: attachments.Public})
	if file, err := node.Fetch(t.Context(), "ipfs://"+content1+"/a b?arg=x"); err != nil || string(file.Data) != "content" {
		t.Errorf("%q %v", file.Data, err)
	}
	if want := "POST /api/v0/cat?arg=%2Fipfs%2F" + content1 + "%2Fa+b"; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// TestGatewayPaths: the name of a file reaches the gateway as it is, whatever signs are in it, and leads nowhere else; and nobody's
// redirect leads to what else the gateway's machine answers.
func TestGatewayPaths(t *testing.T) {
	var asked []string
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if to := strings.TrimPrefix(r.URL.Path, "/base/ipfs/"+content1+"/to/"); to != r.URL.Path {
			http.Redirect(w, r, "/base/"+to, http.StatusFound)
			return
		}
		fmt.Fprint(w, "content")
	}))
	defer own.Close()
	address, err := url.Parse(own.URL + "/base/")
	if err != nil {
		t.Fatal(err)
	}
	f := fetcher(t, nil, attachments.Options{Gateway: address, Allowed: attachments.Public})
	for path, want := range map[string]string{
		"/100%25.png":                 "/100%.png",
		"/a%3Fb%23c":                  "/a?b#c",
		"/%252e%252e%252f%252e%252e":  "/%2e%2e%2f%2e%2e",
		"/%2e%2e/%2e%2e/%2e%2e/admin": "/admin",
	} {
		file, err := f.Fetch(t.Context(), "ipfs://"+content1+path)
		if at := asked[len(asked)-1]; err != nil || string(file.Data) != "content" || at != "/base/ipfs/"+content1+want {
			t.Errorf("%s: asked for %s: %q %v", path, at, file.Data, err)
		}
	}
	for _, to := range []string{"admin", "ipfs/%252e%252e/admin"} {
		asked = nil
		if _, err := f.Fetch(t.Context(), "ipfs://"+content1+"/to/"+to); !errors.Is(err, attachments.ErrRedirects) {
			t.Errorf("sent on to %s: %v", to, err)
		}
		for _, path := range asked {
			if !strings.HasPrefix(path, "/base/ipfs/"+content1+"/") {
				t.Errorf("sent on to %s: asked for %s", to, path)
			}
		}
	}
}

// TestGatewayNames: a gateway that has a name for each content, as Kubo at localhost, is asked by that name where it is, without
// resolving it.
func TestGatewayNames(t *testing.T) {
	const name = "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34.ipfs."
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch host := r.Host; {
		case strings.HasPrefix(host, name) && r.URL.Path == "/x":
			http.Redirect(w, r, "/x/", http.StatusMovedPermanently)
		case strings.HasPrefix(host, name):
			fmt.Fprint(w, r.URL.Path)
		case r.URL.Path == "/ipfs/"+content1+"/elsewhere":
			http.Redirect(w, r, "http://"+strings.ReplaceAll(name, ".ipfs.", ".")+host+"/", http.StatusMovedPermanently)
		default:
			http.Redirect(w, r, "http://"+name+host+"/x", http.StatusMovedPermanently)
		}
	}))
	defer own.Close()
	address, err := url.Parse(strings.Replace(own.URL, "127.0.0.1", "localhost", 1))
	if err != nil {
		t.Fatal(err)
	}
	f := fetcher(t, nil, attachments.Options{Gateway: address, Allowed: attachments.Public})
	if file, err := f.Fetch(t.Context(), "ipfs://"+content1+"/x"); err != nil || string(file.Data) != "/x/" {
		t.Errorf("%q %v", file.Data, err)
	}
	if _, err := f.Fetch(t.Context(), "ipfs://"+content1+"/elsewhere"); !errors.Is(err, attachments.ErrRedirects) {
		t.Errorf("a name that is not below ipfs: %v", err)
	}
}

// TestNodeCutsShort: Kubo says at the end of an answer that something was wrong with it.
func TestNodeCutsShort(t *testing.T) {
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Stream-Error")
		fmt.Fprint(w, "the first half")
		w.Header().Set("X-Stream-Error", "block was not found")
	}))
	defer own.Close()
	address, err := url.Parse(own.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := fetcher(t, nil, attachments.Options{Node: address, Allowed: attachments.Public})
	if file, err := f.Fetch(t.Context(), "ipfs://"+content1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q %v", file.Data, err)
	}
}

func TestTypes(t *testing.T) {
	s := newServer(t, content)
	for types, want := range map[string]error{"": nil, "text/plain": nil, "text/*": nil, "image/*": attachments.ErrType, "text/plainer": attachments.ErrType, "tex/*": attachments.ErrType} {
		o := attachments.Options{}
		if types != "" {
			o.Types = []string{"application/pdf", types}
		}
		if _, err := fetcher(t, s, o).Fetch(t.Context(), s.URL+"/text"); !errors.Is(err, want) {
			t.Errorf("%q: %v", types, err)
		}
	}
	// What says that it is an image, and is not, is none.
	if _, err := fetcher(t, s, attachments.Options{Types: []string{"image/*"}}).Fetch(t.Context(), s.URL+"/page"); !errors.Is(err, attachments.ErrType) {
		t.Error(err)
	}
}

// TestWait: a server that says nothing is given up.
func TestWait(t *testing.T) {
	s := newServer(t, content)
	if _, err := fetcher(t, s, attachments.Options{Wait: 50 * time.Millisecond}).Fetch(t.Context(), s.URL+"/slow"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
