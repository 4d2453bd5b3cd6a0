package storage_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/storage"
)

// writeCertificate writes a certificate of its own with a serial number.
func writeCertificate(t *testing.T, folder string, serial int64) (file, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file, key = filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "key.pem")
	for path, block := range map[string]*pem.Block{file: {Type: "CERTIFICATE", Bytes: signed}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(serial, 0) // so that files of one instant differ
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return file, key
}

// TestTLS: the service speaks TLS with the files' certificate, takes a renewed one, and
// keeps the old one while the new can't be read.
func TestTLS(t *testing.T) {
	folder := t.TempDir()
	file, key := writeCertificate(t, folder, 1)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	address, stop := start(t, hello, storage.ServerOptions{CertificateFile: file, KeyFile: key})
	serial := func() int64 {
		t.Helper()
		connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // whose it is is asked below
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d at first", n)
	}
	writeCertificate(t, folder, 2)
	if n := serial(); n != 2 {
		t.Errorf("certificate %d after the renewal", n)
	}
	if err := os.WriteFile(file, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 2 {
		t.Errorf("certificate %d while the new one can't be read", n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Serve(t.Context(), listener, hello, storage.ServerOptions{CertificateFile: file, KeyFile: key}); err == nil {
		t.Error("a broken certificate is not noticed at the start")
	}
}
