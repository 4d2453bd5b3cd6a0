package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// TestAddresses: what a DSN means, whatever the environment says.
func TestAddresses(t *testing.T) {
	for variable, value := range map[string]string{
		"PGHOST": "elsewhere.example.org", "PGPORT": "1", "PGDATABASE": "elsewhere", "PGPASSWORD": "wrongsecret", "PGSSLMODE": "disable",
		"PGOPTIONS": "-c search_path=elsewhere", "PGSSLROOTCERT": "/none", "PGSSLCERT": "/none", "PGSSLKEY": "/none", "PGAPPNAME": "elsewhere", "PGTZ": "UTC",
		"PGTARGETSESSIONATTRS": "standby", "PGREQUIREAUTH": "none", "PGSSLNEGOTIATION": "direct", "PGCHANNELBINDING": "require",
	} {
		t.Setenv(variable, value)
	}
	for dsn, want := range map[string]string{
		"postgres://u@db.example.org/d":                                        "db.example.org:5432 d u named, nothing else",
		"postgresql://u@db.example.org:6543/d":                                 "db.example.org:6543 d u named, nothing else",
		"postgres://u@db.example.org/d?sslmode=verify-full":                    "db.example.org:5432 d u named, nothing else",
		"postgres://u@db.example.org/d?sslmode=verify-ca":                      "db.example.org:5432 d u chain, nothing else",
		"postgres://u@db.example.org/d?sslmode=require":                        "db.example.org:5432 d u unchecked, nothing else",
		"postgres://u@db.example.org/d?sslmode=disable":                        "db.example.org:5432 d u plain, nothing else",
		"postgres://u@db.example.org/d?sslmode=prefer":                         "db.example.org:5432 d u unchecked or plain, nothing else",
		"postgres://u@localhost/d":                                             "localhost:5432 d u plain, nothing else",
		"postgres://u@127.0.0.2/d":                                             "127.0.0.2:5432 d u plain, nothing else",
		"postgres://u@[::1]:5433/d":                                            "::1:5433 d u plain, nothing else",
		"postgres://u@127.0.0.1/d?sslmode=verify-full":                         "127.0.0.1:5432 d u named, nothing else",
		"postgres://u@localhost.example.org/d":                                 "localhost.example.org:5432 d u named, nothing else",
		"postgres://u@/d?host=/run/postgresql":                                 "/run/postgresql:5432 d u plain, nothing else",
		"postgres://u@/d?host=127.0.0.1,db.example.org&port=1,2":               "127.0.0.1:1 d u named or named, nothing else",
		"postgres://u@db.example.org/d?search_path=s&application_name=mine":    "db.example.org:5432 d u named, application_name=mine search_path=s",
		"postgres://u@db.example.org/d?options=-c%20statement_timeout%3D10000": "db.example.org:5432 d u named, options=-c statement_timeout=10000",
	} {
		got, err := postgres.Describe(&postgres.Options{DSN: dsn, Secret: "testsecret"})
		if err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", dsn, got, err, want)
		}
	}
}

// TestThisMachine: a DSN without a host is this machine, whatever the environment says.
func TestThisMachine(t *testing.T) {
	t.Setenv("PGHOST", "elsewhere.example.org")
	t.Setenv("PGPORT", "1")
	got, err := postgres.Describe(&postgres.Options{DSN: "postgres://u@/d"})
	if err != nil || strings.Contains(got, "elsewhere") || !strings.HasSuffix(got, ":5432 d u plain, nothing else") {
		t.Errorf("%q %v", got, err)
	}
}

