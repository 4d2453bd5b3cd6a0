package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/readable"
)

// TestAttachmentsIntoPages: an attachment is fetched from a server, lies sealed on this device, and comes with the pages when
// that is asked for, and not before.
func TestAttachmentsIntoPages(t *testing.T) {
	const secret = "what the sender's server has"
	var requests atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		fmt.Fprint(w, secret)
	}))
	defer server.Close()
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	run := func(arguments ...string) string {
		t.Helper()
		var out bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, err: &out, environ: environment(folder), now: time.Now}
		if code := p.main(t.Context(), arguments); code != exitDone {
			t.Fatalf("%v: code %d: %s", arguments, code, &out)
		}
		return out.String()
	}
	run("init", "--new-wallet", "--name", "alice.eth", "--secret-file", path("wallet.key"), "--folder", path("place"))
	message := map[string]any{"message": "look", "metadata": map[string]any{"from": "bob.eth", "to": "alice.eth", "type": "NEW", "timestamp": 1_700_000_000_000},
		"signature": base64.StdEncoding.EncodeToString(make([]byte, 64)), "attachments": []any{map[string]string{"name": "note.txt", "data": server.URL + "/note"}}}
	text, err := json.Marshal(map[string]any{"message": message})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("one.ndjson"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	run("append", path("one.ndjson"), "--sync")
	run("fetch-attachments")
	if run("export", "--readable", "html", "--to", path("before"), "--yes"); requests.Load() != 0 {
		t.Fatalf("%d requests to a private network", requests.Load())
	}

	// The only difference to the verb: this machine may be asked, and its certificate is trusted.
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	p := &program{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, environ: environment(folder), now: time.Now}
	var o readable.Options
	if err := p.selectMessages(&selectionFlags{}, &o); err != nil {
		t.Fatal(err)
	}
	fetch := attachments.Options{Allowed: netip.Addr.IsLoopback, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	err = p.with(t.Context(), func(s *session) error {
		return p.fetchAndPrint(t.Context(), s, &selectionFlags{}, &o, fetch, true)
	})
	if err != nil || requests.Load() != 1 {
		t.Fatalf("%d requests: %v", requests.Load(), err)
	}
	if sealed := holding(t, path("data"), secret); len(sealed) != 0 {
		t.Errorf("plaintext in %q", sealed)
	}
	if out := run("fetch-attachments", "--prune"); !strings.Contains(out, "1 kept already, 0 not to be had\n0 files removed") {
		t.Error(out)
	}
	coded := base64.StdEncoding.EncodeToString([]byte(secret))
	run("export", "--readable", "html", "--to", path("without"), "--yes")
	run("export", "--readable", "html", "--to", path("with"), "--yes", "--attachments")
	if len(holding(t, path("without"), coded)) != 0 || len(holding(t, path("with"), coded)) != 1 || requests.Load() != 1 {
		t.Errorf("%q, %d requests", holding(t, path("with"), coded), requests.Load())
	}

	// What another message refers to, or was never fetched, is not told.
	for number, name := range []string{"/note", "/never"} {
		message["attachments"] = []any{map[string]string{"name": "note.txt", "data": server.URL + name}}
		message["metadata"].(map[string]any)["timestamp"] = 1_700_000_000_001 + number
		text, err := json.Marshal(map[string]any{"message": message})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path("more.ndjson"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		run("append", path("more.ndjson"))
	}
	if out := run("delete", "bob.eth", "--from", "2023-11-14T22:13:20.001Z", "--yes"); !strings.Contains(out, "2 messages deleted") || strings.Contains(out, "fetched attachment") {
		t.Error(out)
	}

	// Deleted with its message, and not before the user prunes.
	if out := run("delete", "bob.eth", "--conversation", "--yes"); !strings.Contains(out, "keeps 1 fetched attachment of them; `dm3sync fetch-attachments --prune`") {
		t.Error(out)
	}
	if out := run("fetch-attachments", "--prune"); !strings.Contains(out, "2 files removed") {
		t.Error(out)
	}
}

// environment is a user's with all folders in one.
func environment(folder string) []string {
	return []string{"HOME=" + folder, "DM3SYNC_CONFIG=" + filepath.Join(folder, "config.toml"), "DM3SYNC_DATA=" + filepath.Join(folder, "data")}
}

// holding lists the files below a folder that hold a text.
func holding(t *testing.T, folder, text string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
