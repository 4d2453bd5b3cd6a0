package webdav_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// writePEM writes a file and returns its path.
func writePEM(t *testing.T, kind string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// clientCertificate makes a certificate and its key.
func clientCertificate(t *testing.T) (certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"alice"}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", certificate), writePEM(t, "PRIVATE KEY", der)
}

// TestCertificates: a custom authority, and a server that wants to see a certificate.
func TestCertificates(t *testing.T) {
	certificateFile, keyFile := clientCertificate(t)
	server := httptest.NewUnstartedServer(handler(t.TempDir(), func(r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s by %s", r.Method, r.Proto)
		}
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the clients that it does not like
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	defer server.Close()
	o := login(server.URL)
	_, err := newStore(t, o).Get(t.Context(), "a/1")
	wantError(t, "an unknown authority", err, nil)
	o.CAFile = writePEM(t, "CERTIFICATE", server.Certificate().Raw)
	// By TLS 1.3 the refusal comes after the handshake, and may be overtaken by the end of the connection: then it looks
	// like one that broke, and the next attempt tells.
	for attempt := 0; attempt == 0 || attempt < 50 && errors.Is(err, providers.ErrTransient); attempt++ {
		_, err = newStore(t, o).Get(t.Context(), "a/1")
	}
	wantError(t, "no certificate", err, providers.ErrUnauthorised)
	o.CertificateFile, o.KeyFile = certificateFile, keyFile
	roundTrip(t, o)
}

func TestProxy(t *testing.T) {
	inside := handler(t.TempDir(), nil)
	var asked atomic.Value
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Host + " " + r.Header.Get("Proxy-Authorization"))
		inside.ServeHTTP(w, r)
	}))
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("user", "secretword")
	o := login("http://storage.invalid:9000/dav")
	o.Proxy = address.String()
	roundTrip(t, o)
	if asked.Load() != "storage.invalid:9000 Basic dXNlcjpzZWNyZXR3b3Jk" {
		t.Errorf("the proxy was asked for %v", asked.Load())
	}
	secure := login("https://storage.invalid/dav")
	secure.Proxy = serve(t, answer(http.StatusProxyAuthRequired))
	_, err = newStore(t, secure).Get(t.Context(), "a/1")
	wantError(t, "a proxy that wants a login", err, providers.ErrUnauthorised)
	o.Proxy = "http://user:secretword@127.0.0.1:1"
	_, err = newStore(t, o).Get(t.Context(), "a/1")
	wantError(t, "no proxy there", err, providers.ErrTransient)
	if strings.Contains(err.Error(), "secretword") {
		t.Errorf("the proxy's password is in %v", err)
	}
}

// TestRedirects: the same file of the same host is asked for there, with the same method and body; another host is asked
// for nothing, let alone given the password.
func TestRedirects(t *testing.T) {
	inside := handler(t.TempDir(), nil)
	for _, status := range []int{301, 302, 307, 308} {
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if path, old := strings.CutPrefix(r.URL.Path, "/old/"); old {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", "/new/"+path)
				w.WriteHeader(status)
				return
			}
			if !basic(r) {
				t.Errorf("%s %s without login", r.Method, r.URL)
			}
			inside.ServeHTTP(w, r)
		}))
		o := login(address + "/old/place")
		if status == 301 {
			if err := webdav.Create(t.Context(), login(address+"/new")); err != nil { // what the first one stands in
				t.Fatal(err)
			}
		}
		roundTrip(t, o)
	}
}

func TestForeignRedirects(t *testing.T) {
	var reached atomic.Int32
	other := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if len(r.Header["Authorization"]) > 0 {
			t.Errorf("another host was sent %v", r.Header)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	var target atomic.Value
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		location := target.Load().(string)
		if strings.HasSuffix(location, "=") {
			location += r.URL.Path
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}))
	for location, want := range map[string]error{
		other + "/login?token=" + testSecret + "&to=": providers.ErrTransient, // a network's page, mostly
		"/login?token=" + testSecret + "&to=":         providers.ErrTransient,
		"":                                            providers.ErrTransient,
		"http://[bad":                                 providers.ErrTransient,
		"ftp://127.0.0.1/":                            providers.ErrTransient,
	} {
		target.Store(location)
		operations(t, newStore(t, login(address)), func(operation string, err error) {
			wantError(t, location+" "+operation, err, want)
		})
	}
	circle := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
	}))
	operations(t, newStore(t, login(circle)), func(operation string, err error) {
		wantError(t, "in a circle, "+operation, err, nil)
	})
	if reached.Load() != 0 {
		t.Errorf("another host was asked %d times", reached.Load())
	}
}

// TestUpgrade: a redirect from http to https of one host is remembered, and an idle pass is one request again.
func TestUpgrade(t *testing.T) {
	seen := &requests{}
	secure := httptest.NewTLSServer(handler(t.TempDir(), seen.add))
	defer secure.Close()
	var plain atomic.Int32
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain.Add(1)
		http.Redirect(w, r, secure.URL+r.URL.Path, http.StatusMovedPermanently)
	}))
	o := login(address + "/dav")
	o.CAFile = writePEM(t, "CERTIFICATE", secure.Certificate().Raw)
	store := place(t, o)
	if err := store.Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	seen.take()
	plain.Store(0)
	listed(t, store, "a/")
	seen.want(t, "idle", "PROPFIND")
	if plain.Load() != 0 {
		t.Errorf("%d more plain requests", plain.Load())
	}
}
