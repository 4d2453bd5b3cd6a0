package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
)

const twoPlaces = `# whose it is
[[account]]
name = "alice.eth"

[account.secret]
file = "alice.key"

# the house
[account.provider] # at home
kind = "folder"
path = "/mnt/here" # on the disk

# further away
[[account.mirror]]
name = "cloud" # ours
interval = "30m"
kind = "s3"
bucket = "dm3"
region = "eu-central-1" # near

[[account]]
name = "bob.eth"

[account.secret]
env = "BOB"

[account.provider]
kind = "folder"
path = "/mnt/bob"
`

func load(t *testing.T, text string, environ ...string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, environment(append(environ, "HOME=/home/alice")...))
}

func TestMirror(t *testing.T) {
	c, err := load(t, twoPlaces)
	if err != nil {
		t.Fatal(err)
	}
	alice := &c.Accounts[0]
	m := alice.Mirror("cloud")
	if m == nil || m.Kind != "s3" || m.Bucket != "dm3" || m.Interval != config.Duration(30*time.Minute) || m.Shared || len(c.Accounts[1].Mirrors) > 0 {
		t.Fatalf("%+v", alice.Mirrors)
	}
	if there := alice.At(m); there.Name != "alice.eth" || there.Provider.Bucket != "dm3" || there.AtMirror != "cloud" || len(there.Mirrors) > 0 {
		t.Errorf("%+v", there)
	}
	if alice.Provider.Kind != "folder" || alice.Mirror("house") != nil {
		t.Error("another place than was asked for")
	}
}

