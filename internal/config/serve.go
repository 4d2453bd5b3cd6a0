package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

// The words of serve.mode and serve.registration.
const (
	ServeAccounts      = "accounts" // the accounts of this configuration, from and into their trees
	ServeOperator      = "operator" // accounts of others, whose keys are not here
	RegistrationOpen   = "open"
	RegistrationClosed = "closed"
)

// Defaults of the settings of [serve] that have one.
const (
	DefaultListen             = "127.0.0.1:8484"
	DefaultMaxBody       Size = 20_000_000 // the specification's largest message
	MaxMaxBody           Size = 100_000_000
	DefaultConnections        = 256
	DefaultAddressRate        = 10.0
	DefaultAddressBurst       = 100
	DefaultAccountRate        = 20.0
	DefaultAccountBurst       = 200
	DefaultAddressDomain      = "addr.dm3.eth"
)

// Serve is the [serve] table: how `dm3sync serve` answers dm3 apps.
type Serve struct {
	// Mode is accounts (default) or operator.
	Mode string `toml:"mode"`
	// Listen is the address to listen on; default 127.0.0.1:8484.
	Listen string `toml:"listen"`
	// Origins are the web pages that may use the service, such as
	// "https://app.example.org"; none by default.
	Origins []string `toml:"origins"`
	// Proxies are the addresses or networks of load balancers in front, whose
	// X-Forwarded-For is believed; none by default.
	Proxies []string `toml:"proxies"`
	// CertificateFile and KeyFile (PEM) make the service speak TLS.
	CertificateFile string `toml:"certificate_file"`
	KeyFile         string `toml:"key_file"`
	// MaxBody is the largest body of a request; default 20MB.
	MaxBody Size `toml:"max_body"`
	// MaxConnections bounds open connections; default 256.
	MaxConnections int `toml:"max_connections"`
	// Requests a second, and at once, of one network address and of one account
	// that is logged in; defaults 10 and 100, 20 and 200.
	AddressPerSecond float64 `toml:"address_per_second"`
	AddressBurst     int     `toml:"address_burst"`
	AccountPerSecond float64 `toml:"account_per_second"`
	AccountBurst     int     `toml:"account_burst"`

	// operator only

	// The token secret, at least 32 characters, the same for all instances.
	SecretFile       string `toml:"secret_file"`
	SecretEnv        string `toml:"secret_env"`
	SecretCredential string `toml:"secret_credential"`
	// Registration is open (default: whoever owns an address may register its name)
	// or closed (only the accounts below).
	Registration string `toml:"registration"`
	// AddressDomains are the domains whose names begin with an address; default
	// addr.dm3.eth.
	AddressDomains []string `toml:"address_domains"`
	// Accounts are accounts that need not register.
	Accounts []ServeAccount `toml:"account"`
	// Provider is where everything is kept: s3 or postgres; a folder for instances on
	// one machine.
	Provider Provider `toml:"provider"`
}

// ServeAccount is one [[serve.account]] table.
type ServeAccount struct {
	Name       string `toml:"name"`        // normalised by Load
	SigningKey string `toml:"signing_key"` // the profile's public signing key, base64
}

// Secret is the reference to the token secret; its IsZero tells whether there is one.
func (s Serve) Secret() keyring.Source {
	return keyring.Source{File: s.SecretFile, Env: s.SecretEnv, Credential: s.SecretCredential}
}

// Networks are the proxies as networks. Load has checked that they are.
func (s Serve) Networks() []netip.Prefix {
	var networks []netip.Prefix
	for _, text := range s.Proxies {
		if network, err := parseNetwork(text); err == nil {
			networks = append(networks, network)
		}
	}
	return networks
}

func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// DefaultServe is [serve] where nothing is set.
func DefaultServe() Serve {
	var s Serve
	_ = s.complete() // there is no name that could be wrong
	return s
}

func (s *Serve) complete() error {
	setDefault(&s.Mode, ServeAccounts)
	setDefault(&s.Listen, DefaultListen)
	setDefault(&s.MaxBody, DefaultMaxBody)
	setDefault(&s.MaxConnections, DefaultConnections)
	setDefault(&s.AddressPerSecond, DefaultAddressRate)
	setDefault(&s.AddressBurst, DefaultAddressBurst)
	setDefault(&s.AccountPerSecond, DefaultAccountRate)
	setDefault(&s.AccountBurst, DefaultAccountBurst)
	if s.Mode == ServeOperator {
		setDefault(&s.Registration, RegistrationOpen)
		if s.AddressDomains == nil {
			s.AddressDomains = []string{DefaultAddressDomain}
		}
		s.Provider.complete()
	}
	var err error
	for i := range s.Accounts {
		if s.Accounts[i].Name, err = normalize(s.Accounts[i].Name); err != nil {
			return err
		}
	}
	for i := range s.AddressDomains {
		if s.AddressDomains[i], err = normalize(strings.TrimPrefix(s.AddressDomains[i], ".")); err != nil {
			return err
		}
	}
	return nil
}