// TestBadOptions: errors say what is wrong, and repeat nothing that may be secret.
func TestBadOptions(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*postgres.Options){
		"empty":                func(o *postgres.Options) { o.DSN = "" },
		"another scheme":       func(o *postgres.Options) { o.DSN = "mysql://u:wrongsecret@h/d" },
		"keywords":             func(o *postgres.Options) { o.DSN = "host=h user=u password=wrongsecret" },
		"no database":          func(o *postgres.Options) { o.DSN = "postgres://u@h/" },
		"password":             func(o *postgres.Options) { o.DSN = "postgres://u:wrongsecret@h/d" },
		"password in query":    func(o *postgres.Options) { o.DSN = "postgres://u@h/d?password=wrongsecret" },
		"broken port":          func(o *postgres.Options) { o.DSN = "postgres://u:wrongsecret:x@h:port/d" },
		"broken escape":        func(o *postgres.Options) { o.DSN = "postgres://u@h/d?sslmode=%zz&x=wrongsecret" },
		"passfile":             func(o *postgres.Options) { o.DSN = "postgres://u@h/d?passfile=/none" },
		"service":              func(o *postgres.Options) { o.DSN = "postgres://u@h/d?service=wrongsecret" },
		"two hosts":            func(o *postgres.Options) { o.DSN = "postgres://u@h/d?host=localhost" },
		"a host twice":         func(o *postgres.Options) { o.DSN = "postgres://u@/d?host=localhost&host=h" },
		"user in query":        func(o *postgres.Options) { o.DSN = "postgres://u@h/d?user=root" },
		"another ssl":          func(o *postgres.Options) { o.DSN = "postgres://u@h/d?ssl=true" },
		"a strange name":       func(o *postgres.Options) { o.DSN = "postgres://u@h/d?a%20b=c" },
		"authority in query":   func(o *postgres.Options) { o.DSN = "postgres://u@h/d?sslrootcert=/none" },
		"sslmode":              func(o *postgres.Options) { o.DSN = "postgres://u@h/d?sslmode=maybe" },
		"no authority file":    func(o *postgres.Options) { o.CAFile = junk + ".missing" },
		"junk authority":       func(o *postgres.Options) { o.CAFile = junk },
		"junk certificate":     func(o *postgres.Options) { o.CertificateFile = junk },
		"no partition":         func(o *postgres.Options) { o.Partition = "" },
		"session is a replica": func(o *postgres.Options) { o.DSN = "postgres://u@h/d?target_session_attrs=whatever" },
	} {
		o := &postgres.Options{DSN: "postgres://u@127.0.0.1:1/d", Secret: "testsecret", Partition: "a"}
		change(o)
		store, err := postgres.New(o)
		if err == nil {
			t.Errorf("%s: no error", name)
			store.Close()
			continue
		}
		silent(t, name, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
}

// FuzzAddresses: whatever a DSN looks like, a server elsewhere is asked who it is unless sslmode says otherwise, and no error
// repeats any of it.
func FuzzAddresses(f *testing.F) {
	for _, dsn := range []string{
		"postgres://u@h/d", "postgres://u@h:1/d?sslmode=", "postgres://u@localhost,h/d", "postgres://u@/d?host=/run,h&port=1,2", "postgres://u@%68/d",
		"postgres://u@h/d?x=' sslmode=disable", "postgres://u@h/d?x=\\' sslmode='disable", "postgres://u'@h/d' sslmode=disable host='x", "postgres://u:p@h/d",
		"postgres://[::1]/d", "postgres://u@127.0.0.1.h/d?ssl=true", "postgres://u@h/d?SSLMODE=disable",
	} {
		f.Add(dsn)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		host, err := postgres.Open(&postgres.Options{DSN: dsn, Secret: "testsecret"})
		if err != nil {
			if len(dsn) > 40 && strings.Contains(err.Error(), dsn) {
				t.Errorf("%q: %v", dsn, err)
			}
			return
		}
		if _, query, _ := strings.Cut(dsn, "?"); strings.Contains(query, "sslmode") || strings.Contains(query, "%") {
			return
		}
		if host != "" {
			t.Errorf("%q: nobody asks %q who it is", dsn, host)
		}
	})
}

