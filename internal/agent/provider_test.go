package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers/all"
	"github.com/dm3sync/dm3sync/providers/local"
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
		{"a bucket", config.Provider{Kind: "s3", Bucket: "b", Endpoint: "http://127.0.0.1:1", AccessKeyID: "id", SecretFile: secret}, "s3", nil},
		{"no secret", config.Provider{Kind: "s3", Bucket: "b", AccessKeyID: "id", SecretFile: secret + "x"}, "", keyring.ErrSource},
		{"memory", config.Provider{Kind: "memory"}, "memory", nil},
		{"something else", config.Provider{Kind: "tape"}, "", all.ErrUnknownKind},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := OpenProvider(t.Context(), config.Account{Provider: c.provider}, nil)
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
	settings, err := providerSettings(config.Provider{Kind: "s3", AccessKeyID: "id", SecretFile: secret, Parallel: 3}, nil)
	if err != nil || settings.S3.Options.SecretKey != "key" || settings.S3.Options.Parallel != 3 {
		t.Errorf("%+v, %v", settings.S3.Options.Parallel, err)
	}
}
