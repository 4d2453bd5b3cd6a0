package attachments_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/attachments"
)

func open(t *testing.T, folder string, key byte) *attachments.Store {
	t.Helper()
	s, err := attachments.Open(folder, [32]byte{key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lock locks a store for a test.
func lock(t *testing.T, s *attachments.Store) {
	t.Helper()
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	})
}

// names lists the files of a store, without its lock.
func names(t *testing.T, folder string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != "lock" {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestStore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "[a] data folder", "attachments")
	s := open(t, folder, 1)
	if _, err := s.Get(t.Context(), "https://a"); !errors.Is(err, attachments.ErrNotFound) || s.Has(t.Context(), "https://a") {
		t.Errorf("before: %v", err)
	}
	lock(t, s)
	secret := []byte(strings.Repeat("a picture of the cat ", 500))
	for _, f := range []attachments.File{
		{URI: "https://a/cat", Type: "image/png", Fetched: 5, Data: secret},
		{URI: "https://b/cat", Type: "image/png", Fetched: 6, Data: secret}, // the same content elsewhere
		{URI: "https://c/empty", Type: "text/plain", Fetched: 7, Data: []byte{}},
	} {
		if err := s.Put(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		got, err := open(t, folder, 1).Get(t.Context(), f.URI)
		if err != nil || got.Type != f.Type || got.Fetched != f.Fetched || !bytes.Equal(got.Data, f.Data) || !s.Has(t.Context(), f.URI) {
			t.Errorf("%s: %v", f.URI, err)
		}
	}
	files := names(t, folder)
	if len(files) != 5 { // three references, two contents
		t.Errorf("%d files", len(files))
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(secret))
	for _, file := range files {
		data, err := os.ReadFile(file)
		info, statErr := os.Stat(file)
		if errors.Join(err, statErr) != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(err, statErr, info.Mode())
		}
		if bytes.Contains(data, []byte("cat")) || strings.Contains(sum, filepath.Base(file)) || (len(data)-41)%4096 != 0 {
			t.Errorf("%s of %d bytes tells something", file, len(data))
		}
	}
	if other := open(t, folder, 2); other.Has(t.Context(), "https://a/cat") {
		t.Error("another account has it")
	}
}

// TestDamagedCopies: every byte counts, and files can't stand for one another; archiving again mends.
func TestDamagedCopies(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, 1)
	file := attachments.File{URI: "https://a", Data: []byte("content")}
	if err := s.Put(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	files := names(t, folder)
	if len(files) != 2 {
		t.Fatal(files)
	}
	for _, path := range files {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(files[1-slices.Index(files, path)])
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(whole)
		changed[len(changed)/2] ^= 1
		for name, text := range map[string][]byte{"changed": changed, "cut off": whole[:len(whole)-1], "empty": nil, "swapped": other, "zeros": make([]byte, len(whole))} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), "https://a"); !errors.Is(err, attachments.ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s.Has(t.Context(), "https://a") {
			t.Error("a damaged copy counts")
		}
		if err := s.Put(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), "https://a"); err != nil || string(got.Data) != "content" {
			t.Errorf("not mended: %v", err)
		}
	}
}

func TestLock(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, 1)
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, folder, 1).Lock(); !errors.Is(err, attachments.ErrInUse) {
		t.Errorf("locked twice: %v", err)
	}
	part := filepath.Join(folder, "part-123")
	if err := errors.Join(os.WriteFile(part, nil, 0o600), unlock()); err != nil {
		t.Fatal(err)
	}
	lock(t, s)
	if _, err := os.Stat(part); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed run left is there: %v", err)
	}
}

