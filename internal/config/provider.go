package config

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// The kinds of places, as the configuration calls them.
const (
	KindFolder = "folder"
	KindS3     = "s3"
	KindWebDAV = "webdav"
	KindDrive  = "drive"
	KindIPFS   = "ipfs"
	KindNode   = "dm3node" // the storage service of a dm3 node
	KindSQL    = "postgres"
	KindFile   = "file"   // one file, as `dm3sync export` writes it
	KindMemory = "memory" // for tests: gone at exit
)

// kinds are all of them, as messages name them.
func kinds() []string {
	return []string{KindFolder, KindS3, KindWebDAV, KindDrive, KindIPFS, KindNode, KindSQL, KindFile, KindMemory}
}

// Provider is the place of one account. Which fields matter depends on Kind;
// Validate refuses those that don't.
type Provider struct {
	Kind string `toml:"kind"` // one of the kinds above

	// folder, file
	Path    string `toml:"path"`    // the folder or file, made by `dm3sync init`
	Carried bool   `toml:"carried"` // another program replicates it (Dropbox, Syncthing, Nextcloud, …)

	// s3
	Region      string `toml:"region"`
	Bucket      string `toml:"bucket"`
	Prefix      string `toml:"prefix"`
	PathStyle   bool   `toml:"path_style"`
	AccessKeyID string `toml:"access_key_id"` // empty: the SDK's credential chain

	// webdav
	URL  string `toml:"url"`  // of the collection, made by `dm3sync init`; of a dm3 node: its backend
	Auth string `toml:"auth"` // auto (default: as the server asks), basic, digest, bearer, none

	// drive
	ClientID    string `toml:"client_id"`    // of the OAuth client; `dm3sync login drive` uses it
	Space       string `toml:"space"`        // files (default: a visible folder) or appdata (hidden)
	Folder      string `toml:"folder"`       // name of the visible folder; default dm3sync
	SharedDrive string `toml:"shared_drive"` // id of a shared drive; empty: My Drive
	AuthURL     string `toml:"auth_url"`     // of the login; empty: Google's, as the next two
	TokenURL    string `toml:"token_url"`
	RevokeURL   string `toml:"revoke_url"`

	// ipfs
	Device     int      `toml:"device"`      // this device's number, 1 to MaxDevices: no two devices of an account may have the same
	Devices    int      `toml:"devices"`     // how many numbers are looked at, from 1 on; 0: DefaultDevices
	PinService string   `toml:"pin_service"` // remote pinning service, by the name that Kubo knows it by; empty: none
	PinGateway string   `toml:"pin_gateway"` // HTTP gateway that serves what the service keeps, to make sure that it does; empty: the service is believed
	UnpinAfter Duration `toml:"unpin_after"` // how long removed content stays pinned; default 24h

	// postgres
	DSN string `toml:"dsn"` // postgres://user@host:port/database?sslmode=verify-full, without the password

	// several kinds
	Endpoint              string `toml:"endpoint"`    // s3, drive, ipfs (Kubo's RPC): URL; empty: AWS, Google, this machine
	Username              string `toml:"username"`    // webdav with basic and digest; ipfs with basic; dm3node: the account's name there, where it has another
	SecretFile            string `toml:"secret_file"` // s3: secret access key; webdav, ipfs: password or token; drive: the client's secret; postgres: password
	SecretEnv             string `toml:"secret_env"`
	SecretCredential      string `toml:"secret_credential"`
	SecretSealed          string `toml:"secret_sealed"`           // a file that `dm3sync init` sealed with [account.secret]
	CAFile                string `toml:"ca_file"`                 // further certificate authorities, PEM
	ClientCertificateFile string `toml:"client_certificate_file"` // webdav, postgres
	ClientKeyFile         string `toml:"client_key_file"`
	Proxy                 string `toml:"proxy"` // URL; empty: HTTPS_PROXY and so on

	// every kind
	Parallel       int  `toml:"parallel"`         // concurrent requests; 0: what suits the place
	BytesPerSecond Size `toml:"bytes_per_second"` // for uploads, and as much again for downloads; 0: no limit
}

// Source is the reference to the provider's secret, in the form that keyring
// reads; its IsZero tells whether there is one.
func (p Provider) Source() keyring.Source {
	return keyring.Source{File: p.SecretFile, Env: p.SecretEnv, Credential: p.SecretCredential, Sealed: p.SecretSealed}
}

// setting is one setting of a place: whether it was given, and with what kinds
// it goes.
type setting struct {
	name  string
	given bool
	kinds []string
}

