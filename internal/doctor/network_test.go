package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
)

// serveTLS starts a server with a certificate of its own making, and returns its
// address and the file of its authority.
func serveTLS(t *testing.T, host net.IP, from, to time.Time, date time.Time) (address, authority string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{host},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the faults are what is tested
	server.StartTLS()
	t.Cleanup(server.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL + "/hidden", authority
}

// TestServers: what is wrong on the way to a server is told apart.
func TestServers(t *testing.T) {
	now := time.Now()
	here, elsewhere := net.IPv4(127, 0, 0, 1), net.IPv4(192, 0, 2, 1)
	day := 24 * time.Hour
	closed := servertest.FreeAddress(t)
	for name, c := range map[string]struct {
		host     net.IP
		from, to time.Duration
		date     time.Duration
		trusted  bool
		level    Level
		says     string
	}{
		"fine":           {here, -day, 90 * day, 0, true, OK, "certificate until"},
		"ends soon":      {here, -day, 13 * day, 0, true, Note, "ends on"},
		"expired":        {here, -9 * day, -day, 0, true, Wrong, "not valid at this time"},
		"not yet":        {here, day, 9 * day, 0, true, Wrong, "not valid at this time"},
		"other host":     {elsewhere, -day, 90 * day, 0, true, Wrong, "is not for 127.0.0.1"},
		"nobody's":       {here, -day, 90 * day, 0, false, Wrong, "nobody that this device trusts"},
		"clock off":      {here, -day, 90 * day, 10 * time.Minute, true, Note, "apart"},
		"clock wrong":    {here, -day, 90 * day, -9 * time.Hour, true, Wrong, "9h0m0s apart"},
		"clock a second": {here, -day, 90 * day, time.Second, true, OK, "answers"},
	} {
		t.Run(name, func(t *testing.T) {
			address, authority := serveTLS(t, c.host, now.Add(c.from), now.Add(c.to), now.Add(c.date))
			if !c.trusted {
				authority = ""
			}
			s := &Surroundings{Now: time.Now, Probe: Probe(noProxy, time.Now)}
			found := s.network(t.Context(), Address{URL: address, CAFile: authority})
			if len(found) != 1 || found[0].Level != c.level || !strings.Contains(found[0].Says, c.says) {
				t.Errorf("%+v", found)
			}
		})
	}
	s := &Surroundings{Now: time.Now, Probe: Probe(noProxy, time.Now)}
	for address, says := range map[string]string{
		"https://nowhere.invalid/":     "not known to DNS",
		"tcp://" + closed:              "can't be reached",
		"http://" + closed:             "can't be reached",
		"https://" + closed:            "can't be reached",
		"tcp://nowhere.invalid:5432":   "not known to DNS",
		"http://" + closed + "/hidden": "can't be reached",
	} {
		found := s.network(t.Context(), Address{URL: address})
		if len(found) != 1 || found[0].Level != Wrong || !strings.Contains(found[0].Says, says) || strings.Contains(found[0].Says, "hidden") {
			t.Errorf("%s: %+v", address, found)
		}
	}
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// TestProxyIsNamed: who is asked in place of the server is said, and no password.
func TestProxyIsNamed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "place.invalid" {
			t.Errorf("asked for %s", r.URL)
		}
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("user", "hunter2")
	s := &Surroundings{Now: time.Now, Probe: Probe(func(*http.Request) (*url.URL, error) { return address, nil }, time.Now)}
	found := s.network(t.Context(), Address{URL: "http://place.invalid/"})
	if len(found) != 1 || found[0].Level != OK || !strings.Contains(found[0].Says, "through the proxy") || strings.Contains(found[0].Says, "hunter2") {
		t.Errorf("%+v", found)
	}
}
