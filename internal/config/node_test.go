package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
)

// withNode is a configuration whose [account.node] is given by lines.
func withNode(lines ...string) string {
	return minimal + "[account.node]\n" + strings.Join(lines, "\n") + "\n"
}

func TestNodeIsCompleted(t *testing.T) {
	for _, c := range []struct {
		text               string
		want               config.Node
		use, pulls, pushes bool
	}{
		{minimal, config.Node{}, false, false, false},
		{withNode(`url = "https://node.example.org"`), config.Node{URL: "https://node.example.org", Name: "alice.eth", Directions: "pull", Interval: config.Duration(time.Minute), Full: config.Duration(7 * 24 * time.Hour)}, true, true, false},
		{withNode(`delivery = "https://ds.example.org"`, `name = "0xAB.addr.dm3.eth"`, `interval = "5s"`),
			config.Node{Delivery: "https://ds.example.org", Name: "0xab.addr.dm3.eth", Directions: "pull", Interval: config.Duration(5 * time.Second), Full: config.Duration(7 * 24 * time.Hour)}, true, false, false},
		{withNode(`url = "https://node.example.org"`, `directions = "both"`, `ca_file = "/ca.pem"`), config.Node{URL: "https://node.example.org", Name: "alice.eth", Directions: "both", Interval: config.Duration(time.Minute), Full: config.Duration(7 * 24 * time.Hour), CAFile: "/ca.pem"}, true, true, true},
	} {
		got, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
		if err != nil {
			t.Fatal(err)
		}
		node := got.Accounts[0].Node
		if node != c.want || node.InUse() != c.use || node.Pulls() != c.pulls || node.Pushes() != c.pushes {
			t.Errorf("%+v, want %+v", node, c.want)
		}
	}
}

func TestNodeIsRefused(t *testing.T) {
	for _, c := range []struct{ text, sentence string }{
		{withNode(`name = "alice.eth"`), "needs a url, a delivery"},
		{withNode(`url = "ftp://host"`), "node.url must be"},
		{withNode(`url = "https://a:hunter2@host"`), "node.url must be"},
		{withNode(`delivery = "host"`), "node.delivery must be"},
		{withNode(`delivery = "https://host"`, `delivery_key = "key"`), "node.delivery_key must be"},
		{withNode(`url = "https://host"`, `directions = "up"`), "pull, push, both"},
		{withNode(`url = "https://host"`, `interval = "2h"`, `full = "1h"`), "full not shorter"},
		{withNode(`url = "https://host"`, `name = "a/b"`), "node.name holds"},
		{withNode(`url = "https://host"`, `name = "-a.eth"`), "is no dm3 name"},
	} {
		_, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
		if err == nil || !strings.Contains(err.Error(), c.sentence) {
			t.Errorf("%s: %v, want %q", c.text[len(minimal):], err, c.sentence)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells a password: %v", err)
		}
	}
}

func TestNodeWarnings(t *testing.T) {
	for _, c := range []struct {
		text, sentence string
	}{
		{withNode(`url = "https://node.example.org"`), ""},
		{withNode(`url = "http://node.example.org"`), "is not https"},
		{withNode(`url = "https://node.example.org"`, `delivery = "https://ds.example.org"`), "never reaches an app"},
		{withNode(`url = "https://node.example.org"`, `delivery = "https://ds.example.org"`, `directions = "both"`), ""},
	} {
		got, err := config.Load(write(t, c.text), environment("HOME=/home/alice"))
		if err != nil {
			t.Fatal(err)
		}
		if warnings := strings.Join(got.Warnings, "\n"); (c.sentence == "") != (warnings == "") || !strings.Contains(warnings, c.sentence) {
			t.Errorf("%s: warnings %q, want %q", c.text[len(minimal):], warnings, c.sentence)
		}
	}
}