func (p *Provider) settings() []setting {
	folder, s3, webdav, drive, ipfs, sql := []string{KindFolder}, []string{KindS3}, []string{KindWebDAV}, []string{KindDrive}, []string{KindIPFS}, []string{KindSQL}
	secret := []string{KindS3, KindWebDAV, KindDrive, KindIPFS, KindSQL}
	certificate := []string{KindWebDAV, KindSQL}
	return []setting{
		{"path", p.Path != "", []string{KindFolder, KindFile}},
		{"carried", p.Carried, folder},
		{"region", p.Region != "", s3},
		{"bucket", p.Bucket != "", s3},
		{"prefix", p.Prefix != "", s3},
		{"path_style", p.PathStyle, s3},
		{"access_key_id", p.AccessKeyID != "", s3},
		{"url", p.URL != "", []string{KindWebDAV, KindNode}},
		{"auth", p.Auth != "", webdav},
		{"client_id", p.ClientID != "", drive},
		{"space", p.Space != "", drive},
		{"folder", p.Folder != "", drive},
		{"shared_drive", p.SharedDrive != "", drive},
		{"auth_url", p.AuthURL != "", drive},
		{"token_url", p.TokenURL != "", drive},
		{"revoke_url", p.RevokeURL != "", drive},
		{"device", p.Device != 0, ipfs},
		{"devices", p.Devices != 0, ipfs},
		{"pin_service", p.PinService != "", ipfs},
		{"pin_gateway", p.PinGateway != "", ipfs},
		{"unpin_after", p.UnpinAfter != 0, ipfs},
		{"dsn", p.DSN != "", sql},
		{"endpoint", p.Endpoint != "", []string{KindS3, KindDrive, KindIPFS}},
		{"username", p.Username != "", []string{KindWebDAV, KindIPFS, KindNode}},
		{"secret_file", p.SecretFile != "", secret},
		{"secret_env", p.SecretEnv != "", secret},
		{"secret_credential", p.SecretCredential != "", secret},
		{"secret_sealed", p.SecretSealed != "", secret},
		{"ca_file", p.CAFile != "", append([]string{KindNode}, secret...)},
		{"client_certificate_file", p.ClientCertificateFile != "", certificate},
		{"client_key_file", p.ClientKeyFile != "", certificate},
		{"proxy", p.Proxy != "", []string{KindS3, KindWebDAV, KindDrive, KindIPFS, KindNode}},
	}
}

func (p *Provider) check() []string {
	checks := []string{
		unless(p.Kind != "", "[account.provider] with a kind is missing; use folder, s3, webdav, drive, ipfs, dm3node, postgres or file"),
		oneOf("provider.kind", p.Kind, kinds()...),
		unless(p.Parallel >= 0 && p.Parallel <= 1000, "provider.parallel must lie between 0 and 1000"),
		unless(p.BytesPerSecond >= 0, "provider.bytes_per_second must not be negative"),
		unless(count(p.SecretFile, p.SecretEnv, p.SecretCredential, p.SecretSealed) <= 1, "provider: set only one of secret_file, secret_env, secret_credential, secret_sealed"),
	}
	for _, s := range p.settings() {
		checks = append(checks, unless(!s.given || slices.Contains(s.kinds, p.Kind),
			fmt.Sprintf("provider.%s goes only with kind = \"%s\"", s.name, strings.Join(s.kinds, "\" or \""))))
	}
	for _, address := range []struct{ name, value string }{
		{"endpoint", p.Endpoint}, {"url", p.URL}, {"proxy", p.Proxy}, {"auth_url", p.AuthURL}, {"token_url", p.TokenURL}, {"revoke_url", p.RevokeURL}, {"pin_gateway", p.PinGateway},
	} {
		checks = append(checks, unless(validURL(address.value), "provider."+address.name+" must be an http or https URL without user name, such as https://host.example.org"))
	}
	switch p.Kind {
	case KindFolder:
		checks = append(checks, unless(p.Path != "", "provider.path is missing: name the folder"))
	case KindS3:
		checks = append(checks, p.checkS3()...)
	case KindWebDAV:
		checks = append(checks, p.checkWebDAV()...)
	case KindDrive:
		checks = append(checks, p.checkDrive()...)
	case KindIPFS:
		checks = append(checks, p.checkIPFS()...)
	case KindNode:
		checks = append(checks, unless(p.URL != "", "provider.url is missing: the address of the dm3 node's backend"))
	case KindSQL:
		checks = append(checks, p.checkPostgres()...)
	case KindFile:
		checks = append(checks, unless(p.Path != "", "provider.path is missing: name the file"))
	}
	return append(checks, unless((p.ClientCertificateFile == "") == (p.ClientKeyFile == ""), "provider: client_certificate_file and client_key_file go together"))
}

func (p *Provider) checkS3() []string {
	return []string{
		unless(p.Bucket != "", "provider.bucket is missing"),
		unless((p.AccessKeyID == "") == p.Source().IsZero(), "provider: access_key_id and its secret (secret_file, secret_env or secret_credential) go together; leave both out to use the SDK's credential chain"),
		unless(p.Endpoint != "" || p.Region != "", "provider.region is missing (it may be left out only when an endpoint is given)"),
	}
}

