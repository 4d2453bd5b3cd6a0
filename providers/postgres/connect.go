package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 15 * time.Second // for each address of a host
	idleTime       = 2 * time.Minute  // a server has few connections to give, and most accounts rest most of the time
)

// errDSN is all that is said of an address that can't be read, as it may hold a password.
var errDSN = errors.New("dsn is not an address like postgres://user@host:5432/database?sslmode=verify-full")

// elsewhere are settings that the query of a DSN must not have, and what has them instead.
var elsewhere = map[string]string{
	"password": "the secret", "passfile": "the secret", "sslpassword": "a key without password", "service": "the dsn itself", "servicefile": "the dsn itself",
	"sslrootcert": "ca_file", "sslcert": "client_certificate_file", "sslkey": "client_key_file", "ssl": "sslmode",
	"user": "the address itself", "database": "the address itself", "dbname": "the address itself",
}

// defaults are said where the DSN does not, so that the environment does not say something else.
var defaults = map[string]string{
	"host": "", "port": "5432", "sslmode": "verify-full", "passfile": "", "sslrootcert": "", "sslcert": "", "sslkey": "", "sslpassword": "",
	"sslcertmode": "allow", "sslnegotiation": "postgres", "sslsni": "1", "target_session_attrs": "any", "channel_binding": "prefer", "require_auth": "",
	"min_protocol_version": "", "max_protocol_version": "",
}

// configure turns options into a pool's. What libpq would take from the environment and the home folder is left out.
func configure(o *Options) (*pgxpool.Config, error) {
	given, query, err := read(o.DSN)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(keywords(given))
	if err != nil {
		return nil, errDSN // the driver's own words repeat the address
	}
	settings := config.ConnConfig
	settings.Password = o.Secret
	for name := range settings.RuntimeParams {
		if !query.Has(name) {
			delete(settings.RuntimeParams, name) // from the environment
		}
	}
	if settings.RuntimeParams["application_name"] == "" {
		settings.RuntimeParams["application_name"] = "dm3sync"
	}
	tlsConfigs := []*tls.Config{settings.TLSConfig}
	for _, fallback := range settings.Fallbacks {
		tlsConfigs = append(tlsConfigs, fallback.TLSConfig)
	}
	if err := equip(tlsConfigs, o); err != nil {
		return nil, err
	}
	if !query.Has("connect_timeout") {
		settings.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: settings.ConnectTimeout, KeepAlive: 30 * time.Second}
	settings.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watched{Conn: conn}, nil
	}
	settings.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		frontend := pgproto3.NewFrontend(r, w)
		frontend.SetMaxBodyLen(int(o.MaxObject + extraBytes)) // the driver makes room for whatever length is said
		return frontend
	}
	config.MaxConns, config.MinConns, config.MinIdleConns = int32(min(o.Parallel, 1000)), 0, 0
	config.MaxConnIdleTime = idleTime
	// A connection that died while it was idle shows at its next use, and takes the others along, see Pool.ask: a ping before
	// each call would double the requests.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	return config, nil
}

// read returns what a DSN says, with what the environment would else say, and the names in its query.
func read(dsn string) (settings map[string]string, query url.Values, err error) {
	parsed, err := url.Parse(dsn)
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" || strings.Trim(parsed.Path, "/") == "" {
		return nil, nil, errDSN
	}
	if _, has := parsed.User.Password(); has {
		return nil, nil, errors.New("dsn must not hold the password: give it as the secret")
	}
	query, err = url.ParseQuery(strings.ReplaceAll(parsed.RawQuery, "+", "%2B")) // a plus is no space to libpq
	if err != nil {
		return nil, nil, errDSN
	}
	settings = maps.Clone(defaults)
	for name, values := range query {
		if instead := elsewhere[name]; instead != "" {
			return nil, nil, fmt.Errorf("dsn must not hold %s: use %s", name, instead)
		}
		if len(values) > 1 || strings.Trim(name, settingLetters) != "" || name == "" {
			return nil, nil, errDSN
		}
		if values[0] != "" {
			settings[name] = values[0]
		}
	}
	for name, value := range map[string]string{"host": parsed.Hostname(), "port": parsed.Port()} {
		switch {
		case value != "" && query.Has(name):
			return nil, nil, errDSN
		case value != "":
			settings[name] = value
		}
	}
	settings["user"], settings["database"] = parsed.User.Username(), strings.TrimPrefix(parsed.Path, "/")
	if query.Get("sslmode") == "" && local(settings["host"]) {
		settings["sslmode"] = "disable"
	}
	return settings, query, nil
}

// settingLetters are those of the names of settings.
const settingLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

// keywords writes settings in libpq's other form, which holds no structure that could be read in two ways.
func keywords(settings map[string]string) string {
	var all []string
	for name, value := range settings {
		all = append(all, name+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)+"'")
	}
	return strings.Join(all, " ")
}

// local tells whether all of the hosts, with commas between, are on this machine.
func local(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		address := net.ParseIP(host)
		if host != "" && host != "localhost" && !strings.HasPrefix(host, "/") && (address == nil || !address.IsLoopback()) {
			return false
		}
	}
	return true
}

// equip adds authorities and the client's certificate, and has chains checked in one way. A nil configuration is a
// connection without TLS.
func equip(configs []*tls.Config, o *Options) error {
	common, err := transport.TLS(&transport.Options{CAFile: o.CAFile, CertificateFile: o.CertificateFile, KeyFile: o.KeyFile})
	if err != nil {
		return err
	}
	for _, config := range configs {
		if config == nil {
			continue
		}
		config.MinVersion = tls.VersionTLS12
		if common != nil {
			config.RootCAs, config.Certificates = common.RootCAs, common.Certificates
		}
		chain := config.VerifyPeerCertificate != nil            // verify-ca
		named := config.InsecureSkipVerify && o.CAFile != ""    // require; as with libpq, authorities that are named are asked for
		if config.VerifyPeerCertificate = nil; chain || named { // the driver's own errors could not be told from others
			config.VerifyConnection = verifyChain(config.RootCAs)
		}
	}
	return nil
}

// verifyChain wants a certificate of a known authority, for whatever name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		if _, err := state.PeerCertificates[0].Verify(options); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
}

// open returns the first host elsewhere that is reached without TLS, or without a look at its certificate; "" where none is.
func open(config *pgconn.Config) string {
	for _, way := range append([]*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}, config.Fallbacks...) {
		checked := way.TLSConfig != nil && (!way.TLSConfig.InsecureSkipVerify || way.TLSConfig.VerifyConnection != nil)
		if !checked && !local(way.Host) {
			return way.Host
		}
	}
	return ""
}

// watched is a connection whose every movement is told to the watchdog of the call that uses it.
type watched struct {
	net.Conn
	watchdog atomic.Pointer[transport.Watchdog]
	admitted atomic.Bool // the database behind it was asked what it is
}

func (w *watched) moved(n int) {
	if watchdog := w.watchdog.Load(); watchdog != nil && n > 0 {
		watchdog.Moved()
	}
}

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.moved(n)
	return n, err
}

// portion is the most that is written at once: a movement is seen when it is over.
const portion = 64 << 10

// Write implements net.Conn.
func (w *watched) Write(p []byte) (written int, err error) {
	for {
		n, err := w.Conn.Write(p[written:min(len(p), written+portion)])
		written += n
		w.moved(n)
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// plain finds the connection below TLS that configure made.
func plain(conn net.Conn) *watched {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	w, ok := conn.(*watched)
	if !ok {
		return &watched{Conn: conn} // nobody makes others; a call without a watchdog is better than none
	}
	return w
}
