package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
)

// place is a configuration whose place is given by lines.
func place(lines ...string) string {
	text := "[[account]]\nname = \"alice.eth\"\n[account.secret]\nenv = \"KEY\"\n[account.provider]\n"
	return text + strings.Join(lines, "\n") + "\n"
}

const (
	webdavPlace = `kind = "webdav"
url = "https://cloud.example.org/dav/dm3sync"`
	drivePlace = `kind = "drive"
client_id = "1.apps.example.org"`
	password = `secret_env = "PASSWORD"`
)

func TestPlacesAreCompleted(t *testing.T) {
	for _, c := range []struct {
		text string
		want config.Provider
	}{
		{place(webdavPlace), config.Provider{Kind: "webdav", URL: "https://cloud.example.org/dav/dm3sync", Auth: "auto"}},
		{place(drivePlace, password), config.Provider{Kind: "drive", ClientID: "1.apps.example.org", SecretEnv: "PASSWORD", Space: "files", Folder: "dm3sync"}},
		{place(drivePlace, `space = "appdata"`), config.Provider{Kind: "drive", ClientID: "1.apps.example.org", Space: "appdata"}},
	} {
		got, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
		if err != nil {
			t.Fatal(err)
		}
		if got.Accounts[0].Provider != c.want {
			t.Errorf("%+v, want %+v", got.Accounts[0].Provider, c.want)
		}
	}
}

func TestPlacesAreRefused(t *testing.T) {
	for _, c := range []struct{ text, sentence string }{
		{place(`kind = "webdav"`), "url is missing"},
		{place(`kind = "webdav"`, `url = "dav://host/"`), "provider.url must be"},
		{place(webdavPlace, `username = "a"`), "go together"},
		{place(webdavPlace, password), "go together"},
		{place(webdavPlace, `auth = "kerberos"`), "auto, basic, digest, bearer, none"},
		{place(webdavPlace, `auth = "bearer"`), "needs the token"},
		{place(webdavPlace, `auth = "digest"`, password), "need a username"},
		{place(webdavPlace, `auth = "none"`, `username = "a"`), "takes no username"},
		{place(webdavPlace, `client_key_file = "k"`), "client_certificate_file and client_key_file"},
		{place(webdavPlace, password, `secret_file = "f"`), "only one of"},
		{place(`kind = "drive"`), "client_id is missing"},
		{place(drivePlace, `space = "moon"`), "files, appdata"},
		{place(drivePlace, `space = "appdata"`, `folder = "f"`), "space = \"files\""},
		{place(drivePlace, `token_url = "https://a:hunter2@host/"`), "provider.token_url must be"},
		{place(drivePlace, `url = "https://host/"`), `provider.url goes only with kind = "webdav" or "dm3node"`},
		{place(webdavPlace, `endpoint = "https://host/"`), `provider.endpoint goes only with kind = "s3" or "drive" or "ipfs"`},
		{place(`kind = "ipfs"`), "provider.device must be this device's own number, 1 to 64"},
		{place(`kind = "ipfs"`, "device = 3", "devices = 2"), "provider.devices must lie between this device's number and 64"},
		{place(`kind = "ipfs"`, "device = 1", `username = "alice"`), "provider: username needs its password"},
		{place(`kind = "dm3node"`), "provider.url is missing: the address of the dm3 node's backend"},
		{place(`kind = "postgres"`), "provider.dsn must say where the database is"},
		{place(`kind = "postgres"`, `dsn = "postgres://host"`), "provider.dsn must say where the database is"},
		{place(`kind = "postgres"`, `dsn = "postgres://alice:hunter2@host/dm3"`), "provider.dsn must not hold the password"},
		{place(`kind = "postgres"`, `dsn = "postgres://alice@host/dm3?password=hunter2"`), "provider.dsn must not hold the password"},
		{place(`kind = "postgres"`, `dsn = "postgres://alice@host/dm3"`, `client_key_file = "/key"`), "client_certificate_file and client_key_file go together"},
		{place(`kind = "file"`), "provider.path is missing: name the file"},
	} {
		_, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
		if err == nil || !strings.Contains(err.Error(), c.sentence) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\nerror %v, want one with %q", c.text, err, c.sentence)
		}
	}
}

// Every setting of a place is refused with a kind that does not take it: none was forgotten in the list.
func TestSettingsBelongToKinds(t *testing.T) {
	everywhere := map[string]bool{"kind": true, "parallel": true, "bytes_per_second": true}
	for i := range reflect.TypeFor[config.Provider]().NumField() {
		field := reflect.TypeFor[config.Provider]().Field(i)
		name := field.Tag.Get("toml")
		if everywhere[name] {
			continue
		}
		value := `"x"`
		switch {
		case field.Type == reflect.TypeFor[config.Duration]():
			value = `"1s"`
		case field.Type.Kind() == reflect.Bool:
			value = "true"
		case field.Type.Kind() == reflect.Int:
			value = "1"
		}
		_, err := config.Load(write(t, place(`kind = "memory"`, name+" = "+value)), environment("HOME=/home/alice"))
		if err == nil || !strings.Contains(err.Error(), "provider."+name+" goes only with") {
			t.Errorf("%s with a kind that does not take it: %v", name, err)
		}
	}
}

// What needs no setting of a place on this machine is filled in, and reaches it without a warning.
func TestPlaceOfIPFS(t *testing.T) {
	c, err := config.Load(write(t, place(`kind = "ipfs"`, "device = 6")), environment("HOME=/home/alice"))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Accounts[0].Provider
	if p.Endpoint != config.DefaultKubo || p.Devices != 6 || p.UnpinAfter != config.DefaultUnpinAfter || len(c.Warnings) != 0 {
		t.Errorf("%+v, warnings %q", p, c.Warnings)
	}
	if got, want := p.Place(), "IPFS through http://127.0.0.1:5001, as device 6"; got != want {
		t.Errorf("place %q, want %q", got, want)
	}
}

// A password, a token or the traffic that anybody on the way can see is warned of; on this machine nobody is on the way.
func TestWarningsOfAddresses(t *testing.T) {
	for _, c := range []struct {
		settings []string
		warned   bool
	}{
		{[]string{`kind = "ipfs"`, "device = 1", `endpoint = "http://localhost:5001"`}, false},
		{[]string{`kind = "ipfs"`, "device = 1", `endpoint = "http://[::1]:5001"`}, false},
		{[]string{`kind = "ipfs"`, "device = 1", `endpoint = "http://127.0.0.1.example.org:5001"`}, true},
		{[]string{`kind = "dm3node"`, `url = "http://node.example.org"`}, true},
		{[]string{`kind = "dm3node"`, `url = "https://node.example.org"`}, false},
		{[]string{`kind = "webdav"`, `auth = "none"`, `url = "http://nas.example.org/"`}, true},
		{[]string{`kind = "webdav"`, `auth = "none"`, `url = "http://127.0.0.1/"`}, false},
		{[]string{`kind = "s3"`, `bucket = "b"`, `endpoint = "http://10.0.0.1"`}, true},
	} {
		loaded, err := config.Load(write(t, place(c.settings...)), environment("HOME=/home/alice"))
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(strings.Join(loaded.Warnings, ""), "not https"); warned != c.warned {
			t.Errorf("%q: warnings %q", c.settings, loaded.Warnings)
		}
	}
}
