package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// wantSentence wants an error that somebody must act on: neither absence nor one that passes, and saying what to do.
func wantSentence(t *testing.T, what string, err error, words string) {
	t.Helper()
	if err == nil || providers.Retriable(err) || errors.Is(err, providers.ErrNotFound) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want %q", what, err, words)
	}
}

// calls makes every call that a store has and returns their errors.
func calls(t *testing.T, store providers.Store) map[string]error {
	t.Helper()
	_, get := store.Get(t.Context(), "a/1")
	_, part := store.GetRange(t.Context(), "a/1", 0, 1)
	var listed error
	for _, err := range store.List(t.Context(), "") {
		listed = err
	}
	_, space := providers.SpaceOf(t.Context(), store)
	return map[string]error{
		"put": store.Put(t.Context(), "a/1", []byte("x")), "get": get, "range": part, "list": listed, "delete": store.Delete(t.Context(), "a/1"), "space": space,
	}
}

// TestNoTables: a database without dm3sync's tables, or one where they vanish, is an error and never an empty store.
func TestNoTables(t *testing.T) {
	dsn := postgrestest.Database(t, servertest.Named(t, postgrestest.Server))
	store := newStore(t, postgrestest.Options(t, dsn))
	for name, err := range calls(t, store) {
		wantSentence(t, name, err, "`dm3sync init`")
	}
	if err := postgres.Create(t.Context(), postgrestest.Options(t, dsn)); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, "DROP TABLE dm3sync_objects")
	for name, err := range calls(t, store) {
		wantSentence(t, name, err, "`dm3sync init`")
	}
	// Only who is told to makes it again.
	if err := postgres.Create(t.Context(), postgrestest.Options(t, dsn)); err != nil {
		t.Fatal(err)
	}
	if names := list(t, store, ""); len(names) > 0 {
		t.Errorf("listed %v", names)
	}
}

// TestCreateAtOnce: many may make the tables in the same moment, directly and through the pooler.
func TestCreateAtOnce(t *testing.T) {
	server, pooler := servertest.Named(t, postgrestest.Server), servertest.Named(t, postgrestest.Pooler)
	for round := range 5 {
		dsn := postgrestest.Database(t, server)
		o := postgrestest.Options(t, dsn)
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				options := o
				if i%2 == 1 {
					options = postgrestest.Through(t, pooler, o)
				}
				if err := postgres.Create(t.Context(), options); err != nil {
					t.Errorf("round %d, %d: %v", round, i, err)
				}
			})
		}
		group.Wait()
		if version := query[int](t, dsn, "SELECT version FROM dm3sync_schema"); version != postgres.Version {
			t.Errorf("version %d", version)
		}
		if err := newStore(t, o).Put(t.Context(), "a/1", nil); err != nil {
			t.Error(err)
		}
	}
}

// TestVersions: tables that a newer program has changed are refused, older ones are brought up to date by Create alone, and
// no right to make tables is needed where there is nothing to do.
func TestVersions(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	before := newStore(t, o)
	if err := before.Put(t.Context(), "a/1", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, "UPDATE dm3sync_schema SET version = version + 1")
	for name, err := range calls(t, newStore(t, o)) {
		wantSentence(t, name, err, "update dm3sync here")
	}
	wantSentence(t, "create", postgres.Create(t.Context(), o), "update dm3sync here")

	execute(t, dsn, "UPDATE dm3sync_schema SET version = 0") // as one that was interrupted
	for name, err := range calls(t, newStore(t, o)) {
		wantSentence(t, name, err, "`dm3sync init`")
	}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if data, err := newStore(t, o).Get(t.Context(), "a/1"); err != nil || string(data) != "kept" {
		t.Errorf("%q %v", data, err)
	}
}

// role makes a role that may log in, and returns its DSN with the password. It goes with the test.
func role(t *testing.T, dsn, name string) string {
	t.Helper()
	parsed := parse(t, dsn)
	name += strings.ReplaceAll(parsed.Path, "/test", "")
	execute(t, dsn, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'rolesecret'", name))
	t.Cleanup(func() { execute(t, dsn, "DROP OWNED BY "+name, "DROP ROLE "+name) })
	parsed.User = url.UserPassword(name, "rolesecret")
	return parsed.String()
}

// TestRights: the rights that the provider's page names are enough for daily use; without them the error says what is missing.
func TestRights(t *testing.T) {
	dsn, _ := ready(t, servertest.Named(t, postgrestest.Server))
	execute(t, dsn, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	limited := role(t, dsn, "limited")
	o := postgrestest.Options(t, limited)
	name := parse(t, limited).User.Username()
	// Who may not even look into the schema can't tell a missing table from a hidden one.
	wantSentence(t, "no right at all", newStore(t, o).Put(t.Context(), "a/1", nil), "`dm3sync init`")
	execute(t, dsn, "GRANT USAGE ON SCHEMA public TO "+name)
	err := newStore(t, o).Put(t.Context(), "a/1", nil)
	if !errors.Is(err, providers.ErrUnauthorised) {
		t.Errorf("no right to read the version: %v", err)
	}
	execute(t, dsn, "GRANT SELECT ON dm3sync_schema TO "+name, "GRANT SELECT, INSERT, UPDATE, DELETE ON dm3sync_objects, dm3sync_changes TO "+name)
	for what, err := range calls(t, newStore(t, o)) {
		if ignoreAbsent(err) != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Errorf("with nothing to do: %v", err)
	}
	execute(t, dsn, "DROP TABLE dm3sync_objects, dm3sync_changes, dm3sync_schema")
	if err := postgres.Create(t.Context(), o); !errors.Is(err, providers.ErrUnauthorised) {
		t.Errorf("without the right to make tables: %v", err)
	}
}

// TestRolesApart: with a role and a schema for each account, as the page describes, nobody reaches another one's rows.
func TestRolesApart(t *testing.T) {
	dsn := postgrestest.Database(t, servertest.Named(t, postgrestest.Server))
	execute(t, dsn, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	alice, bob := role(t, dsn, "alice"), role(t, dsn, "bob")
	for _, own := range []string{alice, bob} {
		name := parse(t, own).User.Username()
		execute(t, dsn, fmt.Sprintf("CREATE SCHEMA %s AUTHORIZATION %s", name, name))
		o := postgrestest.Options(t, own)
		if err := postgres.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := newStore(t, o).Put(t.Context(), "a/"+name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, own := range []string{alice, bob} {
		name := parse(t, own).User.Username()
		if names := list(t, newStore(t, postgrestest.Options(t, own)), ""); fmt.Sprint(names) != "[a/"+name+"]" {
			t.Errorf("%s sees %v", name, names)
		}
	}
	conn := parse(t, alice)
	bobs := parse(t, bob).User.Username()
	err := postgrestest.Execute(t.Context(), conn.String(), "DELETE FROM "+bobs+".dm3sync_objects")
	if err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("alice deletes what is bob's: %v", err)
	}
}
