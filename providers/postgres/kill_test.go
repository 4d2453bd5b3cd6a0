package postgres_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// sentences keeps what Warn is told.
type sentences struct {
	mutex sync.Mutex
	all   []string
}

func (s *sentences) add(sentence string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.all = append(s.all, sentence)
}

// told returns all of them so far.
func (s *sentences) told() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.all)
}

// about returns how many sentences hold the words.
func (s *sentences) about(words string) (n int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, sentence := range s.all {
		if strings.Contains(sentence, words) {
			n++
		}
	}
	return n
}

// TestAcknowledgedIsDurable: on a server that is set to forget the last moments, what was acknowledged outlives its death all
// the same, and what others wrote after it does not.
func TestAcknowledgedIsDurable(t *testing.T) {
	c := newCluster(t, "synchronous_commit=off", "wal_writer_delay=10000ms")
	told := &sentences{}
	o := postgrestest.Options(t, c.dsn())
	o.Warn = told.add
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	execute(t, c.dsn(), "CREATE TABLE control (n int)")
	store := newStore(t, o)
	lost := false
	for round := 0; round < 6 && !lost; round++ {
		kept, gone := fmt.Sprintf("a/kept%d", round), fmt.Sprintf("a/gone%d", round)
		for _, name := range []string{kept, gone} {
			if err := again(t, func() error { return store.Put(t.Context(), name, []byte(name)) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Delete(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		execute(t, c.dsn(), fmt.Sprintf("INSERT INTO control VALUES (%d)", round))
		c.kill()
		wantError(t, "without a server", store.Put(t.Context(), "a/x", nil), providers.ErrTransient)
		c.start()
		if err := again(t, func() error { _, err := store.Get(t.Context(), kept); return err }); err != nil {
			t.Errorf("after the server's death: %v", err)
		}
		if _, err := store.Get(t.Context(), gone); !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("deleted before the server's death: %v", err)
		}
		lost = query[int](t, c.dsn(), fmt.Sprintf("SELECT count(*) FROM control WHERE n = %d", round)) == 0
	}
	if !lost {
		t.Error("the control was never lost: this test shows nothing")
	}
	if n := told.about("synchronous_commit = off"); n != 1 {
		t.Errorf("told %d times of synchronous_commit", n)
	}
	c.kill()
	c.settings = append(c.settings, "fsync=off")
	c.start()
	if err := again(t, func() error { return store.Put(t.Context(), "a/y", nil) }); err != nil || told.about("fsync = off") != 1 {
		t.Errorf("%v, %q", err, told.told())
	}
}

// again calls until it succeeds or fails for good, as the retry around every provider does.
func again(t *testing.T, call func() error) error {
	t.Helper()
	for range 20 {
		if err := call(); !providers.Retriable(err) {
			return err
		}
	}
	return call()
}

// TestKilledUnderLoad: while writers work, the server dies and comes back, twice. Whoever repeats what is transient, as the
// agent does, ends with all that was put, whole.
func TestKilledUnderLoad(t *testing.T) {
	c := newCluster(t)
	o := postgrestest.Options(t, c.dsn())
	o.Parallel = writers
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	store := providers.Retry(newStore(t, o), &providers.RetryOptions{Attempts: 2000, First: 20 * time.Millisecond, Longest: 200 * time.Millisecond})
	done := make(chan int, 1000)
	var group sync.WaitGroup
	const each = 40
	for w := range writers {
		group.Go(func() {
			for i := range each {
				name := fmt.Sprintf("a/w%02d-%02d", w, i)
				if err := store.Put(t.Context(), name, []byte(strings.Repeat(name, 500))); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				done <- i
			}
		})
	}
	for n := range each * writers {
		<-done
		if n == 100 || n == 400 {
			c.kill()
			c.start()
		}
	}
	group.Wait()
	names := list(t, store, "")
	if len(names) != each*writers {
		t.Errorf("%d objects", len(names))
	}
	for _, name := range names {
		if data, err := store.Get(t.Context(), name); err != nil || string(data) != strings.Repeat(name, 500) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

// TestReplica: a replica as the place is told, though reading from it would work.
func TestReplica(t *testing.T) {
	primary := newCluster(t)
	if err := postgres.Create(t.Context(), postgrestest.Options(t, primary.dsn())); err != nil {
		t.Fatal(err)
	}
	replica := primary.replica()
	for name, err := range calls(t, newStore(t, postgrestest.Options(t, replica.dsn()))) {
		wantError(t, name, err, nil)
		wantSentence(t, name, err, "read replica")
	}
	wantSentence(t, "create", postgres.Create(t.Context(), postgrestest.Options(t, strings.Replace(replica.dsn(), "/postgres", "/template1", 1))), "read replica")
}

// replica makes and starts a replica of the cluster.
func (c *cluster) replica() *cluster {
	c.t.Helper()
	folder := filepath.Join(filepath.Dir(c.folder), "replica")
	if err := os.Mkdir(folder, 0o755); err != nil {
		c.t.Fatal(err)
	}
	made := &cluster{t: c.t, binaries: c.binaries, folder: folder, address: servertest.FreeAddress(c.t)}
	made.own()
	copied := made.command("pg_basebackup", "-D", filepath.Join(folder, "data"), "-R", "--checkpoint=fast", "--no-sync", "-d", c.dsn())
	if text, err := copied.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	c.t.Cleanup(made.kill)
	made.start()
	return made
}

// TestSocket: a database on this machine by its socket.
func TestSocket(t *testing.T) {
	c := newCluster(t)
	o := postgrestest.Options(t, c.dsn())
	o.DSN = "postgres://testkey@/postgres?port=" + c.port() + "&host=" + c.folder
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for name, err := range calls(t, newStore(t, o)) {
		if ignoreAbsent(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
