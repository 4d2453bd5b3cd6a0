package keyring_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// Identity "a0" of the vectors: a well-known test wallet with nonce "0".
const (
	walletKey  = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	signature  = "0xd0c8670780af9e57b919ce3b7f77ebd78997f54851428332ef686c71799cc4414269ece9e91ab800293843f776cebfe6ea771fa3465aeb8a85fc4e77a5fac8be1b"
	storageKey = "BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38="
	keyHex     = "04daef7ad6bed393d151c24d84f98a8f727098842d1a58d9f234b6c0b094937f"
)

func TestDerive(t *testing.T) {
	for _, c := range []struct {
		name   string
		form   keyring.Form
		secret string
		nonce  string
	}{
		{"storage key", keyring.FormStorageKey, storageKey, ""},
		{"signature", keyring.FormSignature, signature, ""},
		{"signature with v = 0", keyring.FormSignature, signature[:130] + "00", ""},
		{"wallet key", keyring.FormWalletKey, walletKey, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := keyring.Derive(c.form, c.secret, c.nonce)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(key[:]); got != keyHex {
				t.Errorf("storage key %s, want %s", got, keyHex)
			}
		})
	}
}

func TestDeriveUsesTheDefaultNonce(t *testing.T) {
	with, err := keyring.Derive(keyring.FormWalletKey, walletKey, "")
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(with[:]) == keyHex {
		t.Error("the default nonce gives the key of nonce 0")
	}
}

func TestDeriveRefuses(t *testing.T) {
	for _, c := range []struct {
		name, secret string
		form         keyring.Form
		hint         string
	}{
		{"short key", storageKey[:40], keyring.FormStorageKey, "32 bytes"},
		{"line break inside a key", storageKey[:20] + "\n" + storageKey[20:], keyring.FormStorageKey, "32 bytes"},
		{"signature as key", signature, keyring.FormStorageKey, `form = "signature"`},
		{"wallet as key", walletKey, keyring.FormStorageKey, `form = "wallet-key"`},
		{"key as signature", storageKey, keyring.FormSignature, `form = "storage-key"`},
		{"wallet as signature", walletKey, keyring.FormSignature, `form = "wallet-key"`},
		{"signature as wallet", signature, keyring.FormWalletKey, `form = "signature"`},
		{"no hex", "0x" + strings.Repeat("zz", 32), keyring.FormWalletKey, "64 hex digits"},
		{"unknown form", storageKey, "seed", "unknown form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := keyring.Derive(c.form, c.secret, "")
			if !errors.Is(err, keyring.ErrSecret) {
				t.Fatalf("error %v, want ErrSecret", err)
			}
			if !strings.Contains(err.Error(), c.hint) {
				t.Errorf("error %q lacks %q", err, c.hint)
			}
			noSecret(t, err.Error(), c.secret)
		})
	}
}

func TestReadFromEverywhere(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "alice")
	write(t, path, " "+storageKey+"\n", 0o600)
	options := &keyring.Options{LookupEnv: environment(map[string]string{"ALICE_KEY": storageKey, "CREDENTIALS_DIRECTORY": folder})}
	for _, source := range []keyring.Source{{File: path}, {Env: "ALICE_KEY"}, {Credential: "alice"}} {
		got, err := keyring.Read(source, options)
		if err != nil || got != storageKey {
			t.Errorf("%s: error %v, right secret: %t", source, err, got == storageKey)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "empty"), "\n", 0o600)
	write(t, filepath.Join(folder, "large"), strings.Repeat("A", 5000), 0o600)
	credentials := environment(map[string]string{"CREDENTIALS_DIRECTORY": folder})
	for _, c := range []struct {
		name   string
		source keyring.Source
		lookup func(string) (string, bool)
		wayOut string
	}{
		{"nothing", keyring.Source{}, nil, "set one of"},
		{"two places", keyring.Source{File: "a", Env: "B"}, nil, "only one"},
		{"absent file", keyring.Source{File: filepath.Join(folder, "absent")}, nil, "no such file"},
		{"folder", keyring.Source{File: folder}, nil, "no regular file"},
		{"empty file", keyring.Source{File: filepath.Join(folder, "empty")}, nil, "is empty"},
		{"large file", keyring.Source{File: filepath.Join(folder, "large")}, nil, "4096 bytes"},
		{"absent variable", keyring.Source{Env: "ALICE_KEY"}, environment(nil), "ALICE_KEY is not set"},
		{"no service", keyring.Source{Credential: "alice"}, environment(nil), "LoadCredential=alice"},
		{"way out of the folder", keyring.Source{Credential: "../alice"}, credentials, "no name"},
		{"parent", keyring.Source{Credential: ".."}, credentials, "no name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := keyring.Read(c.source, &keyring.Options{LookupEnv: c.lookup})
			if !errors.Is(err, keyring.ErrSource) {
				t.Fatalf("error %v, want ErrSource", err)
			}
			if !strings.Contains(err.Error(), c.wayOut) {
				t.Errorf("error %q lacks %q", err, c.wayOut)
			}
		})
	}
}

func TestReadWarnsAboutWidePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	for mode, wide := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true, 0o602: true} {
		path := filepath.Join(t.TempDir(), "key")
		write(t, path, storageKey, mode)
		var warnings []string
		_, err := keyring.Read(keyring.Source{File: path}, &keyring.Options{Warn: func(s string) { warnings = append(warnings, s) }})
		if err != nil {
			t.Fatal(err)
		}
		if (len(warnings) == 1) != wide {
			t.Errorf("mode %04o: warnings %q", mode, warnings)
		}
		if wide {
			noSecret(t, warnings[0], storageKey)
		}
	}
}

func TestStorageKeyNamesThePlaceInErrors(t *testing.T) {
	options := &keyring.Options{LookupEnv: environment(map[string]string{"ALICE_KEY": walletKey})}
	_, err := keyring.StorageKey(keyring.Source{Env: "ALICE_KEY"}, keyring.FormStorageKey, "", options)
	if !errors.Is(err, keyring.ErrSecret) || !strings.Contains(err.Error(), "ALICE_KEY") {
		t.Errorf("error %v", err)
	}
	noSecret(t, err.Error(), walletKey)
}

// FuzzDerive: whatever stands in a secret file, there is a key or ErrSecret, and
// no error quotes it.
func FuzzDerive(f *testing.F) {
	for _, seed := range []string{storageKey, signature, walletKey, "", "0x", strings.Repeat("A", 44)} {
		f.Add("storage-key", seed)
		f.Add("signature", seed)
		f.Add("wallet-key", seed)
	}
	f.Fuzz(func(t *testing.T, form, secret string) {
		_, err := keyring.Derive(keyring.Form(form), secret, "")
		if err == nil {
			return
		}
		if !errors.Is(err, keyring.ErrSecret) {
			t.Fatalf("error %v", err)
		}
		if keyring.Form(form).Valid() {
			noSecret(t, err.Error(), secret)
		}
	})
}

// noSecret fails when a long part of the secret stands in the text.
func noSecret(t *testing.T, text, secret string) {
	t.Helper()
	for i := 0; i+16 <= len(secret); i++ {
		if part := secret[i : i+16]; strings.Contains(text, part) {
			t.Fatal("the text quotes the secret")
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}
