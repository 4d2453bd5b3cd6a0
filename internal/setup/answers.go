// Package setup makes an account work: it checks the name and the secret, tries the place, tells
// who has used that before, and writes the configuration. `dm3sync init` uses it, and so does the
// page; secrets go in, and never come out again.
//
// Import order: above internal/api and internal/config; below internal/agent, which opens places
// for it, internal/webui and cmd.
package setup

import (
	"bytes"
	"cmp"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/dm3sync/dm3sync/internal/config"
)

// Answers are what somebody says who sets an account up, in the shape of the file that they make.
// Paths count from the working folder.
type Answers struct {
	Name      string // the account's dm3 name
	NewWallet bool   // make a wallet, and write its key to SecretFile
	Data      string // folder for cache, journal and socket; empty: the user's data folder

	// The account's secret: a file, one that is locked with a passphrase, or an entry of the system's
	// keyring; its form, and a nonce.
	SecretFile, SecretLocked, SecretKeyring, Form, Nonce string

	// PlaceSecret was typed; it is written sealed, to SealedFile.
	PlaceSecret, SealedFile string

	Folder  string // of a place in a folder
	File    string // of a place in a single file
	Carried bool

	Bucket, Endpoint, Region, Prefix string
	PathStyle                        bool
	AccessKeyID, S3SecretFile        string

	DSN, Node                               string
	URL, Username, Auth, PasswordFile       string
	ClientCertificateFile, ClientKeyFile    string
	ClientID, ClientSecretFile, Space       string
	DriveFolder, SharedDrive, CAFile, Proxy string
	AuthURL, TokenURL, RevokeURL            string // of the login, where it is not Google's

	IPFS, PinService string // IPFS is the address of a node, or LocalNode
	Device           int
}

// LocalNode stands for the Kubo of this machine.
const LocalNode = "local"

// Kind is the kind of place that the answers name; "" where they name none, or several.
func (a *Answers) Kind() string {
	if kinds := a.Kinds(); len(kinds) == 1 {
		return kinds[0]
	}
	return ""
}

// Kinds are the kinds of places that the answers name, by the one setting that each kind can't do without.
func (a *Answers) Kinds() (kinds []string) {
	for _, place := range []struct{ kind, setting string }{
		{config.KindFolder, a.Folder}, {config.KindS3, a.Bucket}, {config.KindWebDAV, a.URL}, {config.KindDrive, a.ClientID},
		{config.KindIPFS, a.IPFS},
		{config.KindSQL, a.DSN},
		{config.KindNode, a.Node},
		{config.KindFile, a.File},
	} {
		if place.setting != "" {
			kinds = append(kinds, place.kind)
		}
	}
	return kinds
}

// The file's tables, with only what was answered.
type (
	fileAccount struct {
		Name     string       `toml:"name"`
		Secret   fileSecret   `toml:"secret"`
		Provider fileProvider `toml:"provider"`
	}
	fileSecret struct {
		Form   string `toml:"form,omitempty"`
		File   string `toml:"file,omitempty"`
		Locked string `toml:"locked,omitempty"`
		Entry  string `toml:"keyring,omitempty"`
		Nonce  string `toml:"nonce,omitempty"`
	}
	fileProvider struct {
		Kind        string `toml:"kind"`
		Path        string `toml:"path,omitempty"`
		Carried     bool   `toml:"carried,omitempty"`
		Endpoint    string `toml:"endpoint,omitempty"`
		Region      string `toml:"region,omitempty"`
		Bucket      string `toml:"bucket,omitempty"`
		Prefix      string `toml:"prefix,omitempty"`
		PathStyle   bool   `toml:"path_style,omitempty"`
		AccessKeyID string `toml:"access_key_id,omitempty"`
		URL         string `toml:"url,omitempty"`
		Username    string `toml:"username,omitempty"`
		Auth        string `toml:"auth,omitempty"`
		DSN         string `toml:"dsn,omitempty"`
		ClientID    string `toml:"client_id,omitempty"`
		Space       string `toml:"space,omitempty"`
		Folder      string `toml:"folder,omitempty"`
		SharedDrive string `toml:"shared_drive,omitempty"`
		AuthURL     string `toml:"auth_url,omitempty"`
		TokenURL    string `toml:"token_url,omitempty"`
		RevokeURL   string `toml:"revoke_url,omitempty"`
		SecretFile  string `toml:"secret_file,omitempty"`
		Sealed      string `toml:"secret_sealed,omitempty"`
		CAFile      string `toml:"ca_file,omitempty"`
		Proxy       string `toml:"proxy,omitempty"`

		Device     int    `toml:"device,omitempty"`
		PinService string `toml:"pin_service,omitempty"`

		ClientCertificateFile string `toml:"client_certificate_file,omitempty"`
		ClientKeyFile         string `toml:"client_key_file,omitempty"`
	}
)

