package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
)

func TestNotice(t *testing.T) {
	load := func(text string, variables ...string) (*config.Config, error) {
		return config.Load(write(t, minimal+text), environment(append(variables, "HOME=/h")...))
	}
	for text, want := range map[string]string{
		"[notice]\ncommand = [\"mail\"]":                         "whole path",
		"[notice]\ncommand_timeout = \"-1s\"":                    "must be positive",
		"[notice]\nafter = \"1m\"":                               "15m",
		"[notice]\nheartbeat_interval = \"1s\"":                  "30s",
		"[notice]\nheartbeat = \"ftp://h.example/s3cret\"":       "no address",
		"[notice]\nheartbeat = \"https://u:s3cret@h.example/x\"": "no address",
		"[account.notice]\nheartbeat = \"s3cret\"":               "account alice.eth: notice.heartbeat",
		"[metrics]\nlisten = \"9377\"":                           "127.0.0.1:9377",
		"[metrics]\nlisten = \"0.0.0.0:9377\"":                   "allow_remote",
		"[metrics]\nlisten = \"[::]:9377\"":                      "allow_remote",
	} {
		_, err := load(text)
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the address: %v", err)
		}
	}
	c, err := load("[notice]\nheartbeat = \"http://h.example/s3cret\"\n[metrics]\nlisten = \"0.0.0.0:9377\"\nallow_remote = true",
		"DM3SYNC_NOTICE_COMMAND=/bin/a,b", "DM3SYNC_ACCOUNT_1_NOTICE_HEARTBEAT=https://h.example/2", "DM3SYNC_NOTICE_DESKTOP=false")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || strings.Contains(c.Warnings[0], "s3cret") {
		t.Errorf("%q", c.Warnings)
	}
	if len(c.Notice.Command) != 2 || c.Accounts[0].Notice.Heartbeat != "https://h.example/2" || c.Notice.HasDesktop() {
		t.Errorf("%+v, %+v", c.Notice, c.Accounts[0].Notice)
	}
}
