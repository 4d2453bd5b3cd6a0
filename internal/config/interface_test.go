package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
)

func TestInterface(t *testing.T) {
	load := func(table string, variables ...string) (*config.Config, error) {
		return config.Load(write(t, minimal+"[interface]\n"+table), environment(append(variables, "HOME=/h")...))
	}
	for _, listen := range []string{"127.0.0.1:8485", "[::1]:8485", "localhost:8485", "127.0.0.2:0"} {
		if _, err := load("listen = \"" + listen + "\"\n"); err != nil {
			t.Errorf("listen %s: %v", listen, err)
		}
	}
	for table, want := range map[string]string{
		`listen = "0.0.0.0:8485"`:                "not on loopback",
		`listen = ":8485"`:                       "not on loopback",
		`listen = "[::]:8485"`:                   "not on loopback",
		`listen = "[::ffff:127.0.0.1]:8485"`:     "not on loopback",
		`listen = "192.168.0.2:8485"`:            "forward the port with ssh",
		`listen = "localhost.example.org:8485"`:  "not on loopback",
		`listen = "localhost"`:                   "not on loopback",
		`listen = "127.0.0.1:99999"`:             "not on loopback",
		`origins = ["*"]`:                        "is no origin",
		`origins = ["null"]`:                     "is no origin",
		`origins = ["https://*.example.org"]`:    "is no origin",
		`origins = ["https://app.example.org/"]`: "is no origin",
		`origins = ["HTTPS://app.example.org"]`:  "is no origin",
		`rate = -1`:                              "must be positive",
		`burst = -1`:                             "must be positive",
		`pages = true`:                           "unknown setting",
	} {
		if _, err := load(table + "\n"); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", table, err, want)
		}
	}
	c, err := load("origins = [\"https://app.example.org\", \"http://other.example\"]\n", "DM3SYNC_INTERFACE_PAGE=false", "DM3SYNC_INTERFACE_RATE=7")
	if err != nil {
		t.Fatal(err)
	}
	if c.Interface.HasPage() || c.Interface.Rate != 7 {
		t.Errorf("the environment does not count: %+v", c.Interface)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "http://other.example is not https") {
		t.Errorf("warnings %q", c.Warnings)
	}
	if c, err = load("page = true\n"); err != nil || !c.Interface.HasPage() {
		t.Errorf("page = true: %+v, %v", c.Interface, err)
	}
}
