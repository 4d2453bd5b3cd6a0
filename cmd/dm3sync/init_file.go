package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// initAnswers are the flags of init, in the shape of the file that they make.
type initAnswers struct {
	Name      string
	NewWallet bool
	Data      string

	SecretFile, Form, Nonce string

	Folder  string
	Carried bool

	Bucket, Endpoint, Region, Prefix string
	PathStyle                        bool
	AccessKeyID, S3SecretFile        string
}

func (a *initAnswers) register(flags *pflag.FlagSet) {
	flags.StringVar(&a.Name, "name", "", "the account's dm3 name")
	flags.StringVar(&a.SecretFile, "secret-file", "", "file with the account's secret")
	flags.StringVar(&a.Form, "form", "", "what the secret is: storage-key (default), signature, wallet-key")
	flags.StringVar(&a.Nonce, "nonce", "", "nonce of the creation message (with --form wallet-key; default: upstream's)")
	flags.BoolVar(&a.NewWallet, "new-wallet", false, "make a new wallet and write its key to --secret-file")
	flags.StringVar(&a.Data, "data", "", "folder for cache, journal and socket (default: the user's data folder)")
	flags.StringVar(&a.Folder, "folder", "", "keep the history in this folder")
	flags.BoolVar(&a.Carried, "carried", false, "another program replicates the folder (Dropbox, Syncthing, Nextcloud, …)")
	flags.StringVar(&a.Bucket, "bucket", "", "keep the history in this S3 bucket")
	flags.StringVar(&a.Endpoint, "endpoint", "", "URL of the S3 service (default: AWS)")
	flags.StringVar(&a.Region, "region", "", "region of the bucket")
	flags.StringVar(&a.Prefix, "prefix", "", "prefix of the objects in the bucket")
	flags.BoolVar(&a.PathStyle, "path-style", false, "address the bucket in the path, as many S3 services need")
	flags.StringVar(&a.AccessKeyID, "access-key-id", "", "S3 access key id")
	flags.StringVar(&a.S3SecretFile, "s3-secret-file", "", "file with the S3 secret access key")
}

// The file's tables, with only what was answered.
type (
	fileAccount struct {
		Name     string       `toml:"name"`
		Secret   fileSecret   `toml:"secret"`
		Provider fileProvider `toml:"provider"`
	}
	fileSecret struct {
		Form  string `toml:"form,omitempty"`
		File  string `toml:"file"`
		Nonce string `toml:"nonce,omitempty"`
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
		SecretFile  string `toml:"secret_file,omitempty"`
	}
)

// writeConfig writes the file, valid or not at all, and the new wallet where one
// was asked for.
func (p *program) writeConfig(file string, a *initAnswers) (done []string, err error) {
	if a.SecretFile == "" || (a.Folder == "") == (a.Bucket == "") || (a.Name == "" && !a.NewWallet) {
		return nil, usagef("there is no configuration file %s yet; to write one, init needs --name (or --new-wallet), --secret-file, and either --folder or --bucket", file)
	}
	if a.NewWallet {
		name, err := a.makeWallet()
		if err != nil {
			return nil, err
		}
		done = append(done, fmt.Sprintf("made the wallet of %s; keep a copy of %s: without it nobody can read the history", name, a.SecretFile))
	}
	text, err := a.toml()
	if err != nil {
		return done, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return done, err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".dm3sync-*.toml") // has mode 0600
	if err != nil {
		return done, err
	}
	defer os.Remove(temporary.Name()) // fails where it was renamed, as it should be
	_, err = temporary.Write(text)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return done, err
	}
	if _, err := config.Load(temporary.Name(), &config.Options{Environ: p.environ}); err != nil {
		return done, err
	}
	if err := os.Rename(temporary.Name(), file); err != nil {
		return done, err
	}
	return append(done, "wrote "+file), nil
}

// makeWallet writes a new wallet key, never over an existing file, and sets
// form, and name where none was given.
func (a *initAnswers) makeWallet() (name string, err error) {
	if a.Form != "" && a.Form != "wallet-key" {
		return "", usagef("--new-wallet makes a wallet-key, not a %s", a.Form)
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	text := "0x" + hex.EncodeToString(secret)
	wallet, err := identity.ParseWalletKey(text)
	if err != nil { // one chance in 2^128
		return "", err
	}
	file, err := os.OpenFile(a.SecretFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("writing the new wallet: %w", err)
	}
	_, err = file.WriteString(text + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", fmt.Errorf("writing the new wallet: %w", err)
	}
	a.Form = "wallet-key"
	if a.Name == "" {
		a.Name = identity.AccountName(wallet.Address())
	}
	return a.Name, nil
}

func (a *initAnswers) toml() ([]byte, error) {
	provider := fileProvider{Kind: "folder", Carried: a.Carried, Endpoint: a.Endpoint, Region: a.Region, Bucket: a.Bucket, Prefix: a.Prefix, PathStyle: a.PathStyle, AccessKeyID: a.AccessKeyID}
	if a.Bucket != "" {
		provider.Kind = "s3"
	}
	document := struct {
		Data    string        `toml:"data,omitempty"`
		Account []fileAccount `toml:"account"`
	}{}
	secret := fileSecret{Form: a.Form, Nonce: a.Nonce}
	// Paths count from the working folder here, and from the file's there.
	for _, path := range []struct {
		from string
		to   *string
	}{{a.Data, &document.Data}, {a.Folder, &provider.Path}, {a.S3SecretFile, &provider.SecretFile}, {a.SecretFile, &secret.File}} {
		if path.from == "" {
			continue
		}
		absolute, err := filepath.Abs(path.from)
		if err != nil {
			return nil, err
		}
		*path.to = escapePath(absolute)
	}
	buffer := bytes.NewBufferString("# Written by `dm3sync init`. README.md explains every setting.\n\n")
	document.Account = []fileAccount{{a.Name, secret, provider}}
	err := toml.NewEncoder(buffer).Encode(document)
	return buffer.Bytes(), err
}

// escapePath writes a path such that config reads it as it is.
func escapePath(path string) string {
	return strings.ReplaceAll(filepath.ToSlash(path), "$", "$$")
}
