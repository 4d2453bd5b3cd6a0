package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

// read loads what the rig's file says, with the environment of the rig.
func (r *rig) account(name string) (*config.Config, *config.Account) {
	r.t.Helper()
	c, err := config.Load(r.file, &config.Options{Environ: r.options.Environ})
	if err != nil {
		r.t.Fatal(err)
	}
	account, err := c.Account(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return c, account
}

// TestSave: the account is written privately, with its secrets where they were wanted, and is what was tried; a second one
// comes beside it, and what stood in the file stays.
func TestSave(t *testing.T) {
	for _, keep := range []string{KeepFile, KeepKeyring, KeepLocked} {
		t.Run(keep, func(t *testing.T) {
			r := newRig(t)
			r.sign("alice.eth")
			r.try(Answers{URL: "https://dav.example.org/history", Username: "alice", PlaceSecret: "hunter2"})
			done, err := r.Save(t.Context(), Keep{keep, "correct horse"}, false)
			if err != nil || done.Name != "alice.eth" || done.Waits != "" || r.reloads != 1 || r.State().Name != "" {
				t.Fatalf("%+v, %v, %d reloads", done, err, r.reloads)
			}
			_, account := r.account("alice.eth")
			options := &keyring.Options{Vault: r.vault, Passphrase: func(path string) string { return r.unlocked[path] }}
			key, err := keyring.StorageKey(account.Secret.Source(), keyring.FormStorageKey, "", options)
			if want, _ := keyring.Derive(keyring.FormWalletKey, firstWallet, ""); err != nil || key != want {
				t.Errorf("the key is not kept: %v", err)
			}
			options.Unlock = func() ([32]byte, error) { return key, nil }
			if secret, err := keyring.Read(account.Provider.Source(), options); err != nil || secret != "hunter2" {
				t.Errorf("the place's secret is not kept: %v", err)
			}
			text, err := os.ReadFile(r.file)
			if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), storageKey(t)) {
				t.Errorf("%v\n%s", err, text)
			}
			if err := os.WriteFile(r.file, append([]byte("# mine\n"), text...), 0o600); err != nil {
				t.Fatal(err)
			}
			r.sign("bob.eth")
			r.try(Answers{Folder: filepath.Join(t.TempDir(), "$odd")})
			if _, err := r.Save(t.Context(), Keep{keep, "correct horse"}, false); err != nil {
				t.Fatal(err)
			}
			c, second := r.account("bob.eth")
			if len(c.Accounts) != 2 || filepath.Base(second.Provider.Path) != "$odd" || c.Accounts[0].Provider.URL == "" {
				t.Errorf("%+v", c.Accounts)
			}
			if text, err := os.ReadFile(r.file); err != nil || !strings.HasPrefix(string(text), "# mine\n") {
				t.Errorf("%v\n%s", err, text)
			}
			if err := r.Key(keyring.FormStorageKey, storageKey(t), "Bob.eth"); !errors.Is(err, ErrAnswers) {
				t.Errorf("an account twice: %v", err)
			}
			private(t, filepath.Dir(r.file))
		})
	}
}

// private fails the test when others can read a file of a folder.
func private(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
}

// TestSaveFails: when the end can't be reached, no secret stays behind and no account is half there.
func TestSaveFails(t *testing.T) {
	t.Run("a keyring that forgets", func(t *testing.T) {
		r := newRig(t)
		r.sign("alice.eth")
		r.try(Answers{Folder: t.TempDir()})
		r.vault.forgetful = true
		if _, err := r.Save(t.Context(), Keep{Word: KeepKeyring}, false); !errors.Is(err, keyring.ErrNoVault) || len(r.vault.kept) != 0 {
			t.Errorf("%v, %d entries", err, len(r.vault.kept))
		}
	})
	t.Run("a file of an older form", func(t *testing.T) {
		r := newRig(t)
		text := "account = [{name = \"bob.eth\", secret = {env = \"KEY\"}, provider = {kind = \"folder\", path = \"/x\"}}]\n"
		if err := os.MkdirAll(filepath.Dir(r.file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.sign("alice.eth")
		if err := r.Place(Answers{Folder: t.TempDir()}); !errors.Is(err, config.ErrConfig) {
			t.Errorf("%v", err)
		}
		if now, err := os.ReadFile(r.file); err != nil || string(now) != text {
			t.Errorf("%v\n%s", err, now)
		}
	})
	t.Run("a short passphrase", func(t *testing.T) {
		r := newRig(t)
		r.sign("alice.eth")
		r.try(Answers{Folder: t.TempDir()})
		if _, err := r.Save(t.Context(), Keep{KeepLocked, "short"}, false); !errors.Is(err, keyring.ErrPassphrase) || r.State().Name == "" {
			t.Error(err)
		}
		if _, err := os.Stat(r.file); err == nil {
			t.Error("a configuration was written")
		}
	})
	t.Run("no such word", func(t *testing.T) {
		r := newRig(t)
		r.sign("alice.eth")
		r.try(Answers{Folder: t.TempDir()})
		if _, err := r.Save(t.Context(), Keep{Word: "clipboard"}, false); !errors.Is(err, ErrAnswers) {
			t.Error(err)
		}
	})
}

// TestPutOnlyWhatIsRight: a text that means nothing is not written.
func TestPutOnlyWhatIsRight(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	if _, err := put(file, nil, []byte("a = = b\n"), []string{"HOME=/home/alice"}); !errors.Is(err, config.ErrConfig) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was written: %v", err)
	}
}

// TestKeepers: the keyring is offered where it answers, and else it is said that it does not.
func TestKeepers(t *testing.T) {
	r := newRig(t)
	if keepers := r.Keepers(t.Context()); len(keepers) != 3 || keepers[0].Word != KeepKeyring {
		t.Errorf("%+v", keepers)
	}
	r.vault.away = true
	if keepers := r.Keepers(t.Context()); len(keepers) != 2 || keepers[0].Word != KeepFile || !strings.Contains(keepers[0].Why, "not available here") {
		t.Errorf("%+v", keepers)
	}
}
