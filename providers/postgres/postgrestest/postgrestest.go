// Package postgrestest makes databases for tests at the server that .ci/run names.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dm3sync/dm3sync/providers/postgres"
)

// Variables of .ci/run; see package servertest.
const (
	Server = "DM3SYNC_TEST_POSTGRES"  // DSN of a server, with a password, as a role that may make databases
	Pooler = "DM3SYNC_TEST_PGBOUNCER" // DSN of PgBouncer in transaction mode before it
)

// Execute runs a statement at a DSN that holds the password.
func Execute(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// Database makes an empty database at a server, and returns its DSN with the password. It
// goes with the test.
func Database(t testing.TB, server string) (dsn string) {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), time.Now().UnixNano())
	run := func(sql string) {
		if err := Execute(context.WithoutCancel(t.Context()), server, sql); err != nil { // at the end, too
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("CREATE DATABASE " + name)
	t.Cleanup(func() { run("DROP DATABASE " + name + " WITH (FORCE)") })
	parsed := parse(t, server)
	parsed.Path = "/" + name
	return parsed.String()
}

// Options are those of the database that dsn names, with the password, and of the partition "test".
func Options(t testing.TB, dsn string) *postgres.Options {
	t.Helper()
	parsed := parse(t, dsn)
	secret, _ := parsed.User.Password()
	parsed.User = url.User(parsed.User.Username())
	return &postgres.Options{DSN: parsed.String(), Secret: secret, Partition: "test", Stall: 30 * time.Second}
}

// Through returns options for the same database and partition behind a pooler, whose DSN has the password.
func Through(t testing.TB, pooler string, o *postgres.Options) *postgres.Options {
	t.Helper()
	parsed := parse(t, pooler)
	parsed.Path = parse(t, o.DSN).Path
	behind := Options(t, parsed.String())
	behind.Partition = o.Partition
	return behind
}

func parse(t testing.TB, dsn string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
