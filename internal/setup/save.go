package setup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
)

// The places where the account's own secret can be kept, as [Setup.Save] takes them.
const (
	KeepKeyring = "keyring" // the system's
	KeepFile    = "file"    // that only the user can read
	KeepLocked  = "locked"  // a file, with a passphrase
)

// Keep says where Save keeps the account's secret.
type Keep struct {
	Word       string // one of the words above
	Passphrase string // with KeepLocked
}

// Keeper is one place for the account's secret, in words.
type Keeper struct {
	Word string // KeepKeyring, KeepFile or KeepLocked
	Name string
	Why  string // what it means
}

// Keepers says where the account's secret can be kept here, the best one first. It may wait for
// the system's keyring, which is asked whether it is there.
func (s *Setup) Keepers(ctx context.Context) (keepers []Keeper) {
	file := Keeper{KeepFile, "A file that only you can read", fmt.Sprintf(
		"It lies beside the configuration, in %s, and is good for services and logins from elsewhere. Programs of yours, and whoever takes an unencrypted disk, can read it.", filepath.Dir(s.options.File))}
	locked := Keeper{KeepLocked, "A file that is locked with a passphrase", "Whoever takes the file has to guess the passphrase. Somebody has to give it, here or as DM3SYNC_PASSPHRASE, each time that the agent starts."}
	if s.options.Vault == nil {
		return []Keeper{file, locked}
	}
	if _, err := s.options.Vault.Get(ctx, "is anybody there"); err != nil && !errors.Is(err, keyring.ErrNoEntry) {
		file.Why += " The system's keyring is not available here."
		return []Keeper{file, locked}
	}
	return []Keeper{{KeepKeyring, "The system's keyring", "It is locked with your login. An agent that runs before you log in, and commands over ssh, can't reach it."}, file, locked}
}

// Done says what Save did.
type Done struct {
	Name string // of the account
	Kept string // where its secret is, in words
	// Waits is why the running agent has not taken the account up, in a sentence; empty: it has.
	Waits string
}

// Save keeps the secrets, writes the account into the configuration, and lets the agent take it
// up; then everything that was typed is forgotten. A place that was not tried, or failed, is
// taken only with untried. keep says where the account's secret goes, one of Keepers.
func (s *Setup) Save(ctx context.Context, keep Keep, untried bool) (done Done, err error) {
	s.mu.Lock()
	d := s.at()
	copied, ok := *d, d.trial.state()
	s.mu.Unlock()
	switch {
	case !copied.known || !copied.chosen:
		return done, ErrOrder
	case ok.Running:
		return done, ErrBusy
	case !ok.OK && !untried:
		return done, fmt.Errorf("%w: the place was not tried yet, or refused", ErrOrder)
	}
	_, before, err := s.load()
	if err != nil {
		return done, err
	}
	a := copied.place
	a.Name, a.Form = copied.name, ""
	if copied.secret != "" {
		a.SealedFile = s.beside(copied.name, ".place.sealed", before == nil)
		if err := keyring.WriteSealed(a.SealedFile, copied.key, copied.secret); err != nil {
			return done, err
		}
	}
	undo, err := s.keep(ctx, keep, &a, copied.key)
	if err != nil {
		return done, err
	}
	text, err := withAccount(before, &a)
	if err == nil {
		_, err = put(s.options.File, before, text, s.options.Environ)
	}
	if err != nil {
		return done, errors.Join(fmt.Errorf("setup: writing the configuration: %w", err), undo())
	}
	done = Done{Name: copied.name, Kept: a.source().String()}
	s.Forget()
	if a.SecretLocked != "" {
		s.options.Unlocked(a.SecretLocked, keep.Passphrase)
	}
	if err := s.options.Reload(ctx); err != nil {
		done.Waits = fmt.Sprintf("The running agent has not taken it up: %v. Restart it.", err)
	}
	return done, nil
}

