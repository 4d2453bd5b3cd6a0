package setup

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// The well-known first two keys of test wallets.
const (
	firstWallet  = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	secondWallet = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
)

// rig is a set-up on a machine with places in memory.
type rig struct {
	*Setup
	t        *testing.T
	file     string
	store    providers.Store
	vault    *vault
	reloads  int
	unlocked map[string]string
	clock    time.Time
	fail     error  // of Create
	password string // that the place wants; empty: any
	read     string // of the place's secret, at the last opening
}

func newRig(t *testing.T) *rig {
	t.Helper()
	folder := t.TempDir()
	r := &rig{t: t, file: filepath.Join(folder, "config", "config.toml"), store: memory.New(nil), vault: &vault{kept: map[string]string{}}, clock: time.Now(), unlocked: map[string]string{}}
	r.Setup = New(Options{
		File: r.file, Environ: []string{"HOME=" + folder}, Places: r, Vault: r.vault, Now: func() time.Time { return r.clock },
		Unlocked: func(path, passphrase string) { r.unlocked[path] = passphrase },
		Reload:   func(context.Context) error { r.reloads++; return nil },
	})
	t.Cleanup(r.Close)
	return r
}

// Open implements Places.
func (r *rig) Open(_ context.Context, _ *config.Config, account config.Account, key [32]byte) (providers.Store, error) {
	r.read = ""
	if source := account.Provider.Source(); !source.IsZero() {
		var err error
		if r.read, err = keyring.Read(source, &keyring.Options{Unlock: func() ([32]byte, error) { return key, nil }}); err != nil {
			return nil, err
		}
	}
	if r.password != "" && r.read != r.password {
		return nil, fmt.Errorf("test: %w", providers.ErrUnauthorised)
	}
	return r.store, nil
}

// Create implements Places.
func (r *rig) Create(context.Context, *config.Config, config.Account, [32]byte) error { return r.fail }

// Login implements Places.
func (r *rig) Login(*config.Config, config.Account, [32]byte) (*login.Login, error) {
	return nil, errors.New("no login here")
}

// sign takes the first wallet's signature.
func (r *rig) sign(name string) {
	r.t.Helper()
	wallet := parse(r.t, firstWallet)
	text, _, err := Message(wallet.Address())
	if err == nil {
		err = r.Sign(wallet.Address(), wallet.Sign(text), name)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// try takes a place and waits for its trial.
func (r *rig) try(a Answers) TrialState {
	r.t.Helper()
	if err := r.Place(a); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Try(); err != nil {
		r.t.Fatal(err)
	}
	<-r.draft.trial.done
	return r.State().Trial
}

func parse(t *testing.T, key string) identity.WalletKey {
	t.Helper()
	wallet, err := identity.ParseWalletKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return wallet
}

func storageKey(t *testing.T) string {
	t.Helper()
	key, err := keyring.Derive(keyring.FormWalletKey, firstWallet, "")
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(key[:])
}

// vault is a keyring in memory; a forgetful one loses what it was given.
type vault struct {
	mu        sync.Mutex
	kept      map[string]string
	forgetful bool
	away      bool
}

func (v *vault) Get(_ context.Context, name string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.away {
		return "", keyring.ErrNoVault
	}
	if secret, ok := v.kept[name]; ok && !v.forgetful {
		return secret, nil
	}
	return "", keyring.ErrNoEntry
}

func (v *vault) Set(_ context.Context, name, secret string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept[name] = secret
	return nil
}

func (v *vault) Delete(_ context.Context, name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.kept, name)
	return nil
}

// TestSign: nothing is kept before the signature is that of the account that was asked.
func TestSign(t *testing.T) {
	own, other := parse(t, firstWallet), parse(t, secondWallet)
	text, _, err := Message(strings.ToLower(own.Address()))
	if err != nil {
		t.Fatal(err)
	}
	good := own.Sign(text)
	derived := identity.AccountName(own.Address())
	for _, c := range []struct {
		title, address, signature, name string
		want                            string // the account's name
		word                            string // of the error
	}{
		{"right", own.Address(), good, "", derived, ""},
		{"lower case", strings.ToLower(own.Address()), good, "Alice.ETH", "alice.eth", ""},
		{"v from 0 on", own.Address(), good[:130] + map[string]string{"1b": "00", "1c": "01"}[good[130:]], "", derived, ""},
		{"another signer", own.Address(), other.Sign(text), "", "", "another account signed"},
		{"another address", other.Address(), good, "", "", "another account signed"},
		{"another text", own.Address(), own.Sign(text + " "), "", "", "another account signed"},
		{"a contract's", own.Address(), good + "00", "", "", "contracts"},
		{"nothing", own.Address(), "", "", "", "no signature"},
		{"no address", "0x12", good, "", "", "40 hex digits"},
		{"no name", own.Address(), good, "-alice.eth", "", "no dm3 name"},
	} {
		t.Run(c.title, func(t *testing.T) {
			r := newRig(t)
			err := r.Sign(c.address, c.signature, c.name)
			if state := r.State(); state.Name != c.want {
				t.Errorf("name %q, want %q", state.Name, c.want)
			}
			if (err == nil) != (c.word == "") || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("error %v, want %q", err, c.word)
			}
			if err != nil && c.signature != "" && strings.Contains(err.Error(), c.signature) {
				t.Error("the error quotes the signature")
			}
		})
	}
}

