package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// patience is how long a notice may take before a test gives up.
const patience = time.Minute

// watching watches a store until the test ends.
func watching(t *testing.T, store providers.Store) <-chan struct{} {
	t.Helper()
	notices, err := providers.Watch(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return notices
}

// wantNotice wants one soon after what do did.
func wantNotice(t *testing.T, notices <-chan struct{}, what string, do func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	do()
	select {
	case _, open := <-notices:
		if !open {
			t.Fatalf("%s: the watch has ended", what)
		}
	case <-ctx.Done():
		t.Fatalf("%s: no notice", what)
	}
}

// putting puts until there was a notice: whoever watches may still be on the way to the server.
func putting(t *testing.T, store providers.Store, notices <-chan struct{}) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if err := store.Put(t.Context(), "heads/1", nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-notices:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	t.Fatal("no notice")
}

// listeners is how many sessions of a database listen.
func listeners(t *testing.T, dsn string) int {
	t.Helper()
	return query[int](t, dsn, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
}

// TestWatch: what one device puts is told to the other, also after the listener's connection was ended, and to no other
// account.
func TestWatch(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	o.Poll = time.Hour // only notices tell
	told := &sentences{}
	o.Warn = told.add
	one, two := newStore(t, o), newStore(t, o)
	o.Partition = "other"
	other := newStore(t, o)
	notices, others := watching(t, one), watching(t, other)
	putting(t, two, notices)
	wantNotice(t, notices, "a put", func() {
		if err := two.Put(t.Context(), "a/1", nil); err != nil {
			t.Fatal(err)
		}
	})
	execute(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	wantNotice(t, notices, "the time without a connection", func() {})
	again(t, func() error { return two.Put(t.Context(), "a/2", nil) })
	wantNotice(t, notices, "a put after that", func() {})
	putting(t, newStore(t, o), others)
	if all := told.told(); len(all) > 0 {
		t.Errorf("told: %q", all)
	}
}

// TestWatchEnds: the channel is closed with the context, and a store that is closed at once tells of its last put first.
func TestWatchEnds(t *testing.T) {
	_, o := ready(t, servertest.Named(t, postgrestest.Server))
	o.Poll = time.Hour
	one := newStore(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	notices, err := one.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	putting(t, newStore(t, o), notices)
	wantNotice(t, notices, "a put and the end", func() {
		brief, err := postgres.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := brief.Put(t.Context(), "a/1", nil); err != nil {
			t.Fatal(err)
		}
		brief.Close()
	})
	cancel()
	for range notices {
	}
}

// TestWatchPooler: behind a pooler changes are looked for, which is told once, and nobody listens on a connection that
// belongs to others next.
func TestWatchPooler(t *testing.T) {
	dsn, direct := ready(t, servertest.Named(t, postgrestest.Server))
	o := postgrestest.Through(t, servertest.Named(t, postgrestest.Pooler), direct)
	o.Poll = 50 * time.Millisecond
	told := &sentences{}
	o.Warn = told.add
	pool, err := postgres.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	writer := newStore(t, direct)
	for _, partition := range []string{o.Partition, "other"} {
		store, err := pool.Store(partition)
		if err != nil {
			t.Fatal(err)
		}
		notices := watching(t, store)
		if partition == o.Partition {
			putting(t, writer, notices)
		}
	}
	for told.about("looks for them every 50ms") == 0 {
		if err := providers.Sleep(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if all, listen := told.told(), listeners(t, dsn); len(all) != 1 || listen != 0 {
		t.Errorf("told %q; %d listen", all, listen)
	}
}

// TestWatchWithoutNotify: a database that speaks the protocol but knows no notices is looked at, and counted in.
func TestWatchWithoutNotify(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	execute(t, dsn, "ALTER FUNCTION pg_catalog.pg_notify(text, text) RENAME TO pg_notify_is_not_here")
	o.Poll = 50 * time.Millisecond
	told := &sentences{}
	o.Warn = told.add
	notices := watching(t, newStore(t, o))
	putting(t, newStore(t, o), notices)
	if told.about("looks for them") != 1 {
		t.Errorf("told %q", told.told())
	}
}