func TestMirrorByEnvironment(t *testing.T) {
	c, err := load(t, twoPlaces, "DM3SYNC_ACCOUNT_1_MIRROR_1_BUCKET=other", "DM3SYNC_ACCOUNT_1_MIRROR_2_NAME=third",
		"DM3SYNC_ACCOUNT_1_MIRROR_2_KIND=folder", "DM3SYNC_ACCOUNT_1_MIRROR_2_PATH=$HOME/third", "DM3SYNC_ACCOUNT_1_MIRROR_2_SHARED=true")
	if err != nil {
		t.Fatal(err)
	}
	alice := &c.Accounts[0]
	third := alice.Mirror("third")
	if len(alice.Mirrors) != 2 || alice.Mirrors[0].Bucket != "other" || third == nil || third.Path != "/home/alice/third" || !third.Shared {
		t.Fatalf("%+v", alice.Mirrors)
	}
	if third.Interval != alice.Schedule.Interval {
		t.Errorf("a shared place is looked at every %v", time.Duration(third.Interval))
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestMirrorFaults(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"no name":        {`name = "cloud" # ours`, ``, "a [[account.mirror]] has no name"},
		"odd name":       {`"cloud"`, `"the cloud"`, "other characters"},
		"no bucket":      {`bucket = "dm3"`, ``, "mirror cloud: provider.bucket is missing"},
		"wrong setting":  {`bucket = "dm3"`, `url = "https://x.example"`, "mirror cloud: provider.url goes only with"},
		"no kind":        {`kind = "s3"`, ``, "mirror cloud: [[account.mirror]] with a kind is missing"},
		"no interval":    {`"30m"`, `"-1s"`, "interval must be positive"},
		"the same place": {"kind = \"s3\"\nbucket = \"dm3\"\nregion = \"eu-central-1\" # near", "kind = \"folder\"\npath = \"/mnt/here\"", "the same place as [account.provider]"},
		"twice": {"[[account]]\nname = \"bob.eth\"", "[[account.mirror]]\nname = \"cloud\"\nkind = \"folder\"\npath = \"/mnt/x\"\n[[account]]\nname = \"bob.eth\"",
			"two mirrors have the name cloud"},
		"unknown setting": {`interval = "30m"`, `colour = "red"`, `unknown setting "account.mirror.colour"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(twoPlaces, c.from, c.to, 1)
			if text == twoPlaces {
				t.Fatal("nothing was changed")
			}
			_, err := load(t, text)
			if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestSwapMirror(t *testing.T) {
	text, err := config.SwapMirror([]byte(twoPlaces), 0, "cloud", "house")
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, string(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	alice := &c.Accounts[0]
	if house := alice.Mirror("house"); alice.Provider.Bucket != "dm3" || len(alice.Mirrors) != 1 || house == nil || house.Path != "/mnt/here" || !house.Shared {
		t.Errorf("%+v", alice)
	}
	if c.Accounts[1].Provider.Path != "/mnt/bob" {
		t.Error("another account was changed")
	}
	for _, comment := range []string{"# whose it is", "# the house", "# at home", "# on the disk", "# further away", "# near"} {
		if !strings.Contains(string(text), comment) {
			t.Errorf("%q is gone", comment)
		}
	}
	kept, err := config.KeepMirror(text, 0, "house")
	if err != nil {
		t.Fatal(err)
	}
	if c, err = load(t, string(kept)); err != nil || c.Accounts[0].Mirror("house").Shared {
		t.Errorf("%v in\n%s", err, kept)
	}
	if again, err := config.ShareMirror(kept, 0, "house"); err != nil {
		t.Error(err)
	} else if c, err = load(t, string(again)); err != nil || !c.Accounts[0].Mirror("house").Shared {
		t.Errorf("%v in\n%s", err, again)
	}
	if text, err = config.RemoveMirror(text, 0, "house"); err != nil {
		t.Fatal(err)
	}
	c, err = load(t, string(text))
	if err != nil || len(c.Accounts[0].Mirrors) > 0 || c.Accounts[0].Provider.Bucket != "dm3" || !strings.Contains(string(text), "# further away") {
		t.Errorf("%v in\n%s", err, text)
	}
}

func TestAddMirror(t *testing.T) {
	text, err := config.AddMirror([]byte(twoPlaces), 1, "name = \"third\"\nkind = \"folder\"\npath = \"/mnt/third\"")
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, string(text))
	if err != nil || c.Accounts[1].Mirror("third") == nil || len(c.Accounts[0].Mirrors) != 1 {
		t.Errorf("%v in\n%s", err, text)
	}
	if text, err = config.AddMirror(text, 0, "name = \"third\"\nkind = \"folder\"\npath = \"/mnt/other\""); err != nil {
		t.Fatal(err)
	}
	if c, err = load(t, string(text)); err != nil || len(c.Accounts[0].Mirrors) != 2 {
		t.Errorf("%v in\n%s", err, text)
	}
	back, err := config.RemoveMirror(text, 0, "third")
	if err == nil {
		back, err = config.RemoveMirror(back, 1, "third")
	}
	if err != nil || string(back) != twoPlaces {
		t.Errorf("%v: not what it was:\n%s", err, back)
	}
}

// TestRewriteByHand: what is not written as tables is left to the user.
func TestRewriteByHand(t *testing.T) {
	inline := "[[account]]\nname = \"alice.eth\"\nsecret.env = \"X\"\nprovider = {kind = \"folder\", path = \"/x\"}\n" +
		"note = \"\"\"\n[account.provider]\n\"\"\"\n[[account.mirror]]\nname = \"b\"\n"
	if _, err := config.SwapMirror([]byte(inline), 0, "b", "old"); !errors.Is(err, config.ErrByHand) {
		t.Error(err)
	}
	if _, err := config.SwapMirror([]byte(twoPlaces), 0, "nobody", "old"); !errors.Is(err, config.ErrByHand) {
		t.Error(err)
	}
	if _, err := config.AddMirror([]byte(twoPlaces), 2, "name = \"x\""); !errors.Is(err, config.ErrByHand) {
		t.Error(err)
	}
}

// TestLoginFolder: a token stays where it is when its place becomes the account's own.
func TestLoginFolder(t *testing.T) {
	c, err := load(t, twoPlaces)
	if err != nil {
		t.Fatal(err)
	}
	alice := &c.Accounts[0]
	there := alice.At(alice.Mirror("cloud"))
	none, all := func(string) bool { return false }, func(string) bool { return true }
	folder := c.LoginFolder(&there, none)
	if folder == c.Folder(alice) || c.LoginFolder(alice, none) != c.Folder(alice) {
		t.Errorf("mirror %s, own place %s", folder, c.LoginFolder(alice, none))
	}
	moved := *alice
	moved.Provider = there.Provider
	if c.LoginFolder(&moved, all) != folder {
		t.Errorf("after the move %s, before %s", c.LoginFolder(&moved, all), folder)
	}
}