// TestPrune: what no message refers to any more goes, and nothing else.
func TestPrune(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "[a] data folder")
	s := open(t, folder, 1)
	for uri, data := range map[string]string{"https://a": "shared", "https://b": "shared", "https://c": "alone", "https://d": strings.Repeat("large", 50_000)} {
		if err := s.Put(t.Context(), attachments.File{URI: uri, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	foreign := filepath.Join(folder, "ab", "notes.txt")
	if err := errors.Join(os.MkdirAll(filepath.Dir(foreign), 0o700), os.WriteFile(foreign, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	live := map[[32]byte]bool{sha256.Sum256([]byte("https://a")): true, sha256.Sum256([]byte("https://d")): true}
	removed, err := s.Prune(t.Context(), live)
	if err != nil || removed != 3 { // two references, one content
		t.Errorf("%d removed, %v", removed, err)
	}
	for uri, want := range map[string]bool{"https://a": true, "https://b": false, "https://c": false, "https://d": true} {
		if s.Has(t.Context(), uri) != want {
			t.Errorf("%s is there: %v", uri, !want)
		}
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

// TestNewerVersion: what a newer program wrote is neither taken for damage nor removed.
func TestNewerVersion(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, 1)
	if err := s.Put(t.Context(), attachments.File{URI: "https://a", Data: []byte("content")}); err != nil {
		t.Fatal(err)
	}
	files := names(t, folder)
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[0]++
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(t.Context(), "https://a"); !errors.Is(err, attachments.ErrNewer) {
		t.Error(err)
	}
	if err := s.Put(t.Context(), attachments.File{URI: "https://a", Data: []byte("content")}); !errors.Is(err, attachments.ErrNewer) {
		t.Error(err)
	}
	if err := s.Put(t.Context(), attachments.File{URI: "https://b", Data: []byte("content")}); !errors.Is(err, attachments.ErrNewer) {
		t.Error(err)
	}
	if removed, err := s.Prune(t.Context(), nil); !errors.Is(err, attachments.ErrNewer) || removed != 0 || len(names(t, folder)) != len(files) {
		t.Errorf("%d removed: %v", removed, err)
	}
}

// addresses yields them, then an error unless it is nil.
func addresses(list []string, last error) func(func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for _, uri := range list {
			if !yield(uri, nil) {
				return
			}
		}
		if last != nil {
			yield("", last)
		}
	}
}

func TestArchive(t *testing.T) {
	s := newServer(t, content)
	f, store := fetcher(t, s, attachments.Options{}), open(t, t.TempDir(), 1)
	lock(t, store)
	list := []string{s.URL + "/text", s.URL + "/missing", s.URL + "/text", s.URL + "/page", "http://plain", s.URL + "/missing"}
	var looked int
	report, err := attachments.Archive(t.Context(), f, store, addresses(list, nil), func(done int) { looked = done })
	if err != nil || report.Fetched != 2 || report.Failed != 2 || report.Kept != 0 || report.Bytes != 49 || len(report.Failures) != 2 || report.Stopped != "" || looked != 6 {
		t.Errorf("%+v %v, %d", report, err, looked)
	}
	before := len(s.asked())
	report, err = attachments.Archive(t.Context(), f, store, addresses(list, nil), nil) // goes on: only what failed is asked for again
	if err != nil || report.Fetched != 0 || report.Kept != 2 || report.Failed != 2 || len(s.asked()) != before+1 {
		t.Errorf("again: %+v %v, %d requests", report, err, len(s.asked())-before)
	}
	broken := errors.New("the messages can't be read")
	if _, err = attachments.Archive(t.Context(), f, store, addresses(nil, broken), nil); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = attachments.Archive(ctx, f, store, addresses(list, nil), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestArchiveLimits: number and total end a run in good order, and the next one goes on.
func TestArchiveLimits(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat(r.URL.Path[1:], 100)) })
	var list []string
	for i := range 30 {
		list = append(list, fmt.Sprintf("%s/%02d", s.URL, i))
	}
	for name, o := range map[string]attachments.Options{"number": {MaxCount: 8}, "total": {MaxTotal: 1700}} {
		store := open(t, t.TempDir(), 1)
		lock(t, store)
		f := fetcher(t, s, o)
		for want := 0; want < 24; want += 8 {
			report, err := attachments.Archive(t.Context(), f, store, addresses(list, nil), nil)
			if err != nil || report.Fetched != 8 || report.Kept != want || report.Failed != 0 || !strings.Contains(report.Stopped, "limit") {
				t.Fatalf("%s: %+v %v", name, report, err)
			}
		}
		if report, err := attachments.Archive(t.Context(), f, store, addresses(list, nil), nil); err != nil || report.Fetched != 6 || report.Stopped != "" {
			t.Errorf("%s: %+v %v", name, report, err)
		}
	}
}
