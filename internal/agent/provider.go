package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/all"
	"github.com/dm3sync/dm3sync/providers/dm3node"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/s3"
	"github.com/dm3sync/dm3sync/providers/webdav"
	"golang.org/x/oauth2"
)

// kindFolder is the configuration's word for package local.
const kindFolder = "folder"

// PlaceOptions is what opening a place needs besides the account.
type PlaceOptions struct {
	// Config is the whole configuration: a login is kept in the account's folder.
	Config *config.Config
	// Warn gets sentences about badly guarded secrets and about what somebody did
	// to the place by hand; may be nil.
	Warn func(sentence string)
	// Log gets what a login does in the background; nil discards.
	Log *slog.Logger
	// Unlock returns the account's storage key; nil reads it through package
	// keyring.
	Unlock func() ([32]byte, error)
}

// OpenProvider opens the place that an account's configuration names, without
// decorators. Secrets of the provider are read here. The caller closes the store.
// A store that may have to tell the user something has a method Warning, see warningOf.
func OpenProvider(ctx context.Context, account config.Account, o PlaceOptions) (providers.Store, error) {
	settings, own, err := providerSettings(account, o)
	if err != nil {
		return nil, err
	}
	store, err := all.Open(ctx, settings)
	switch {
	case own == nil:
		return store, err
	case err != nil:
		return nil, errors.Join(err, own.Close())
	}
	return &loggedIn{Store: store, login: own}, nil
}

// CreatePlace makes an account's place ready for its first use, where that can be
// done for the user: a folder or collection is made and marked. It may be repeated.
// made tells whether there was anything to do for this kind.
func CreatePlace(ctx context.Context, account config.Account, o PlaceOptions) (made bool, err error) {
	settings, own, err := providerSettings(account, o)
	if err != nil {
		return false, err
	}
	err = all.Create(ctx, settings)
	if own != nil {
		err = errors.Join(err, own.Close())
	}
	return all.Creates(settings.Kind), err
}

// loggedIn is a place with its login, which ends with it.
type loggedIn struct {
	providers.Store
	login *login.Login
}

// Unwrap implements [providers.Wrapper].
func (l *loggedIn) Unwrap() providers.Store { return l.Store }

// Close implements [providers.Store].
func (l *loggedIn) Close() error { return errors.Join(l.Store.Close(), l.login.Close()) }

// Warning says that the login has ended, is missing, or will end soon; else "".
func (l *loggedIn) Warning(now time.Time) string { return l.login.Warning(now) }

// postgresOptions is what the configuration says of a database. The account's rows stand under a partition that all its
// devices derive from the root's key, so that the database learns no name, and who has another account finds nothing.
func postgresOptions(account config.Account, o PlaceOptions) (postgres.Options, error) {
	p := account.Provider
	secret, err := placeSecret(account, o)
	if err != nil {
		return postgres.Options{}, err
	}
	key, err := unlockOf(account, o)()
	if err != nil {
		return postgres.Options{}, fmt.Errorf("agent: unlocking the account for its part of the database: %w", err)
	}
	_, root, err := keys(key, account)
	if err != nil {
		return postgres.Options{}, fmt.Errorf("agent: preparing keys: %w", err)
	}
	partition := sha256.Sum256([]byte("dm3sync database partition of " + root))
	return postgres.Options{
		DSN:             p.DSN,
		Secret:          secret,
		CAFile:          p.CAFile,
		CertificateFile: p.ClientCertificateFile,
		KeyFile:         p.ClientKeyFile,
		Partition:       hex.EncodeToString(partition[:]),
		Parallel:        p.Parallel,
		Warn:            o.Warn,
	}, nil
}

// providerSettings turns the configuration into what package all knows. The login,
// for places that have one, is closed by the caller.
func providerSettings(account config.Account, o PlaceOptions) (settings all.Settings, own *login.Login, err error) {
	p, warn := account.Provider, o.Warn
	settings.Kind = p.Kind
	switch p.Kind {
	case kindFolder:
		settings.Kind = local.Kind
		settings.Local = all.Local{Path: p.Path, Options: local.Options{Carried: p.Carried, Parallel: p.Parallel}}
	case s3.Kind:
		settings.S3 = all.S3{Bucket: p.Bucket, Options: s3.Options{
			Endpoint:  p.Endpoint,
			Region:    p.Region,
			PathStyle: p.PathStyle,
			Prefix:    p.Prefix,
			AccessKey: p.AccessKeyID,
			CAFile:    p.CAFile,
			Proxy:     p.Proxy,
			Parallel:  p.Parallel,
		}}
		secret, err := placeSecret(account, o)
		if err != nil {
			return settings, nil, err
		}
		settings.S3.Options.SecretKey = secret
	case webdav.Kind:
		secret, err := placeSecret(account, o)
		if err != nil {
			return settings, nil, err
		}
		settings.WebDAV = webdav.Options{
			URL:             p.URL,
			Auth:            p.Auth,
			Username:        p.Username,
			Secret:          secret,
			CAFile:          p.CAFile,
			CertificateFile: p.ClientCertificateFile,
			KeyFile:         p.ClientKeyFile,
			Proxy:           p.Proxy,
			Parallel:        p.Parallel,
		}
	case archive.Kind:
		settings.File = all.File{Path: p.Path, Options: archive.Options{Parallel: p.Parallel}}
	case gdrive.Kind:
		own, err = openLogin(o.Config, account, o)
		if err != nil {
			return settings, nil, fmt.Errorf("agent: preparing the login: %w", err)
		}
		settings.Drive = driveOptions(p, own, warn)
	case ipfs.Kind:
		if settings.IPFS, err = ipfsOptions(account, o); err != nil {
			return settings, nil, err
		}
	case postgres.Kind:
		settings.Postgres, err = postgresOptions(account, o)
	case dm3node.Kind:
		settings.Node, err = nodeOptions(account, o)
	}
	return settings, own, err
}

// placeSecret reads the secret of an account's place; "" where none is named.
func placeSecret(account config.Account, o PlaceOptions) (string, error) {
	source := account.Provider.Source()
	if source.IsZero() {
		return "", nil
	}
	secret, err := keyring.Read(source, &keyring.Options{Warn: o.Warn, Unlock: unlockOf(account, o)})
	if err != nil {
		return "", fmt.Errorf("agent: reading the place's secret: %w", err)
	}
	return secret, nil
}

// unlockOf returns the account's storage key, as PlaceOptions.Unlock says.
func unlockOf(account config.Account, o PlaceOptions) func() ([32]byte, error) {
	if o.Unlock != nil {
		return o.Unlock
	}
	return func() ([32]byte, error) {
		own := account.Secret
		return keyring.StorageKey(own.Source(), keyring.Form(own.Form), own.Nonce, nil)
	}
}

// driveOptions is what the configuration says of Drive. Tokens is the account's
// login; without it the store can't be opened.
func driveOptions(p config.Provider, tokens oauth2.TokenSource, warn func(string)) gdrive.Options {
	return gdrive.Options{
		Tokens:      tokens,
		Space:       p.Space,
		Folder:      p.Folder,
		SharedDrive: p.SharedDrive,
		Endpoint:    p.Endpoint,
		CAFile:      p.CAFile,
		Proxy:       p.Proxy,
		Parallel:    p.Parallel,
		Warn:        warn,
	}
}
