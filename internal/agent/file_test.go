package agent

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// appendText appends one message to a contact of both.
func appendText(t *testing.T, a *Account, text string) {
	t.Helper()
	line := strings.NewReader(envelope("carol.eth", a.name, 1700000000000, text))
	if summary, err := a.Append(t.Context(), line, history.AppendOptions{}); err != nil || summary.Accepted != 1 {
		t.Fatalf("%+v, %v", summary, err)
	}
}

// TestOpenFile: an account is read from a file, which stays as it is; nothing is left behind, and nothing of another key
// is shown.
func TestOpenFile(t *testing.T) {
	d := newDevice(t, "alice.eth", "bob.eth")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	place := memory.New(nil)
	d.places["alice.eth"] = place
	d.options.Config = d.config
	account, err := OpenAccount(t.Context(), d.config.Accounts[0], d.options.AccountOptions)
	if err != nil {
		t.Fatal(err)
	}
	appendText(t, account, "into the file")
	if _, err := account.Sync(t.Context(), engine.Work{Settle: true}, nil); err != nil {
		t.Fatal(err)
	}
	if err := account.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := archive.Create(path); err != nil {
		t.Fatal(err)
	}
	store, err := archive.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for object, err := range place.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := place.Get(t.Context(), object.Name)
		if err := errors.Join(err, store.Put(t.Context(), object.Name, sealed)); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		opened, err := OpenFile(t.Context(), d.config.Accounts[i], path, d.options.AccountOptions)
		if err != nil {
			t.Fatal(err)
		}
		list, err := opened.Conversations(t.Context())
		if err != nil || len(list) != want {
			t.Errorf("%d conversations, want %d, %v", len(list), want, err)
		}
		if want > 0 {
			page, err := opened.Messages(t.Context(), list[0].Contact, engine.Range{})
			if err != nil || page.Provisional || len(page.Messages) != 1 || !bytes.Contains(page.Messages[0].JSON, []byte("into the file")) {
				t.Errorf("%+v, %v", page, err)
			}
		}
		// What would be written goes nowhere near the file.
		appendText(t, opened.Account, "afterwards")
		if _, err := opened.Sync(t.Context(), engine.Work{Settle: true, Scrub: true}, nil); err != nil {
			t.Error(err)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := OpenFile(t.Context(), d.config.Accounts[0], path+"x", d.options.AccountOptions); !errors.Is(err, archive.ErrNoFile) {
		t.Errorf("a missing file: %v", err)
	}
}