// paths are the settings of [serve] that hold paths.
func (s *Serve) paths() []*string {
	return []*string{&s.CertificateFile, &s.KeyFile, &s.SecretFile, &s.Provider.Path, &s.Provider.SecretFile, &s.Provider.CAFile,
		&s.Provider.ClientCertificateFile, &s.Provider.ClientKeyFile}
}

// check returns sentences about what is wrong; empty ones say nothing.
func (s *Serve) check() []string {
	_, port, err := net.SplitHostPort(s.Listen)
	checks := []string{
		oneOf("serve.mode", s.Mode, ServeAccounts, ServeOperator),
		unless(err == nil && port != "", "serve.listen must be an address and port, such as 127.0.0.1:8484"),
		unless((s.CertificateFile == "") == (s.KeyFile == ""), "serve: certificate_file and key_file go together"),
		unless(s.MaxBody >= 100_000 && s.MaxBody <= MaxMaxBody, fmt.Sprintf("serve.max_body must lie between 100kB and %s", MaxMaxBody)),
		unless(s.MaxConnections > 0, "serve.max_connections must be positive"),
		unless(s.AddressPerSecond > 0 && s.AddressBurst > 0 && s.AccountPerSecond > 0 && s.AccountBurst > 0, "serve: the limits of requests must be positive"),
	}
	for _, origin := range s.Origins {
		checks = append(checks, unless(isOrigin(origin),
			fmt.Sprintf("serve.origins: %q is no origin; write it as browsers do, such as https://app.example.org, without a path", origin)))
	}
	for _, proxy := range s.Proxies {
		_, err := parseNetwork(proxy)
		checks = append(checks, unless(err == nil, fmt.Sprintf("serve.proxies: %q is no address or network, such as 10.0.0.0/8", proxy)))
	}
	if s.Mode == ServeOperator {
		return append(checks, s.checkOperator()...)
	}
	return append(checks, unless(s.Secret().IsZero() && s.Registration == "" && len(s.Accounts) == 0 && len(s.AddressDomains) == 0 && s.Provider == (Provider{}),
		"serve: secret_file, registration, address_domains, [[serve.account]] and [serve.provider] go only with mode = \"operator\""))
}

func (s *Serve) checkOperator() []string {
	checks := []string{
		oneOf("serve.registration", s.Registration, RegistrationOpen, RegistrationClosed),
		unless(count(s.SecretFile, s.SecretEnv, s.SecretCredential) == 1, "serve: mode = \"operator\" needs a token secret as exactly one of secret_file, secret_env, secret_credential; make one with `openssl rand -base64 48`"),
		unless(s.Registration == RegistrationOpen || len(s.Accounts) > 0, "serve: with registration = \"closed\" there must be a [[serve.account]]"),
		unless(slices.Contains([]string{KindS3, KindSQL, KindFolder, KindMemory}, s.Provider.Kind), "[serve.provider] must have a kind: s3, postgres or folder"),
		unless(s.Provider.SecretSealed == "" && !s.Provider.Carried, "serve.provider: secret_sealed and carried don't go with serve"),
	}
	for _, account := range s.Accounts {
		_, err := identity.ParseKey(account.SigningKey)
		checks = append(checks, unless(account.Name != "" && err == nil, "[[serve.account]] needs a name and its signing_key, 32 bytes in base64"))
	}
	for _, sentence := range s.Provider.check() {
		if sentence != "" {
			checks = append(checks, "serve: "+sentence)
		}
	}
	return checks
}

// warn notes what works but is probably not meant.
func (s *Serve) warn() (sentences []string) {
	host, _, _ := net.SplitHostPort(s.Listen)
	address, err := netip.ParseAddr(host)
	if outside := host != "localhost" && (err != nil || !address.IsLoopback()); outside && s.CertificateFile == "" && len(s.Proxies) == 0 {
		sentences = append(sentences, fmt.Sprintf("serve.listen %s can be reached from elsewhere and speaks no TLS: set certificate_file and key_file, or name the proxy in front as serve.proxies", s.Listen))
	}
	if s.Mode == ServeOperator && s.Provider.Kind == KindMemory {
		sentences = append(sentences, "serve.provider of kind memory forgets everything at exit; it is for tests")
	}
	return sentences
}
