package agent

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/all"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

func TestOpenProvider(t *testing.T) {
	folder := t.TempDir()
	secret := filepath.Join(folder, "secret")
	if err := os.WriteFile(secret, []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(folder, "made")
	if err := local.Create(made); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		provider config.Provider
		kind     string
		want     error
	}{
		{"a folder", config.Provider{Kind: "folder", Path: made, Carried: true}, local.Kind, nil},
		{"a folder that is not there", config.Provider{Kind: "folder", Path: folder}, "", local.ErrNoFolder},
		{"a file that is not there", config.Provider{Kind: "file", Path: filepath.Join(folder, "missing")}, "", archive.ErrNoFile},
		{"a bucket", config.Provider{Kind: "s3", Bucket: "b", Endpoint: "http://127.0.0.1:1", AccessKeyID: "id", SecretFile: secret}, "s3", nil},
		{"no secret", config.Provider{Kind: "s3", Bucket: "b", AccessKeyID: "id", SecretFile: secret + "x"}, "", keyring.ErrSource},
		{"a collection", config.Provider{Kind: "webdav", URL: "http://127.0.0.1:1/dav", Auth: "digest", Username: "id", SecretFile: secret}, "webdav", nil},
		{"no password", config.Provider{Kind: "webdav", URL: "http://127.0.0.1:1/dav", Username: "id", SecretFile: secret + "x"}, "", keyring.ErrSource},
		{"memory", config.Provider{Kind: "memory"}, "memory", nil},
		{"something else", config.Provider{Kind: "tape"}, "", all.ErrUnknownKind},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := OpenProvider(t.Context(), config.Account{Provider: c.provider}, PlaceOptions{})
			if !errors.Is(err, c.want) {
				t.Fatal(err)
			}
			if err != nil {
				if store != nil {
					t.Error("a store beside an error")
				}
				return
			}
			defer store.Close()
			if p := store.Properties(); p.Kind != c.kind || p.Carried != c.provider.Carried {
				t.Errorf("%+v", p)
			}
		})
	}
	place := config.Provider{
		Kind: "webdav", URL: "https://host/dav", Auth: "basic", Username: "id", SecretFile: secret, CAFile: "ca", ClientCertificateFile: "c",
		ClientKeyFile: "k", Proxy: "http://proxy", Parallel: 3,
	}
	wanted := webdav.Options{
		URL: "https://host/dav", Auth: "basic", Username: "id", Secret: "key", CAFile: "ca", CertificateFile: "c",
		KeyFile: "k", Proxy: "http://proxy", Parallel: 3,
	}
	if settings, _, err := providerSettings(config.Account{Provider: place}, PlaceOptions{}); err != nil || settings.WebDAV != wanted {
		t.Errorf("%+v, %v", settings.WebDAV, err)
	}
	settings, _, err := providerSettings(config.Account{Provider: config.Provider{Kind: "s3", AccessKeyID: "id", SecretFile: secret, Parallel: 3}}, PlaceOptions{})
	if err != nil || settings.S3.Options.SecretKey != "key" || settings.S3.Options.Parallel != 3 {
		t.Errorf("%+v, %v", settings.S3.Options.Parallel, err)
	}
}

// TestPostgresOptions: every setting of a database reaches the store; devices of one account share a partition, which shows
// no name and no key, and other accounts have others.
func TestPostgresOptions(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	place := config.Provider{
		Kind: "postgres", DSN: "postgres://u@h/d", SecretFile: secret, CAFile: "ca", ClientCertificateFile: "c", ClientKeyFile: "k", Parallel: 3,
	}
	partitions := map[string]bool{}
	for _, c := range []struct {
		name string
		key  byte
	}{{"alice.eth", 1}, {"alice.eth", 1}, {"bob.eth", 1}, {"alice.eth", 2}} {
		unlock := func() ([32]byte, error) { return [32]byte{c.key}, nil }
		settings, _, err := providerSettings(config.Account{Name: c.name, Provider: place}, PlaceOptions{Unlock: unlock})
		got := settings.Postgres
		_, root, failed := keys([32]byte{c.key}, config.Account{Name: c.name})
		if err != nil || failed != nil || len(got.Partition) != 64 || strings.Contains(string(root), got.Partition) {
			t.Fatalf("%+v %v %v", got, err, failed)
		}
		partitions[got.Partition] = true
		got.Partition = ""
		if want := (postgres.Options{
			DSN: "postgres://u@h/d", Secret: "key", CAFile: "ca", CertificateFile: "c", KeyFile: "k", Parallel: 3,
		}); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v", got)
		}
	}
	if len(partitions) != 3 {
		t.Errorf("%d partitions for three accounts", len(partitions))
	}
	locked := errors.New("locked")
	unlock := func() ([32]byte, error) { return [32]byte{}, locked }
	if _, err := OpenProvider(t.Context(), config.Account{Name: "alice.eth", Provider: place}, PlaceOptions{Unlock: unlock}); !errors.Is(err, locked) {
		t.Errorf("a locked account: %v", err)
	}
}

// TestDriveOptions: every setting of a Drive folder reaches the store.
func TestDriveOptions(t *testing.T) {
	server := drivetest.New()
	defer server.Close()
	place := config.Provider{
		Kind: "drive", ClientID: "id", Space: "files", Folder: "history", SharedDrive: "0A", Endpoint: server.URL, CAFile: "ca",
		Proxy: "http://proxy", Parallel: 3,
	}
	got := driveOptions(place, server, nil)
	if got.Warn = nil; got.Tokens != server {
		t.Error("without the login's tokens")
	}
	got.Tokens = nil
	if want := (gdrive.Options{
		Space: "files", Folder: "history", SharedDrive: "0A", Endpoint: server.URL, CAFile: "ca", Proxy: "http://proxy", Parallel: 3,
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	account := config.Account{Name: "alice.eth", Provider: place}
	account.Provider.CAFile, account.Provider.Proxy = "", ""
	store, err := OpenProvider(t.Context(), account, PlaceOptions{Config: &config.Config{Data: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Get(t.Context(), "a/b"); !errors.Is(err, login.ErrNeeded) || !errors.Is(err, providers.ErrUnauthorised) {
		t.Errorf("without a login: %v", err)
	}
	if warning := warningOf(store, time.Now()); !strings.Contains(warning, "dm3sync login drive") {
		t.Errorf("warning %q", warning)
	}
	if len(server.Counts()) > 0 {
		t.Errorf("asked %v without a login", server.Counts())
	}
}
