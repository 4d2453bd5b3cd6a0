package setup

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/files"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

// ErrAnswers is wrapped by errors about answers that don't go together.
var ErrAnswers = errors.New("the answers don't fit")

// Write writes a new configuration file from the answers, valid or not at all, and before
// that the new wallet where one is asked for, and the place's typed secret, sealed: neither of
// them for a configuration that is refused. environ is as os.Environ. done says in sentences what
// was done, also beside an error; it is ErrAnswers, or one of packages config and keyring. The
// answers are completed.
func Write(file string, a *Answers, environ []string) (done []string, err error) {
	var wallet string
	if a.NewWallet {
		if wallet, err = a.drawWallet(); err != nil {
			return nil, err
		}
	}
	if a.PlaceSecret != "" {
		a.SealedFile = withoutExtension(file) + ".place.sealed"
	}
	text, err := a.TOML()
	if err == nil {
		_, err = config.LoadText(file, text, &config.Options{Environ: environ})
	}
	if err != nil {
		return nil, err
	}
	if a.NewWallet {
		if err := a.writeWallet(wallet); err != nil {
			return nil, err
		}
		done = append(done, fmt.Sprintf("made the wallet of %s; keep a copy of %s: without it nobody can read the history", a.Name, a.SecretFile))
	}
	key, err := a.readSecrets(environ)
	if err != nil {
		return done, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return done, err
	}
	if a.PlaceSecret != "" {
		if err := keyring.WriteSealed(a.SealedFile, key, a.PlaceSecret); err != nil {
			return done, err
		}
		done = append(done, "sealed the place's secret in "+a.SealedFile)
	}
	if _, err := put(file, nil, text, environ); err != nil {
		return done, err
	}
	return append(done, "wrote "+file), nil
}

// source is where the account's secret is.
func (a *Answers) source() keyring.Source {
	return keyring.Source{File: a.SecretFile, Locked: a.SecretLocked, Keyring: a.SecretKeyring}
}

func withoutExtension(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// readSecrets reads what the answers name, so that no configuration is written that
// could not work, and returns the account's storage key. What is less guarded than it
// should be is told later.
func (a *Answers) readSecrets(environ []string) (key [32]byte, err error) {
	options := &keyring.Options{LookupEnv: lookup(environ)}
	form := keyring.Form(cmp.Or(a.Form, string(keyring.FormStorageKey)))
	if key, err = keyring.StorageKey(a.source(), form, a.Nonce, options); err != nil {
		return key, err
	}
	if file := a.placeSecretFile(); file != "" {
		if _, err := keyring.Read(keyring.Source{File: file}, options); err != nil {
			return key, err
		}
	}
	return key, nil
}

// lookup finds a variable that is not empty; the last one of a name counts.
func lookup(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := len(environ) - 1; i >= 0; i-- {
			if found, value, ok := strings.Cut(environ[i], "="); ok && found == name {
				return value, value != ""
			}
		}
		return "", false
	}
}

// drawWallet makes a new wallet key, and sets form, and name where none was given. Nothing is written.
func (a *Answers) drawWallet() (text string, err error) {
	if a.Form != "" && a.Form != string(keyring.FormWalletKey) {
		return "", fmt.Errorf("%w: a new wallet is a wallet-key, not a %s", ErrAnswers, a.Form)
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	text = "0x" + hex.EncodeToString(secret)
	wallet, err := identity.ParseWalletKey(text)
	if err != nil { // one chance in 2^128
		return "", err
	}
	a.Form = string(keyring.FormWalletKey)
	if a.Name == "" {
		a.Name = identity.AccountName(wallet.Address())
	}
	return text, nil
}

// writeWallet keeps a new wallet key, never over an existing file.
func (a *Answers) writeWallet(text string) error {
	err := writePrivately(a.SecretFile, text)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("the new wallet is not written over another file; name one that is not there, or use the one that is (--name, --form wallet-key): %w", err)
	case err != nil:
		return fmt.Errorf("writing the new wallet: %w", err)
	}
	return nil
}

// writePrivately writes a secret into a file that is not there yet and that only the user can read.
func writePrivately(path, secret string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return files.Create(path, []byte(secret+"\n"), files.Private)
}

// put replaces a configuration file's text by another one, if that is right (see [config.Put]). It
// returns what the new text means.
func put(file string, before, text []byte, environ []string) (*config.Config, error) {
	fresh, err := config.LoadText(file, text, &config.Options{Environ: environ})
	if err != nil {
		return nil, err
	}
	return fresh, config.Put(file, before, text)
}

// readOptional reads a file; nil without an error where there is none.
func readOptional(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && text == nil {
		text = []byte{}
	}
	return text, err
}

// withAccount is a configuration's text with one more account; before is nil where there is no file yet.
func withAccount(before []byte, a *Answers) ([]byte, error) {
	if before == nil {
		return a.TOML()
	}
	tables, err := a.AccountTOML()
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s\n\n%s", bytes.TrimRight(before, "\n"), tables), nil
}
