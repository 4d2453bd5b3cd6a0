package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
)

const operator = `
[serve]
mode = "operator"
secret_env = "TOKEN_SECRET"
[serve.provider]
kind = "s3"
bucket = "b"
region = "r"
`

func TestServe(t *testing.T) {
	c, err := config.Load(write(t, operator), environment("HOME=/home/alice", "TOKEN_SECRET=x", "DM3SYNC_SERVE_LISTEN=0.0.0.0:80", "DM3SYNC_SERVE_PROXIES=10.0.0.1,fd00::/8"))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Serve
	if s.Registration != config.RegistrationOpen || len(s.AddressDomains) != 1 || s.MaxBody != config.DefaultMaxBody || s.Listen != "0.0.0.0:80" {
		t.Errorf("%+v", s)
	}
	if n := s.Networks(); len(n) != 2 || n[0].String() != "10.0.0.1/32" || n[1].String() != "fd00::/8" {
		t.Errorf("networks %v", n)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
	if _, err := c.Account(""); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "no [[account]]") {
		t.Errorf("the only account of none: %v", err)
	}
}

func TestServeWarns(t *testing.T) {
	for listen, warned := range map[string]bool{"0.0.0.0:80": true, "[::]:80": true, ":80": true, "127.0.0.1:80": false, "localhost:80": false, "[::1]:80": false} {
		c, err := config.Load(write(t, minimal+"[serve]\nlisten = \""+listen+"\"\n"), environment("HOME=/home/alice"))
		if err != nil || (len(c.Warnings) > 0) != warned {
			t.Errorf("%s: %v, %v", listen, c, err)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, sentence string }{
		{"no port", minimal + "[serve]\nlisten = \"127.0.0.1\"\n", "serve.listen"},
		{"mode", minimal + "[serve]\nmode = \"both\"\n", "accounts, operator"},
		{"half of TLS", minimal + "[serve]\nkey_file = \"k\"\n", "go together"},
		{"origin with a path", minimal + "[serve]\norigins = [\"https://a.example/\"]\n", "no origin"},
		{"every origin", minimal + "[serve]\norigins = [\"*\"]\n", "no origin"},
		{"proxy by name", minimal + "[serve]\nproxies = [\"lb\"]\n", "no address or network"},
		{"giant bodies", minimal + "[serve]\nmax_body = \"1GB\"\n", "max_body"},
		{"no limit", minimal + "[serve]\naddress_burst = -1\n", "must be positive"},
		{"operator's settings", minimal + "[serve]\nsecret_env = \"S\"\n", "mode = \"operator\""},
		{"no secret", strings.Replace(operator, "secret_env", "#", 1), "token secret"},
		{"no place", operator[:strings.Index(operator, "[serve.provider]")], "must have a kind"},
		{"a place that needs an account", strings.Replace(operator, `"s3"`, `"drive"`, 1), "must have a kind"},
		{"a place that is not complete", strings.Replace(operator, `bucket = "b"`, "", 1), "bucket is missing"},
		{"nobody", strings.Replace(operator, "[serve.provider]", "registration = \"closed\"\n[serve.provider]", 1), "[[serve.account]]"},
		{"no key", operator + "[[serve.account]]\nname = \"a.eth\"\nsigning_key = \"short\"\n", "signing_key"},
		{"no name", operator + "[[serve.account]]\nname = \"-a.eth\"\n", "no dm3 name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
			if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("error %v", err)
			}
		})
	}
}
