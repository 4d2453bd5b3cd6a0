package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// TestNodeScripts runs the scripts with an account at a dm3 node.
func TestNodeScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/node",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			node := nodetest.New(t)
			account := node.Account(1)
			key := account.Profile.StorageKey()
			if err := os.WriteFile(env.WorkDir+"/alice.key", []byte(identity.EncodeKey(key[:])+"\n"), 0o600); err != nil {
				return err
			}
			for name, value := range map[string]string{
				"HOME": env.WorkDir, "TZ": "UTC", "DM3SYNC_CONFIG": env.WorkDir + "/config.toml", "DM3SYNC_DATA": env.WorkDir + "/data",
				"GORACE": "atexit_sleep_ms=20", "NODE": node.URL, "NAME": account.Name,
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": codeCommand},
	})
}
