package all_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/providers/all"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/s3"
)

// TestEveryKind: each kind opens, says its own name, and is closed.
func TestEveryKind(t *testing.T) {
	for _, kind := range all.Kinds() {
		settings := all.Settings{
			Kind:  kind,
			Local: all.Local{Path: filepath.Join(t.TempDir(), "new", "folder"), Options: local.Options{Carried: true, Parallel: 2}},
			S3: all.S3{Bucket: "bucket", Options: s3.Options{
				Endpoint: "http://127.0.0.1:1", Region: "x", AccessKey: "k", SecretKey: "s", Parallel: 2,
			}},
		}
		if err := all.Create(t.Context(), settings); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := all.Create(t.Context(), settings); err != nil {
			t.Errorf("%s, again: %v", kind, err)
		}
		store, err := all.Open(t.Context(), settings)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if p := store.Properties(); p.Kind != kind || (p.Parallel != 2 && kind != "memory") || p.Carried != (kind == local.Kind) {
			t.Errorf("%s: %+v", kind, p)
		}
		if err := store.Close(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, kind := range []string{"", "ftp"} {
		if err := all.Create(t.Context(), all.Settings{Kind: kind}); !errors.Is(err, all.ErrUnknownKind) {
			t.Errorf("create %q: %v", kind, err)
		}
		if _, err := all.Open(t.Context(), all.Settings{Kind: kind}); !errors.Is(err, all.ErrUnknownKind) {
			t.Errorf("open %q: %v", kind, err)
		}
	}
	missing := all.Settings{Kind: local.Kind, Local: all.Local{Path: filepath.Join(t.TempDir(), "missing")}}
	if store, err := all.Open(t.Context(), missing); store != nil || !errors.Is(err, local.ErrNoFolder) {
		t.Errorf("a missing folder: %v %v", store, err)
	}
	if store, err := all.Open(t.Context(), all.Settings{Kind: s3.Kind}); store != nil || err == nil {
		t.Errorf("no bucket: %v %v", store, err)
	}
}