// TestKey: a storage key is taken with a name, a wallet's own key never.
func TestKey(t *testing.T) {
	for _, c := range []struct {
		title        string
		form         keyring.Form
		secret, name string
		word         string
	}{
		{"right", keyring.FormStorageKey, storageKey(t), "alice.eth", ""},
		{"no name", keyring.FormStorageKey, storageKey(t), "", "name is missing"},
		{"no key", keyring.FormStorageKey, "hunter2", "alice.eth", "has 44 letters, digits and signs"},
		{"a wallet's", keyring.FormWalletKey, firstWallet, "alice.eth", "not taken here"},
	} {
		t.Run(c.title, func(t *testing.T) {
			r := newRig(t)
			err := r.Key(c.form, c.secret, c.name)
			if (err == nil) != (c.word == "") || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("error %v, want %q", err, c.word)
			}
			if err != nil && strings.Contains(err.Error(), c.secret) {
				t.Error("the error quotes the secret")
			}
		})
	}
}

// TestOrder: no step comes before those that it needs.
func TestOrder(t *testing.T) {
	r := newRig(t)
	folder := Answers{Folder: t.TempDir()}
	if err := r.Place(folder); !errors.Is(err, ErrOrder) {
		t.Errorf("a place without an account: %v", err)
	}
	r.sign("alice.eth")
	if err := r.Try(); !errors.Is(err, ErrOrder) {
		t.Errorf("a trial without a place: %v", err)
	}
	if err := r.Place(Answers{}); !errors.Is(err, ErrAnswers) {
		t.Errorf("no place: %v", err)
	}
	if err := r.Place(Answers{Bucket: "b"}); !errors.Is(err, config.ErrConfig) || !strings.Contains(Explain(err), "region is missing") {
		t.Errorf("half a place: %v", err)
	}
	if err := r.Place(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Save(t.Context(), Keep{Word: KeepFile}, false); !errors.Is(err, ErrOrder) {
		t.Errorf("saved without a trial: %v", err)
	}
	if _, err := os.Stat(r.file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written before the end: %v", err)
	}
}

// TestForget: what was typed is gone when somebody gives up, and an hour after the last step.
func TestForget(t *testing.T) {
	r := newRig(t)
	r.sign("alice.eth")
	r.clock = r.clock.Add(patience)
	if r.State().Name == "" {
		t.Error("forgotten too early")
	}
	r.clock = r.clock.Add(patience + time.Second)
	if r.State().Name != "" {
		t.Error("not forgotten after an hour")
	}
	r.sign("alice.eth")
	r.Forget()
	if r.State().Name != "" || r.draft.key != [32]byte{} {
		t.Error("not forgotten")
	}
}

// TestPlaceSecret: a secret is used for the place that it was typed for, and for no other one.
func TestPlaceSecret(t *testing.T) {
	r := newRig(t)
	r.password = "hunter2"
	r.sign("alice.eth")
	dav := Answers{URL: "https://dav.example.org/history", Username: "alice", PlaceSecret: "hunter2"}
	if got := r.try(dav); !got.OK {
		t.Fatalf("%+v", got)
	}
	if state := r.State(); !state.Secret || strings.Contains(fmt.Sprintf("%+v", state), "hunter2") {
		t.Errorf("the state shows %+v", state)
	}
	dav.PlaceSecret = ""
	if got := r.try(dav); !got.OK || r.read != "hunter2" {
		t.Errorf("not kept for the same place: %+v", got)
	}
	dav.URL = "https://elsewhere.example.org/history"
	if err := r.Place(dav); err == nil || r.State().Place.URL != "https://dav.example.org/history" {
		t.Errorf("taken without a secret of its own: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(r.file), "*"))
	hidden, hiddenErr := filepath.Glob(filepath.Join(filepath.Dir(r.file), ".*"))
	if err != nil || hiddenErr != nil || len(left)+len(hidden) != 0 {
		t.Errorf("trials left %q %q, %v %v", left, hidden, err, hiddenErr)
	}
}