// placeSecretFile is the file that the answers name for the place's secret.
func (a *Answers) placeSecretFile() string {
	return cmp.Or(a.S3SecretFile, a.PasswordFile, a.ClientSecretFile)
}

// TOML is a whole configuration file with this account.
func (a *Answers) TOML() ([]byte, error) {
	document := struct {
		Data    string        `toml:"data,omitempty"`
		Account []fileAccount `toml:"account"`
	}{}
	account, err := a.account()
	if err != nil {
		return nil, err
	}
	if a.Data != "" {
		if document.Data, err = absolute(a.Data); err != nil {
			return nil, err
		}
	}
	document.Account = []fileAccount{account}
	buffer := bytes.NewBufferString("# Written by `dm3sync init`. README.md explains every setting.\n\n")
	err = toml.NewEncoder(buffer).Encode(document)
	return buffer.Bytes(), err
}

// AccountTOML are the tables of the account alone, to stand at the end of a file.
func (a *Answers) AccountTOML() ([]byte, error) {
	account, err := a.account()
	if err != nil {
		return nil, err
	}
	buffer := &bytes.Buffer{}
	err = toml.NewEncoder(buffer).Encode(struct {
		Account []fileAccount `toml:"account"`
	}{[]fileAccount{account}})
	return buffer.Bytes(), err
}

// ProviderTOML are the lines of the place's table, without a header.
func (a *Answers) ProviderTOML() ([]byte, error) {
	account, err := a.account()
	if err != nil {
		return nil, err
	}
	buffer := &bytes.Buffer{}
	err = toml.NewEncoder(buffer).Encode(account.Provider)
	return buffer.Bytes(), err
}

// account is the account's tables as they are written.
func (a *Answers) account() (fileAccount, error) {
	provider := fileProvider{
		Kind: a.Kind(), Carried: a.Carried, Endpoint: a.Endpoint, Region: a.Region, Bucket: a.Bucket, Prefix: a.Prefix, PathStyle: a.PathStyle, AccessKeyID: a.AccessKeyID,
		DSN: strings.ReplaceAll(a.DSN, "$", "$$"), URL: cmp.Or(a.URL, a.Node), Username: a.Username, Auth: a.Auth, ClientID: a.ClientID, Space: a.Space, Folder: a.DriveFolder, SharedDrive: a.SharedDrive, Proxy: a.Proxy,
		AuthURL: a.AuthURL, TokenURL: a.TokenURL, RevokeURL: a.RevokeURL, Device: a.Device, PinService: a.PinService,
	}
	if a.IPFS != "" && a.IPFS != LocalNode {
		provider.Endpoint = a.IPFS
	}
	secret := fileSecret{Form: a.Form, Nonce: a.Nonce, Entry: a.SecretKeyring}
	// Paths count from the working folder here, and from the file's there.
	for _, path := range []struct {
		from string
		to   *string
	}{
		{a.Folder, &provider.Path},
		{a.SecretFile, &secret.File},
		{a.SecretLocked, &secret.Locked},
		{a.CAFile, &provider.CAFile},
		{a.SealedFile, &provider.Sealed},
		{a.ClientCertificateFile, &provider.ClientCertificateFile},
		{a.ClientKeyFile, &provider.ClientKeyFile},
		{a.File, &provider.Path},
		{a.placeSecretFile(), &provider.SecretFile},
	} {
		if path.from == "" {
			continue
		}
		var err error
		if *path.to, err = absolute(path.from); err != nil {
			return fileAccount{}, err
		}
	}
	return fileAccount{a.Name, secret, provider}, nil
}

// absolute writes a path such that config reads it as it is.
func absolute(path string) (string, error) {
	full, err := filepath.Abs(path)
	return strings.ReplaceAll(filepath.ToSlash(full), "$", "$$"), err
}

// ExpandHome reads paths that begin with ~/ as shells do: they leave those alone that
// are answers, or stand behind an equals sign.
func (a *Answers) ExpandHome(home string) {
	for _, path := range []*string{
		&a.Data, &a.Folder, &a.File, &a.SecretFile, &a.CAFile, &a.ClientCertificateFile, &a.ClientKeyFile,
		&a.S3SecretFile, &a.PasswordFile, &a.ClientSecretFile,
	} {
		if rest, ok := strings.CutPrefix(*path, "~/"); ok && home != "" {
			*path = filepath.Join(home, rest)
		}
	}
}