// beside is a file beside the configuration that belongs to an account: the first one's has the
// name that `dm3sync init` gives it, the others' tell as little of the account as its folder does.
func (s *Setup) beside(name, suffix string, first bool) string {
	base := withoutExtension(s.options.File)
	if !first {
		sum := sha256.Sum256([]byte(name))
		base += "-" + hex.EncodeToString(sum[:4])
	}
	return base + suffix
}

// keep keeps the storage key and notes where; undo takes that back.
func (s *Setup) keep(ctx context.Context, keep Keep, a *Answers, key [32]byte) (undo func() error, err error) {
	text := base64.StdEncoding.EncodeToString(key[:])
	switch keep.Word {
	case KeepFile:
		a.SecretFile, err = s.keepFile(a.Name, ".key", func(path string) error { return writePrivately(path, text) })
		undo = func() error { return os.Remove(a.SecretFile) }
	case KeepLocked:
		a.SecretLocked, err = s.keepFile(a.Name, ".locked", func(path string) error { return keyring.WriteLocked(path, keep.Passphrase, text) })
		undo = func() error { return os.Remove(a.SecretLocked) }
	case KeepKeyring:
		a.SecretKeyring, err = s.keepEntry(ctx, text)
		undo = func() error { return s.options.Vault.Delete(context.WithoutCancel(ctx), a.SecretKeyring) }
	default:
		err = fmt.Errorf("%w: say where the account's secret shall be kept", ErrAnswers)
	}
	if err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	return undo, nil
}

// keepFile writes a file beside the configuration, under a name that is free: a secret is never written over.
func (s *Setup) keepFile(account, suffix string, write func(path string) error) (path string, err error) {
	for number := 1; number < 100; number++ {
		path = s.beside(account, suffix, false)
		if number > 1 {
			path = s.beside(account, fmt.Sprintf("-%d%s", number, suffix), false)
		}
		if err = write(path); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("keeping the account's secret: %w", err)
	}
	return path, nil
}

// keepEntry puts the secret into the system's keyring, and looks whether it is there.
func (s *Setup) keepEntry(ctx context.Context, text string) (entry string, err error) {
	vault := s.options.Vault
	if vault == nil {
		return "", keyring.ErrNoVault
	}
	entry = "account " + rand.Text()[:12]
	if err := vault.Set(ctx, entry, text); err != nil {
		return "", fmt.Errorf("keeping the account's secret: %w", err)
	}
	if back, err := vault.Get(ctx, entry); err != nil || back != text {
		gone := vault.Delete(context.WithoutCancel(ctx), entry)
		return "", errors.Join(fmt.Errorf("the system's keyring does not give back what it was given; keep the secret in a file: %w", keyring.ErrNoVault), err, gone)
	}
	return entry, nil
}

// Login begins the login that the chosen place needs, and says how far it is; when it is done,
// the place is tried again.
func (s *Setup) Login() (api.LoginStatus, error) {
	s.mu.Lock()
	copied := *s.at()
	s.mu.Unlock()
	if !copied.known || !copied.chosen {
		return api.LoginStatus{}, ErrOrder
	}
	folder, c, account, err := s.stage(&copied)
	if folder != "" {
		defer os.RemoveAll(folder) // the client's secret is read by open, below
	}
	if err != nil {
		return api.LoginStatus{}, err
	}
	if account.Provider.Kind != config.KindDrive {
		return api.LoginStatus{}, fmt.Errorf("%w: this place takes no login", ErrAnswers)
	}
	open := func() (*login.Login, error) { return s.options.Places.Login(c, *account, copied.key) }
	return s.logins.Start(copied.name, "", s.options.Now, open, func(context.Context) error { return s.Try() })
}

// LoginState says how far that login is.
func (s *Setup) LoginState() api.LoginStatus { return s.logins.Status(s.State().Name, "") }

// AnswerLogin takes the address that the browser ended at; see [api.LoginStarter].
func (s *Setup) AnswerLogin(ctx context.Context, address string) error {
	return s.logins.Answer(ctx, s.State().Name, "", address)
}
