package main

import (
	"context"
	"net/url"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// newDatabase makes a database at the server that the environment names; "" where it names none and none is required.
func newDatabase(t *testing.T) (dsn, password string) {
	t.Helper()
	server := servertest.Optional(t, postgrestest.Server)
	if server == "" {
		return "", ""
	}
	o := postgrestest.Options(t, postgrestest.Database(t, server))
	return o.DSN, o.Secret
}

// TestPostgresScript runs the script that needs a real database, which the environment names, with a password.
func TestPostgresScript(t *testing.T) {
	servertest.Named(t, postgrestest.Server)
	dsn, password := newDatabase(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/postgres",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			if err := os.WriteFile(env.WorkDir+"/password", []byte(password), 0o600); err != nil {
				return err
			}
			for name, value := range map[string]string{"HOME": env.WorkDir, "TZ": "UTC", "DM3SYNC_CONFIG": env.WorkDir + "/config.toml", "DM3SYNC_DATA": env.WorkDir + "/data",
				"DSN": dsn, "PASSWORD": password, "GORACE": "atexit_sleep_ms=20"} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": codeCommand, "sql": sqlCommand},
	})
}

// sqlCommand is "sql STATEMENT", in the script's database.
func sqlCommand(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) != 1 {
		ts.Fatalf("usage: sql statement")
	}
	address, err := url.Parse(ts.Getenv("DSN"))
	ts.Check(err)
	address.User = url.UserPassword(address.User.Username(), ts.Getenv("PASSWORD"))
	ts.Check(postgrestest.Execute(context.Background(), address.String(), arguments[0]))
}
