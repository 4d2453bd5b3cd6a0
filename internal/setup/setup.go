package setup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
)

// Errors for people who set an account up; each is a sentence with a way out.
var (
	// ErrSigner says that another account signed than the one that was asked.
	ErrSigner = errors.New("another account signed than the one you chose: switch the wallet to that account, or choose the other one here")
	// ErrOrder says that a step was taken before those that it needs.
	ErrOrder = errors.New("something before this step is missing; begin again with the first one that is open")
	// ErrBusy says that the place is being tried.
	ErrBusy = errors.New("the place is being tried right now; wait for the end, or stop it")
)

// patience is how long what somebody typed is kept in memory when nothing more comes.
const patience = time.Hour

// Places opens places; package agent has the one that counts. The key is the account's storage key.
type Places interface {
	// Open opens the place of an account that c holds.
	Open(ctx context.Context, c *config.Config, account config.Account, key [32]byte) (providers.Store, error)
	// Create makes a folder or collection ready, where that can be done for the user.
	Create(ctx context.Context, c *config.Config, account config.Account, key [32]byte) error
	// Login prepares the login of a place that takes one; the caller closes it.
	Login(c *config.Config, account config.Account, key [32]byte) (*login.Login, error)
}

// Options are what setting up needs from outside. File, Environ and Places must be set.
type Options struct {
	// File is the configuration's, which may not be there yet.
	File string
	// Environ is as os.Environ: variables that begin with DM3SYNC_ count here, too.
	Environ []string
	Places  Places
	// Vault is the system's keyring; nil: there is none.
	Vault keyring.Vault
	// Unlocked is told the passphrase of a file that was locked just now; nil: nobody is.
	Unlocked func(path, passphrase string)
	// Reload lets the running agent take the configuration up.
	Reload func(ctx context.Context) error
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
}

// Setup leads through setting one account up, step by step. What was typed is in memory only,
// until Save or Forget, or an hour after the last step. It is safe for concurrent use: there is
// one set-up at a time, and whoever looks sees it.
type Setup struct {
	options Options
	logins  Logins

	mu    sync.Mutex
	draft draft
}

// draft is what is known so far. Its secrets leave it for Save alone.
type draft struct {
	touched time.Time
	address string // of the wallet that signed; "" where the key was typed
	name    string // normalised
	key     [32]byte
	known   bool    // key and name are there
	place   Answers // without PlaceSecret
	secret  string  // of the place
	chosen  bool    // place is there
	mirror  string  // name of the mirror that is added to the account, in the place of a new account
	trial   *trial
}

// New prepares set-ups; nothing is read before a method needs it.
func New(o Options) *Setup {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Unlocked == nil {
		o.Unlocked = func(string, string) {}
	}
	return &Setup{options: o}
}

// Close gives up what is under way.
func (s *Setup) Close() {
	s.Forget()
	s.logins.Close()
}

// Forget drops everything that was typed, and ends the trial of a place.
func (s *Setup) Forget() {
	s.mu.Lock()
	t := s.draft.trial
	s.draft = draft{}
	s.mu.Unlock()
	t.end()
}

// at returns the draft, for a change or a look; s.mu is held. One that nobody touched for
// long is forgotten.
func (s *Setup) at() *draft {
	now := s.options.Now()
	if !s.draft.touched.IsZero() && now.Sub(s.draft.touched) > patience && !s.draft.trial.runs() {
		s.draft = draft{}
	}
	s.draft.touched = now
	return &s.draft
}

// State is what is known of a set-up, without any secret.
type State struct {
	Address string // of the wallet that signed
	Name    string // of the account; empty: that step is open
	Place   Answers
	Chosen  bool   // Place is there
	Secret  bool   // a secret of the place was typed
	Mirror  string // name of the mirror that is added; empty: an account is
	Trial   TrialState
}

// State says how far the set-up is.
func (s *Setup) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.at()
	return State{
		Address: d.address, Name: d.name, Place: d.place, Chosen: d.chosen, Secret: d.secret != "", Mirror: d.mirror, Trial: d.trial.state(),
	}
}

// Message is the text that the wallet of an address signs, and the address as wallets write it:
// the same text as that of `dm3sync init --message-for`.
func Message(address string) (text, checked string, err error) {
	if checked, err = identity.ChecksumAddress(address); err != nil {
		return "", "", fmt.Errorf("this is no address of an Ethereum account: it has 0x and 40 hex digits: %w", err)
	}
	return identity.CreationMessage(identity.DefaultNonce, checked), checked, nil
}

// Sign takes a wallet's signature of the text of Message. The signer is recovered from it before
// anything is kept. An empty name is the one that belongs to the address.
func (s *Setup) Sign(address, signature, name string) error {
	text, checked, err := Message(address)
	if err != nil {
		return err
	}
	signer, err := identity.RecoverAddress(text, signature)
	if err != nil {
		return fmt.Errorf("this is no signature of an ordinary wallet (0x and 130 hex digits); wallets that are contracts can't make the key: %w", err)
	}
	if signer != checked {
		return fmt.Errorf("%w (asked was %s, and %s signed)", ErrSigner, checked, signer)
	}
	key, err := keyring.Derive(keyring.FormSignature, signature, "")
	if err != nil {
		return err
	}
	if name == "" {
		name = identity.AccountName(checked)
	}
	return s.know(checked, name, key)
}

// Key takes the account's secret as it stands in a file elsewhere: its storage key, or a signature
// whose address nobody knows any more. The name must be given.
func (s *Setup) Key(form keyring.Form, secret, name string) error {
	if form == keyring.FormWalletKey {
		return fmt.Errorf("%w: a wallet's own key is not taken here; let the wallet sign", ErrAnswers)
	}
	key, err := keyring.Derive(form, secret, "")
	if errors.Is(err, keyring.ErrSecret) && form == keyring.FormStorageKey {
		return fmt.Errorf("%w: this is no storage key, which has 44 letters, digits and signs, the last one =; copy it anew from the other device's secret file", ErrAnswers)
	}
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("%w: the account's dm3 name is missing; it can't be told from the key", ErrAnswers)
	}
	return s.know("", name, key)
}

// know keeps whose history it is, if the account is not there yet.
func (s *Setup) know(address, name string, key [32]byte) error {
	normal, err := identity.Normalize(name)
	if err != nil {
		return fmt.Errorf("%q is no dm3 name: %w", name, err)
	}
	c, _, err := s.load()
	if err != nil {
		return err
	}
	for i := range c.Accounts {
		if c.Accounts[i].Name == normal {
			return fmt.Errorf("%w: the account %s is set up here already", ErrAnswers, normal)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.at()
	if d.trial.runs() {
		return ErrBusy
	}
	if d.name != normal || d.key != key { // what was tried, was tried with another key
		d.trial = nil
	}
	d.address, d.name, d.key, d.known, d.mirror = address, normal, key, true, ""
	return nil
}

// load reads the configuration as it is now, and its text, nil where there is no file.
func (s *Setup) load() (*config.Config, []byte, error) {
	text, err := readOptional(s.options.File)
	if err != nil {
		return nil, nil, fmt.Errorf("setup: reading the configuration: %w", err)
	}
	c, err := config.Load(s.options.File, &config.Options{Environ: s.options.Environ, Unconfigured: true})
	if err != nil {
		return nil, nil, fmt.Errorf("setup: reading the configuration: %w", err)
	}
	return c, text, nil
}
