package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/internal/config"
)

const minimal = `
[[account]]
name = "Alice.eth"
[account.secret]
file = "alice.key"
[account.provider]
kind = "folder"
path = "~/sync"
`

func TestLoadCompletes(t *testing.T) {
	path := write(t, minimal)
	got, err := config.Load(path, environment("HOME=/home/alice"))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		File: path, Data: "/home/alice/.local/share/dm3sync", Socket: "/home/alice/.local/share/dm3sync/agent.sock",
		Log:       config.Log{Level: "info", Format: "auto"},
		Cache:     config.Cache{BlobBudget: 256 << 20, JournalLimit: 1 << 30},
		Serve:     config.DefaultServe(),
		Interface: config.Interface{Rate: config.DefaultInterfaceRate, Burst: config.DefaultInterfaceBurst},
		Search:    config.Search{Memory: config.DefaultSearchMemory, Disk: config.DefaultSearchDisk},
		Limits:    config.Limits{OnMetered: config.HoldSmall, BatteryLow: config.DefaultBatteryLow},
		Notice:    config.Notice{CommandTimeout: config.DefaultCommandTimeout, After: config.DefaultNoticeAfter, HeartbeatInterval: config.DefaultHeartbeatInterval},
		Accounts: []config.Account{{
			Name: "alice.eth", ChunkSize: 500_000, Seal: "compact",
			Secret:   config.Secret{Form: "storage-key", File: filepath.Join(filepath.Dir(path), "alice.key")},
			Provider: config.Provider{Kind: "folder", Path: "/home/alice/sync"},
			Schedule: config.Schedule{
				Idle: config.Duration(2 * time.Second), Longest: config.Duration(15 * time.Second),
				Interval: config.Duration(time.Minute), Jitter: 0.1, Scrub: config.Duration(24 * time.Hour),
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	s3 := "[[account]]\nname = \"alice.eth\"\n[account.secret]\nenv = \"KEY\"\n[account.provider]\nkind = \"s3\"\n"
	for _, c := range []struct{ name, text, sentence string }{
		{"no TOML", "a = = b", "line 1"},
		{"unknown setting", minimal + "colour = 1\n", `line 9: unknown setting "account.provider.colour"`},
		{"unknown table", "[cahce]\n" + minimal, `line 1: unknown setting "cahce"`},
		{"wrong type", "data = 7\n" + minimal, "line 1"},
		{"size without unit we know", "[cache]\nblob_budget = \"7 elephants\"\n" + minimal, "write 500kB"},
		{"negative size", "[cache]\nblob_budget = -1\n" + minimal, "1MiB or more"},
		{"bare duration", minimal + "[account.schedule]\nidle = \"5\"\n", "write 2s"},
		{"no account", "data = \"x\"", "dm3sync init"},
		{"no name", strings.Replace(minimal, "Alice.eth", "", 1), "name is missing"},
		{"bad name", strings.Replace(minimal, "Alice.eth", "-alice.eth", 1), "no dm3 name"},
		{"name with a space", strings.Replace(minimal, "Alice.eth", "alice eth", 1), "\"alice eth\" is no dm3 name: there is white space in it"},
		{"twice", minimal + minimal, "alice.eth stands there twice"},
		{"alias of another", minimal + strings.Replace(minimal, "Alice.eth\"", "bob.eth\"\naliases = [\"alice.eth\"]", 1), "stands there twice"},
		{"two secrets", strings.Replace(minimal, "file =", "env = \"K\"\nfile =", 1), "exactly one"},
		{"unknown form", strings.Replace(minimal, "file =", "form = \"seed\"\nfile =", 1), "wallet-key"},
		{"nonce without wallet", strings.Replace(minimal, "file =", "nonce = \"1\"\nfile =", 1), "secret.nonce"},
		{"unknown seal", strings.Replace(minimal, "[account.secret]", "seal = \"wax\"\n[account.secret]", 1), "compact, dm3"},
		{"unknown kind", strings.Replace(minimal, "\"folder\"", "\"tape\"", 1), "folder, s3"},
		{"folder without path", strings.Replace(minimal, "path = \"~/sync\"", "", 1), "name the folder"},
		{"s3 setting in a folder", minimal + "bucket = \"b\"\n", `goes only with kind = "s3"`},
		{"path in s3", s3 + "bucket = \"b\"\nregion = \"r\"\npath = \"p\"\n", "kind = \"folder\""},
		{"no bucket", s3 + "region = \"r\"\n", "bucket is missing"},
		{"no region", s3 + "bucket = \"b\"\n", "region is missing"},
		{"key without secret", s3 + "bucket = \"b\"\nregion = \"r\"\naccess_key_id = \"a\"\n", "go together"},
		{"endpoint with password", s3 + "bucket = \"b\"\nendpoint = \"https://a:hunter2@s3.example\"\n", "without user name"},
		{"unset variable in a path", strings.Replace(minimal, "~/sync", "$NOWHERE/sync", 1), "NOWHERE"},
		{"jitter", minimal + "[account.schedule]\njitter = 2.0\n", "between 0 and 1"},
		{"longest below idle", minimal + "[account.schedule]\nidle = \"1m\"\n", "longest"},
		{"long socket", "socket = \"/" + strings.Repeat("s", 104) + "\"\n" + minimal, "103 bytes"},
		{"zero journal", "[cache]\njournal_limit = 10\n" + minimal, "1MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
			if !errors.Is(err, config.ErrConfig) {
				t.Fatalf("error %v, want ErrConfig", err)
			}
			if !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("error %q lacks %q", err, c.sentence)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error quotes a password")
			}
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "absent.toml"), environment("HOME=/h"))
	if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "dm3sync init") {
		t.Errorf("error %v", err)
	}
}

func TestEnvironmentAlone(t *testing.T) {
	got, err := config.Load("", environment("HOME="+t.TempDir(), "DM3SYNC_DATA=/var/lib/x", "DM3SYNC_LOG_LEVEL=debug",
		"DM3SYNC_ACCOUNT_1_NAME=bob.eth", "DM3SYNC_ACCOUNT_1_ALIASES=b.eth, c.eth", "DM3SYNC_ACCOUNT_1_CHUNK_SIZE=1MB",
		"DM3SYNC_ACCOUNT_1_SECRET_ENV=DM3SYNC_BOB", "DM3SYNC_BOB=secret",
		"DM3SYNC_ACCOUNT_1_PROVIDER_KIND=s3", "DM3SYNC_ACCOUNT_1_PROVIDER_BUCKET=b", "DM3SYNC_ACCOUNT_1_PROVIDER_PATH_STYLE=true",
		"DM3SYNC_ACCOUNT_1_PROVIDER_ENDPOINT=https://s3.example", "DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL=5m"))
	if err != nil {
		t.Fatal(err)
	}
	a := got.Accounts[0]
	if a.Name != "bob.eth" || len(a.Aliases) != 2 || a.ChunkSize != 1_000_000 || !a.Provider.PathStyle || a.Schedule.Interval != config.Duration(5*time.Minute) {
		t.Errorf("account %+v", a)
	}
	if len(got.Warnings) != 0 || got.Log.Level != "debug" || got.Socket != "/var/lib/x/agent.sock" {
		t.Errorf("config %+v", got)
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	got, err := config.Load(write(t, minimal), environment("HOME=/h", "DM3SYNC_ACCOUNT_1_PROVIDER_PATH=/elsewhere", "DM3SYNC_ACCOUNT_2_SEAL=dm3", "DM3SYNC_DATTA=/x"))
	if err != nil {
		t.Fatal(err)
	}
	if path := got.Accounts[0].Provider.Path; path != "/elsewhere" {
		t.Errorf("path %s", path)
	}
	if len(got.Warnings) != 2 || !strings.Contains(got.Warnings[0], "no account 2") || !strings.Contains(got.Warnings[1], "DM3SYNC_DATTA") {
		t.Errorf("warnings %q", got.Warnings)
	}
	_, err = config.Load(write(t, minimal), environment("HOME=/h", "DM3SYNC_ACCOUNT_1_PROVIDER_CARRIED=perhaps"))
	if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "DM3SYNC_ACCOUNT_1_PROVIDER_CARRIED") {
		t.Errorf("error %v", err)
	}
}

func TestPathsExpand(t *testing.T) {
	for written, want := range map[string]string{
		"~/sync": "/h/sync", "$HOME/sync": "/h/sync", "${HOME}x": "/hx", "/a/$$b/~c": "/a/$b/~c", "/a/../b": "/b", "~": "/h",
	} {
		got, err := config.Load(write(t, strings.Replace(minimal, "~/sync", written, 1)), environment("HOME=/h"))
		if err != nil {
			t.Fatal(err)
		}
		if path := got.Accounts[0].Provider.Path; path != want {
			t.Errorf("%s: %s, want %s", written, path, want)
		}
	}
}

func TestDeleteGrace(t *testing.T) {
	for _, c := range []struct {
		text, variable string
		want           time.Duration
	}{
		{"", "", time.Hour},
		{"0s", "", 0},
		{"24h", "", 24 * time.Hour},
		{"24h", "0s", 0},
		{"", "90m", 90 * time.Minute},
	} {
		text := minimal
		if c.text != "" {
			text = strings.Replace(minimal, "[account.secret]", "delete_grace = \""+c.text+"\"\n[account.secret]", 1)
		}
		got, err := config.Load(write(t, text), environment("HOME=/h", "DM3SYNC_ACCOUNT_1_DELETE_GRACE="+c.variable))
		if err != nil {
			t.Fatal(err)
		}
		if grace := got.Accounts[0].Grace(); grace != c.want {
			t.Errorf("file %q, variable %q: %s, want %s", c.text, c.variable, grace, c.want)
		}
	}
	if _, err := config.Load(write(t, minimal), environment("HOME=/h", "DM3SYNC_ACCOUNT_1_DELETE_GRACE=-1s")); err == nil {
		t.Error("a negative grace time is taken")
	}
}

func TestChunkSizeOutsideTheSpecificationIsAWarning(t *testing.T) {
	for size, warned := range map[string]bool{`"500kB"`: false, `"10MB"`: false, `"499kB"`: true, `"16MiB"`: true, "500_000": false} {
		got, err := config.Load(write(t, strings.Replace(minimal, "[account.secret]", "chunk_size = "+size+"\n[account.secret]", 1)), environment("HOME=/h"))
		if err != nil {
			t.Fatalf("%s: %v", size, err)
		}
		if (len(got.Warnings) > 0) != warned {
			t.Errorf("%s: warnings %q", size, got.Warnings)
		}
	}
}

// TestBelievedPinService: without a gateway nothing is fetched back from a pinning service, which the user should know.
func TestBelievedPinService(t *testing.T) {
	place := strings.Replace(minimal, "kind = \"folder\"\npath = \"~/sync\"\n", "kind = \"ipfs\"\ndevice = 1\n", 1)
	for settings, warned := range map[string]bool{
		"": false, `pin_service = "mine"`: true, "pin_service = \"mine\"\npin_gateway = \"https://gateway.example.org\"": false,
	} {
		got, err := config.Load(write(t, place+settings+"\n"), environment("HOME=/h"))
		if err != nil {
			t.Fatalf("%s: %v", settings, err)
		}
		if (len(got.Warnings) > 0) != warned {
			t.Errorf("%s: warnings %q", settings, got.Warnings)
		}
	}
}

func TestAccount(t *testing.T) {
	two := minimal + strings.NewReplacer("Alice.eth", "bob.eth").Replace(minimal)
	one, err := config.Load(write(t, minimal), environment("HOME=/h"))
	if err != nil {
		t.Fatal(err)
	}
	aliased, err := config.Load(write(t, strings.Replace(minimal, "Alice.eth\"", "Alice.eth\"\naliases = [\"a.eth\"]", 1)), environment("HOME=/h"))
	if err != nil {
		t.Fatal(err)
	}
	both, err := config.Load(write(t, two), environment("HOME=/h"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config     *config.Config
		name, want string
	}{{one, "", "alice.eth"}, {one, "ALICE.eth", "alice.eth"}, {aliased, "A.eth", "alice.eth"}, {both, "bob.eth", "bob.eth"}, {both, "", ""}, {both, "carol.eth", ""}, {one, "-", ""}} {
		got, err := c.config.Account(c.name)
		if c.want == "" {
			if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "alice.eth") {
				t.Errorf("%q: error %v", c.name, err)
			}
			continue
		}
		if err != nil || got.Name != c.want {
			t.Errorf("%q: %v, %v", c.name, got, err)
		}
	}
	if folder := both.Folder(&both.Accounts[0]); folder == both.Folder(&both.Accounts[1]) || strings.Contains(folder, "alice") {
		t.Errorf("folder %s", folder)
	}
}

// FuzzLoad: whatever the file holds, Load answers a valid configuration or ErrConfig.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("[[account]]\nname=1"))
	f.Add([]byte("\xff"))
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(path, environment("HOME=/h"))
		if err != nil {
			if !errors.Is(err, config.ErrConfig) {
				t.Fatal(err)
			}
			return
		}
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func environment(entries ...string) *config.Options { return &config.Options{Environ: entries} }

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
