package agent

import (
	"crypto/sha256"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/attachments"
)

// TestArchivedAttachments: what fetch-attachments kept for an account is there for its page, and nothing else is.
func TestArchivedAttachments(t *testing.T) {
	d := newDevice(t, "alice.eth")
	account := d.config.Accounts[0]
	store, err := attachments.Open(filepath.Join(d.config.Folder(&account), "attachments"), sha256.Sum256([]byte("alice.eth")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), attachments.File{URI: "https://a.example/x", Data: []byte("kept")}); err != nil {
		t.Fatal(err)
	}
	a, err := OpenAccount(t.Context(), account, AccountOptions{Config: d.config, Open: d.options.Open, Unlock: d.options.Unlock})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if data, found, err := a.Archived(t.Context(), "https://a.example/x"); string(data) != "kept" || !found || err != nil {
		t.Errorf("%q %v %v", data, found, err)
	}
	if data, found, err := a.Archived(t.Context(), "https://a.example/y"); data != nil || found || err != nil {
		t.Errorf("%q %v %v", data, found, err)
	}
	if got := a.Names(); len(got) != 1 || got[0] != "alice.eth" {
		t.Error(got)
	}
}