// TestOpenWay: a server elsewhere that nobody checks is warned of.
func TestOpenWay(t *testing.T) {
	for address, warned := range map[string]int{
		"h/d": 0, "h/d?sslmode=verify-ca": 0, "localhost/d": 0, "127.0.0.1/d?sslmode=prefer": 0,
		"h/d?sslmode=require": 1, "h/d?sslmode=prefer": 1, "h/d?sslmode=allow": 1, "h/d?sslmode=disable": 1,
	} {
		told := &sentences{}
		newStore(t, &postgres.Options{DSN: "postgres://u@" + address, Secret: "testsecret", Partition: "a", Warn: told.add})
		if told.about("nobody checks that h ") != warned || len(told.all) != warned {
			t.Errorf("%s: told %q", address, told.all)
		}
	}
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func writePEM(t *testing.T, kind string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, key, writePEM(t, "CERTIFICATE", der)}
}

// sign makes a certificate for a name and 127.0.0.1.
func (a *authority) sign(t *testing.T, name string) (certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", secret)
}

// secured makes a cluster that takes nothing but TLS, and a certificate instead of a password from the role "bycertificate".
func secured(t *testing.T, known *authority) *cluster {
	t.Helper()
	c := newCluster(t)
	certificate, key := known.sign(t, "db.example.org")
	for from, to := range map[string]string{certificate: "server.crt", key: "server.key", known.file: "root.crt"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.folder, to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules := "hostssl all bycertificate 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(c.folder, "rules"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	c.own()
	execute(t, c.dsn(), "CREATE ROLE bycertificate LOGIN SUPERUSER")
	c.kill()
	in := func(name string) string { return filepath.Join(c.folder, name) }
	c.settings = []string{
		"ssl=on", "ssl_cert_file=" + in("server.crt"), "ssl_key_file=" + in("server.key"), "ssl_ca_file=" + in("root.crt"), "hba_file=" + in("rules"),
	}
	c.start()
	return c
}

// TestCertificates: who the server is, and who asks, by certificates.
func TestCertificates(t *testing.T) {
	known, unknown := newAuthority(t), newAuthority(t)
	c := secured(t, known)
	right := func(mode string) *postgres.Options {
		o := postgrestest.Options(t, c.dsn()+"?sslmode="+mode)
		o.CAFile = known.file
		return o
	}
	if err := postgres.Create(t.Context(), right("verify-full")); err != nil {
		t.Fatal(err)
	}
	try := func(o *postgres.Options) error { return newStore(t, o).Put(t.Context(), "a/1", nil) }
	for _, mode := range []string{"verify-full", "verify-ca", "require", "prefer"} {
		if err := try(right(mode)); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
	byName := func(mode string) *postgres.Options {
		o := right(mode)
		o.DSN = strings.Replace(o.DSN, "127.0.0.1", "localhost", 1)
		return o
	}
	if err := try(byName("verify-ca")); err != nil {
		t.Errorf("another name, which verify-ca does not look at: %v", err)
	}
	wantError(t, "another name", try(byName("verify-full")), nil)
	for _, mode := range []string{"verify-full", "verify-ca", "require"} {
		o := right(mode)
		o.CAFile = unknown.file
		err := try(o)
		wantError(t, mode+", another authority", err, nil)
		if err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("the error does not say why: %v", err)
		}
	}
	none := right("verify-full")
	none.CAFile = ""
	wantError(t, "no authority", try(none), nil)
	wantError(t, "no TLS", try(right("disable")), providers.ErrUnauthorised)

	asks := right("verify-full")
	asks.DSN, asks.Secret = strings.Replace(asks.DSN, "testkey", "bycertificate", 1), ""
	wantError(t, "no certificate", try(asks), providers.ErrUnauthorised)
	asks.CertificateFile, asks.KeyFile = known.sign(t, "somebody.else")
	wantError(t, "another one's certificate", try(asks), providers.ErrUnauthorised)
	asks.CertificateFile, asks.KeyFile = known.sign(t, "bycertificate")
	if err := try(asks); err != nil {
		t.Errorf("by certificate: %v", err)
	}
}

// TestNoTLS: a server without TLS gets nothing where TLS is wanted, and says so.
func TestNoTLS(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	o.DSN += "?sslmode=verify-full"
	for name, err := range calls(t, newStore(t, o)) {
		wantError(t, name, err, nil)
		wantSentence(t, name, err, "speaks no TLS")
	}
}
