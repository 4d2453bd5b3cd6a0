package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// writers is how many calls the suite makes at once.
const writers = 16

// conformance runs the suite in a database, each part in a partition of its own beside one that must not be seen.
func conformance(t *testing.T, o *postgres.Options) {
	o.Parallel = writers
	pool, err := postgres.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	other, err := pool.Store("other")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Put(t.Context(), "a/other", []byte("other")); err != nil {
		t.Fatal(err)
	}
	part := 0
	providertest.Run(t, func(t *testing.T) providers.Store {
		part++
		store, err := pool.Store(fmt.Sprint("part", part))
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
	if names := list(t, other, ""); fmt.Sprint(names) != "[a/other]" {
		t.Errorf("another partition has %v", names)
	}
}

func list(t *testing.T, store providers.Store, prefix string) (names []string) {
	t.Helper()
	for object, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, object.Name)
	}
	return names
}

// TestConformance runs the suite on a real server with 16 writers.
func TestConformance(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	conformance(t, o)
}

// TestConformancePooler runs it through PgBouncer, which hands every statement to another connection.
func TestConformancePooler(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	conformance(t, postgrestest.Through(t, servertest.Named(t, postgrestest.Pooler), o))
}

// TestOneStatementEach: each call is one statement, and a new connection one more.
func TestOneStatementEach(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	o.Parallel = 1
	pool, err := postgres.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	store, err := pool.Store("a")
	if err != nil {
		t.Fatal(err)
	}
	list(t, store, "") // connects
	if n := postgres.Statements(pool); n != 2 {
		t.Errorf("the first call takes %d statements", n)
	}
	for name, call := range map[string]func() error{
		"delete": func() error { return store.Delete(t.Context(), "a/1", "a/2") },
		"list":   func() error { list(t, store, "heads/"); return nil },
		"get":    func() error { _, err := store.Get(t.Context(), "a/1"); return ignoreAbsent(err) },
		"range":  func() error { _, err := store.GetRange(t.Context(), "a/1", 3, 4); return ignoreAbsent(err) },
		"space":  func() error { _, err := store.Space(t.Context()); return err },
	} {
		before := postgres.Statements(pool)
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := postgres.Statements(pool) - before; n != 1 {
			t.Errorf("%s takes %d statements", name, n)
		}
	}
	before := postgres.Statements(pool)
	for i := range 5 {
		if err := store.Put(t.Context(), fmt.Sprintf("a/%d", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	store.Close() // tells the others, if that was not done yet
	if n := postgres.Statements(pool) - before; n < 6 || n > 10 {
		t.Errorf("five puts and their notices take %d statements", n)
	}
}

func ignoreAbsent(err error) error {
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return err
}

// TestSpace: what the account's objects take, and not those of another one.
func TestSpace(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	store := newStore(t, o)
	o.Partition = "other"
	other := newStore(t, o)
	for i, s := range []*postgres.Store{store, store, other} {
		if err := s.Put(t.Context(), fmt.Sprintf("a/%d", i), make([]byte, 1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	space, err := providers.SpaceOf(t.Context(), store)
	if err != nil || space != (providers.Space{Used: 2001, Total: -1}) {
		t.Errorf("%+v %v", space, err)
	}
}

// TestDamagedRowIsWrittenAgain: what somebody changed by hand is mended by the same put.
func TestDamagedRowIsWrittenAgain(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	store := newStore(t, o)
	want := bytes.Repeat([]byte("sealed"), 1000)
	if err := store.Put(t.Context(), "a/1", want); err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, "UPDATE dm3sync_objects SET body = 'damaged', size = 7")
	if got, err := store.Get(t.Context(), "a/1"); err != nil || string(got) != "damaged" {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := store.Put(t.Context(), "a/1", want); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Get(t.Context(), "a/1"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestPlantedGiant: an object above the limit does not reach memory.
func TestPlantedGiant(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	o.MaxObject = 1 << 20
	store := newStore(t, o)
	execute(t, dsn, "INSERT INTO dm3sync_objects SELECT 'test', 'a/1', 3 << 20, decode(repeat('00', 3 << 20), 'hex')")
	if _, err := store.Get(t.Context(), "a/1"); !errors.Is(err, providers.ErrTooLarge) {
		t.Errorf("get: %v", err)
	}
	part, err := store.GetRange(t.Context(), "a/1", 5, 1<<40)
	if err != nil || len(part) != 1<<20 {
		t.Errorf("range: %d bytes, %v", len(part), err)
	}
}

// TestBodiesStayAside: a body is kept uncompressed and out of its row, so that listings and ranges don't read it.
func TestBodiesStayAside(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	if err := newStore(t, o).Put(t.Context(), "a/1", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if stored := query[int](t, dsn, "SELECT pg_column_size(body) FROM dm3sync_objects"); stored != 1<<20 {
		t.Errorf("a mebibyte of zeros is stored in %d bytes", stored)
	}
	if main := query[int64](t, dsn, "SELECT pg_relation_size('dm3sync_objects', 'main')"); main > 8192 {
		t.Errorf("the rows take %d bytes", main)
	}
	plan := query[string](t, dsn, "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'dm3sync_objects'::regclass AND attname = 'body'")
	if plan != "e" {
		t.Errorf("storage is %s", plan)
	}
}

// TestForeignRows: what is no name of ours is left alone.
func TestForeignRows(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	store := newStore(t, o)
	if err := store.Put(t.Context(), "a/1", nil); err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, `INSERT INTO dm3sync_objects VALUES ('test', 'a/ 2', 0, ''), ('test', '\xff00', 0, ''), ('test', 'a', 0, '')`)
	if names := list(t, store, ""); fmt.Sprint(names) != "[a a/1]" {
		t.Errorf("listed %v", names)
	}
}

// TestStoresOfOnePool: many accounts share connections, and closing one leaves the others.
func TestStoresOfOnePool(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	o.Parallel = 2
	pool, err := postgres.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			store, err := pool.Store(fmt.Sprint("account-", i))
			if err != nil {
				t.Error(err)
				return
			}
			name := fmt.Sprintf("a/%d", i)
			if err := store.Put(t.Context(), name, []byte(name)); err != nil {
				t.Error(err)
			}
			for object, err := range store.List(t.Context(), "") {
				if err != nil || object.Name != name {
					t.Errorf("%d sees %v %v", i, object, err)
				}
			}
			if err := errors.Join(store.Close(), store.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, bad := range []string{"", "ä", "a b", "a\x00", strings.Repeat("x", providers.MaxName+1)} {
		if _, err := pool.Store(bad); err == nil {
			t.Errorf("partition %q", bad)
		}
	}
}
