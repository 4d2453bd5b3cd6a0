package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
)

// TestSearch: the index is on unless it is switched off, in the file or by a variable, and has room enough to work in.
func TestSearch(t *testing.T) {
	base := "[[account]]\nname = \"alice.eth\"\nsecret.file = \"/key\"\nprovider.kind = \"folder\"\nprovider.path = \"/place\"\n"
	for _, c := range []struct {
		table    string
		variable string
		on, fine bool
	}{
		{"", "", true, true},
		{"[search]\nenabled = true\nwhole = true\n", "", true, true},
		{"[search]\nenabled = false\n", "", false, true},
		{"", "DM3SYNC_SEARCH_ENABLED=false", false, true},
		{"[search]\nenabled = false\n", "DM3SYNC_SEARCH_ENABLED=true", true, true},
		{"", "DM3SYNC_SEARCH_ENABLED=perhaps", false, false},
		{"[search]\nmemory = \"1MiB\"\n", "", false, false},
		{"[search]\ndisk = \"1MiB\"\n", "", false, false},
	} {
		file := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(file, []byte(c.table+base), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(file, environment("HOME=/home/alice", c.variable))
		if (err == nil) != c.fine {
			t.Errorf("%q %s: %v", c.table, c.variable, err)
			continue
		}
		if err == nil && loaded.Search.On() != c.on {
			t.Errorf("%q %s: on is %v", c.table, c.variable, loaded.Search.On())
		}
	}
}