func (p *Provider) checkWebDAV() []string {
	secret := !p.Source().IsZero()
	return []string{
		unless(p.URL != "", "provider.url is missing: the address of the collection to keep things in"),
		oneOf("provider.auth", p.Auth, AuthAuto, AuthBasic, AuthDigest, AuthBearer, AuthNone),
		unless(p.Auth != AuthBearer || secret && p.Username == "", "provider: auth = \"bearer\" needs the token as secret_file, secret_env or secret_credential, and no username"),
		unless(p.Auth != AuthBasic && p.Auth != AuthDigest || secret && p.Username != "", "provider: auth = \"basic\" and \"digest\" need a username and its password as secret_file, secret_env or secret_credential"),
		unless(p.Auth != AuthAuto || secret == (p.Username != ""), "provider: username and its password (secret_file, secret_env or secret_credential) go together; a token without a user name takes auth = \"bearer\""),
		unless(p.Auth != AuthNone || !secret && p.Username == "", "provider: auth = \"none\" takes no username and no secret"),
	}
}

func (p *Provider) checkDrive() []string {
	return []string{
		unless(p.ClientID != "", "provider.client_id is missing; internal/docs/login.md says how to make one"),
		oneOf("provider.space", p.Space, SpaceFiles, SpaceAppData),
		unless(p.Space == SpaceFiles || p.Folder == "" && p.SharedDrive == "", "provider: folder and shared_drive go only with space = \"files\""),
	}
}

func (p *Provider) checkIPFS() []string {
	return []string{
		unless(p.PinGateway == "" || p.PinService != "", "provider.pin_gateway goes only with a pin_service"),
		unless(p.Device >= 1 && p.Device <= MaxDevices, fmt.Sprintf("provider.device must be this device's own number, 1 to %d: no two devices of an account may have the same", MaxDevices)),
		unless(p.Devices >= p.Device && p.Devices <= MaxDevices, fmt.Sprintf("provider.devices must lie between this device's number and %d", MaxDevices)),
		unless(p.UnpinAfter > 0, "provider.unpin_after must be positive"),
		unless(p.Username == "" || !p.Source().IsZero(), "provider: username needs its password as secret_file, secret_env or secret_credential; a secret without a user name is a bearer token"),
	}
}

func (p *Provider) checkPostgres() []string {
	parsed, err := url.Parse(p.DSN)
	valid := err == nil && (parsed.Scheme == "postgres" || parsed.Scheme == "postgresql") && parsed.Path != "" && parsed.Path != "/"
	if p.DSN == "" || !valid {
		return []string{"provider.dsn must say where the database is, such as postgres://user@host:5432/database?sslmode=verify-full"}
	}
	_, password := parsed.User.Password()
	return []string{unless(!password && !parsed.Query().Has("password") && !parsed.Query().Has("passfile"),
		"provider.dsn must not hold the password: put it in a file and name that as provider.secret_file")}
}

// complete fills in the defaults of a kind.
func (p *Provider) complete() {
	switch p.Kind {
	case KindWebDAV:
		setDefault(&p.Auth, AuthAuto)
	case KindDrive:
		setDefault(&p.Space, SpaceFiles)
		if p.Space == SpaceFiles {
			setDefault(&p.Folder, DefaultFolder)
		}
	case KindIPFS:
		setDefault(&p.Endpoint, DefaultKubo)
		setDefault(&p.Devices, max(DefaultDevices, p.Device))
		setDefault(&p.UnpinAfter, DefaultUnpinAfter)
	}
}

// Place says in a few words where the place is, for people: never a secret.
func (p *Provider) Place() string {
	switch p.Kind {
	case KindFolder, KindFile:
		return p.Path
	case KindIPFS:
		return fmt.Sprintf("IPFS through %s, as device %d", p.Endpoint, p.Device)
	case KindNode:
		return "dm3 node " + p.URL
	case KindSQL:
		parsed, err := url.Parse(p.DSN)
		if err != nil {
			return p.Kind
		}
		return "database " + strings.TrimPrefix(parsed.Path, "/") + " at " + parsed.Host
	case KindS3:
		place := path.Join(p.Bucket, p.Prefix)
		if p.Endpoint == "" {
			return place + " at AWS"
		}
		return place + " at " + p.Endpoint
	case KindWebDAV:
		return p.URL
	case KindDrive:
		switch {
		case p.Space == SpaceAppData:
			return "hidden app folder of Google Drive"
		case p.SharedDrive != "":
			return "folder " + p.Folder + " of a shared Google Drive"
		}
		return "folder " + p.Folder + " of Google Drive"
	}
	return p.Kind
}

// carriers are the addresses that a password, a token or a login travels to.
func (p *Provider) carriers() []string {
	if p.Kind == KindS3 {
		return nil // requests are signed
	}
	return []string{p.URL, p.Endpoint, p.AuthURL, p.TokenURL, p.RevokeURL}
}
