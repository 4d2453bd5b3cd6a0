package all_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/all"
	"github.com/dm3sync/dm3sync/providers/dm3node"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/s3"
	"github.com/dm3sync/dm3sync/providers/webdav"
	xwebdav "golang.org/x/net/webdav"
)

// TestEveryKind: each kind opens, says its own name, and is closed.
func TestEveryKind(t *testing.T) {
	server := httptest.NewServer(&xwebdav.Handler{FileSystem: xwebdav.NewMemFS(), LockSystem: xwebdav.NewMemLS()})
	defer server.Close()
	drive := drivetest.New()
	defer drive.Close()
	kubo := kubotest.New().Add()
	defer kubo.Close()
	for _, kind := range all.Kinds() {
		settings := all.Settings{
			Kind:  kind,
			Local: all.Local{Path: filepath.Join(t.TempDir(), "new", "folder"), Options: local.Options{Carried: true, Parallel: 2}},
			S3: all.S3{Bucket: "bucket", Options: s3.Options{
				Endpoint: "http://127.0.0.1:1", Region: "x", AccessKey: "k", SecretKey: "s", Parallel: 2,
			}},
			WebDAV:   webdav.Options{URL: server.URL + "/new/folder", Parallel: 2},
			Drive:    gdrive.Options{Tokens: drive, Endpoint: drive.URL, Parallel: 2, Again: 1},
			IPFS:     ipfs.Options{Endpoint: kubo.URL, Device: 1, Devices: 2, Parallel: 2},
			Postgres: postgres.Options{DSN: "postgres://u@127.0.0.1:1/d", Secret: "s", Partition: "p", Parallel: 2},
			Node: dm3node.Options{
				URL: "http://127.0.0.1:1", Account: "alice.eth", Partition: "x", Parallel: 2,
				Sign: func(context.Context, string) (string, error) { return "", nil },
			},
			File: all.File{Path: filepath.Join(t.TempDir(), "new", "file"), Options: archive.Options{Parallel: 2}},
		}
		if kind == postgres.Kind { // no database without a server: that one can be told to make its tables is enough here
			if err := all.Create(t.Context(), settings); !errors.Is(err, providers.ErrTransient) || !all.Creates(kind) {
				t.Errorf("%s: %v", kind, err)
			}
		} else if err := all.Create(t.Context(), settings); err != nil {
			t.Fatalf("%s: %v", kind, err)
		} else if err := all.Create(t.Context(), settings); err != nil {
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
	if store, err := all.Open(t.Context(), all.Settings{Kind: archive.Kind, File: all.File{Path: missing.Local.Path}}); store != nil || !errors.Is(err, archive.ErrNoFile) {
		t.Errorf("a missing file: %v %v", store, err)
	}
	if store, err := all.Open(t.Context(), all.Settings{Kind: webdav.Kind}); store != nil || err == nil {
		t.Errorf("no url: %v %v", store, err)
	}
	if store, err := all.Open(t.Context(), all.Settings{Kind: gdrive.Kind}); store != nil || err == nil {
		t.Errorf("no tokens: %v %v", store, err)
	}
	if store, err := all.Open(t.Context(), all.Settings{Kind: postgres.Kind}); store != nil || err == nil {
		t.Errorf("no dsn: %v %v", store, err)
	}
	if store, err := all.Open(t.Context(), all.Settings{Kind: dm3node.Kind}); store != nil || err == nil {
		t.Errorf("no node: %v %v", store, err)
	}
	if store, err := all.Open(t.Context(), all.Settings{Kind: s3.Kind}); store != nil || err == nil {
		t.Errorf("no bucket: %v %v", store, err)
	}
}
