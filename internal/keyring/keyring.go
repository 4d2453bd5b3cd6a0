// Package keyring reads secrets from where they are kept: a file that only its
// owner can read, an environment variable, a systemd credential, the system's keyring, or a
// sealed file; and turns
// an account's secret into its storage key.
//
// No error and no warning of this package holds any part of a secret.
//
// Import order: above internal/identity, below internal/config.
package keyring

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Errors of this package, for errors.Is. Each message says what to do.
var (
	// ErrSource: the reference is wrong, or there is nothing at its end.
	ErrSource = errors.New("secret not available")
	// ErrSecret: a secret was read, and is not of the form that was announced.
	ErrSecret = errors.New("secret of a wrong form")
)

// maxSecret bounds what is read from a file, in bytes; real ones have 132.
const maxSecret = 4096

// Source says where a secret is kept. Exactly one field is set.
type Source struct {
	File       string // path of a file; surrounding white space is ignored
	Env        string // name of an environment variable
	Credential string // name of a file in $CREDENTIALS_DIRECTORY (systemd's LoadCredential)
	Sealed     string // path of a file that WriteSealed wrote; needs Options.Unlock
	Keyring    string // name of an entry in the system's keyring
	Locked     string // path of a file that WriteLocked wrote; needs a passphrase
}

// IsZero tells whether nothing is set.
func (s Source) IsZero() bool { return s == Source{} }

// Options are what reading needs from outside; nil means the real environment
// and no warnings.
type Options struct {
	LookupEnv func(name string) (string, bool)
	// Warn receives a sentence when a secret is less guarded than it should be.
	Warn func(sentence string)
	// Unlock returns the account's storage key, which opens sealed files.
	Unlock func() ([32]byte, error)
	// Passphrase returns that of a locked file as somebody gave it; "" where nobody did. Then the
	// variable DM3SYNC_PASSPHRASE is asked, and the systemd credential dm3sync-passphrase.
	Passphrase func(path string) string
	// Vault is the system's keyring; nil is System.
	Vault Vault
}

// Read returns the secret that the source refers to, without surrounding white
// space. It fails with ErrSource when there is none.
func Read(source Source, options *Options) (string, error) {
	if options == nil {
		options = &Options{}
	}
	text, err := read(source, options)
	if err != nil {
		return "", err
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fmt.Errorf("keyring: %w: %s is empty; put the secret there", ErrSource, source)
	}
	return text, nil
}

func read(source Source, options *Options) (string, error) {
	switch source {
	case Source{File: source.File}:
		if source.File == "" {
			return "", fmt.Errorf("keyring: %w: no place is named; set one of file, env, credential", ErrSource)
		}
		return readFile(source.File, options)
	case Source{Env: source.Env}:
		text, ok := lookup(options, source.Env)
		if !ok {
			return "", fmt.Errorf("keyring: %w: environment variable %s is not set", ErrSource, source.Env)
		}
		return text, nil
	case Source{Credential: source.Credential}:
		return readCredential(source.Credential, options)
	case Source{Sealed: source.Sealed}:
		return readSealed(source.Sealed, options)
	case Source{Locked: source.Locked}:
		return readLocked(source.Locked, options)
	case Source{Keyring: source.Keyring}:
		return readEntry(source.Keyring, options)
	}
	return "", fmt.Errorf("keyring: %w: several places are named; set only one of file, env, credential, sealed, keyring, locked", ErrSource)
}

// String names the place, never the secret.
func (s Source) String() string {
	switch {
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment variable " + s.Env
	case s.Sealed != "":
		return "sealed file " + s.Sealed
	case s.Locked != "":
		return "file " + s.Locked + ", locked with a passphrase"
	case s.Keyring != "":
		return "entry " + s.Keyring + " of the system's keyring"
	}
	return "credential " + s.Credential
}

func lookup(options *Options, name string) (string, bool) {
	if options.LookupEnv != nil {
		return options.LookupEnv(name)
	}
	return os.LookupEnv(name)
}
