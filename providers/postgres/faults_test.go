package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/faulttest"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// wantError wants an error that matches the sentinel, or none of them for nil, and holds no secret.
func wantError(t *testing.T, what string, err, sentinel error) {
	t.Helper()
	faulttest.WantError(t, what, err, sentinel)
	silent(t, what, fmt.Sprintf("%v %+v %#v", err, err, err))
}

// silent wants no password in a text, nor more than a line.
func silent(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{"testsecret", "wrongsecret", "rolesecret"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s: %s", what, text)
		}
	}
	if strings.Contains(text, "\n") {
		t.Errorf("%s: several lines: %s", what, text)
	}
}

// TestErrorAnswers: every SQLSTATE that says more than "failed" reaches the caller as what it means.
func TestErrorAnswers(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	store := newStore(t, o)
	for code, sentinel := range map[string]error{
		"53100": providers.ErrQuota, "53400": providers.ErrQuota, "53200": providers.ErrTransient, "53300": providers.ErrRateLimited,
		"28000": providers.ErrUnauthorised, "28P01": providers.ErrUnauthorised, "42501": providers.ErrUnauthorised,
		"08006": providers.ErrTransient, "08P01": providers.ErrTransient, "57P01": providers.ErrTransient, "57P03": providers.ErrTransient,
		"57014": providers.ErrTransient, "40001": providers.ErrTransient, "40P01": providers.ErrTransient, "55P03": providers.ErrTransient,
		"58030": providers.ErrTransient, "XX000": providers.ErrTransient, "54000": providers.ErrTooLarge,
		"57P04": nil, "42P01": nil, "3F000": nil, "3D000": nil, "25006": nil, "22000": nil, "XX001": nil, "0A000": nil, "P0001": nil,
	} {
		execute(t, dsn, `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '`+code+`'; END $$`,
			`CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON dm3sync_objects FOR EACH ROW EXECUTE FUNCTION refuse()`)
		wantError(t, code, store.Put(t.Context(), "a/1", []byte("x")), sentinel)
	}
	execute(t, dsn, "DROP TRIGGER refuse ON dm3sync_objects")
	if err := store.Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Error(err)
	}
}

// TestLogins: what servers and PgBouncer say of wrong passwords, unknown roles and databases, and too many connections.
func TestLogins(t *testing.T) {
	dsn, right := ready(t, servertest.Named(t, postgrestest.Server))
	full := role(t, dsn, "full")
	execute(t, dsn, "ALTER ROLE "+parse(t, full).User.Username()+" CONNECTION LIMIT 0")
	wantError(t, "connection limit", newStore(t, postgrestest.Options(t, full)).Put(t.Context(), "a/1", nil), providers.ErrRateLimited)
	for name, o := range map[string]*postgres.Options{"server": right, "pooler": postgrestest.Through(t, servertest.Named(t, postgrestest.Pooler), right)} {
		wrong := *o
		wrong.Secret = "wrongsecret"
		for call, err := range calls(t, newStore(t, &wrong)) {
			wantError(t, name+", wrong password, "+call, err, providers.ErrUnauthorised)
		}
		wantError(t, name+", wrong password, create", postgres.Create(t.Context(), &wrong), providers.ErrUnauthorised)
		wrong.Secret = ""
		wantError(t, name+", no password", newStore(t, &wrong).Put(t.Context(), "a/1", nil), providers.ErrUnauthorised)
		wrong = *o
		wrong.DSN = strings.Replace(o.DSN, "testkey", "nobody", 1)
		wantError(t, name+", no such role", newStore(t, &wrong).Put(t.Context(), "a/1", nil), providers.ErrUnauthorised)
		wrong = *o
		wrong.DSN = o.DSN + "_gone"
		err := newStore(t, &wrong).Put(t.Context(), "a/1", nil)
		wantError(t, name+", no such database", err, nil)
		wantSentence(t, name+", no such database", err, "there is no such database")
	}
	behind := postgrestest.Through(t, servertest.Named(t, postgrestest.Pooler), right)
	behind.DSN += "?search_path=public"
	wantSentence(t, "a setting that the pooler does not pass on", newStore(t, behind).Put(t.Context(), "a/1", nil), "ignore_startup_parameters")
}

// TestReadOnly: a database that takes no writes is told from one that fails, even by those who only read: a replica may lag.
func TestReadOnly(t *testing.T) {
	dsn, o := ready(t, servertest.Named(t, postgrestest.Server))
	store := newStore(t, o)
	if err := store.Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, "ALTER DATABASE "+strings.TrimPrefix(parse(t, dsn).Path, "/")+" SET default_transaction_read_only = on")
	for name, err := range calls(t, newStore(t, o)) {
		wantError(t, name, err, nil)
		wantSentence(t, name, err, "read replica")
	}
}

// relay stands before a server and hands on what passes, or keeps it, or ends.
type relay struct {
	listener net.Listener
	target   string
	down     atomic.Int64 // bytes from the server that may still pass; negative: all
	mutex    sync.Mutex
	conns    []net.Conn
	dead     []*atomic.Bool // one for each connection: it swallows all that comes
}

// newRelay returns a relay and the options that lead through it.
func newRelay(t *testing.T, o *postgres.Options) (*relay, *postgres.Options) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	parsed := parse(t, o.DSN)
	r := &relay{listener: listener, target: parsed.Host}
	r.down.Store(-1)
	t.Cleanup(func() { listener.Close(); r.cut() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", r.target)
			if err != nil {
				client.Close()
				continue
			}
			dead := &atomic.Bool{}
			r.mutex.Lock()
			r.conns, r.dead = append(r.conns, client, server), append(r.dead, dead)
			r.mutex.Unlock()
			go r.pass(server, client, dead, nil)
			go r.pass(client, server, dead, &r.down)
		}
	}()
	behind := *o
	parsed.Host = listener.Addr().String()
	behind.DSN = parsed.String()
	return r, &behind
}

// pass copies until one side ends.
func (r *relay) pass(to, from net.Conn, dead *atomic.Bool, left *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if dead.Load() {
			if err != nil {
				return
			}
			continue
		}
		if left != nil && left.Load() >= 0 && left.Add(-int64(n)) < 0 {
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

// die lets all connections that there are swallow whatever comes from now on.
func (r *relay) die() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, dead := range r.dead {
		dead.Store(true)
	}
}

// cut ends all connections.
func (r *relay) cut() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, conn := range r.conns {
		conn.Close()
	}
	r.conns, r.dead = nil, nil
}

// TestCutConnections: idle connections that ended cost one failure that passes, not one each; and an answer that is cut off is
// never data.
func TestCutConnections(t *testing.T) {
	_, direct := ready(t, servertest.Named(t, postgrestest.Server))
	r, o := newRelay(t, direct)
	store := newStore(t, o)
	body := make([]byte, 1<<20)
	// Not through the relay, as a put is announced a moment later, over any of these connections.
	if err := newStore(t, direct).Put(t.Context(), "a/1", body); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 { // opens as many connections as are kept
		group.Go(func() {
			for range 5 {
				if _, err := store.Get(t.Context(), "a/1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	r.cut()
	_, err := store.Get(t.Context(), "a/1")
	wantError(t, "over a connection that ended", err, providers.ErrTransient)
	if _, err := store.Get(t.Context(), "a/1"); err != nil {
		t.Errorf("the next try took another one that ended: %v", err)
	}
	for _, after := range []int64{0, 100, 5000, 500_000} {
		r.down.Store(after)
		data, err := store.Get(t.Context(), "a/1")
		wantError(t, fmt.Sprintf("an answer cut after %d bytes, got %d", after, len(data)), err, providers.ErrTransient)
		r.down.Store(-1)
		if data, err := store.Get(t.Context(), "a/1"); err != nil || len(data) != len(body) {
			t.Errorf("afterwards: %d bytes, %v", len(data), err)
		}
	}
}

// TestSilentConnections: after sleep, or a change of networks, connections swallow what is sent. That is found out once for
// all of them, and large objects over slow lines are not taken for it.
func TestSilentConnections(t *testing.T) {
	_, direct := ready(t, servertest.Named(t, postgrestest.Server))
	if err := newStore(t, direct).Put(t.Context(), "a/1", []byte("x")); err != nil { // its announcement is not to find out
		t.Fatal(err)
	}
	r, o := newRelay(t, direct)
	o.Stall = 5 * time.Second // gets don't wait for a disk, and a busy machine needs less
	store := newStore(t, o)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				if _, err := store.Get(t.Context(), "a/1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	r.die()
	_, err := store.Get(t.Context(), "a/1")
	wantError(t, "over a dead connection", err, providers.ErrTransient)
	if !strings.Contains(err.Error(), "no progress") {
		t.Errorf("the error does not say why: %v", err)
	}
	if _, err := store.Get(t.Context(), "a/1"); err != nil {
		t.Errorf("the next try took another dead connection: %v", err)
	}
}

// TestNobodyListens: a server that is not there is transient.
func TestNobodyListens(t *testing.T) {
	o := &postgres.Options{DSN: "postgres://testkey@127.0.0.1:1/x", Secret: "testsecret", Partition: "a"}
	for name, err := range calls(t, newStore(t, o)) {
		wantError(t, name, err, providers.ErrTransient)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newStore(t, o).Put(ctx, "a/1", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestOtherProtocols: a server that speaks something else is an error and no absence.
func TestOtherProtocols(t *testing.T) {
	for _, says := range []string{"", "HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.example.org ESMTP\r\n", "N"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.ReadFull(conn, make([]byte, 8))
				_, _ = io.WriteString(conn, says)
				conn.Close()
			}
		}()
		o := &postgres.Options{DSN: "postgres://testkey@" + listener.Addr().String() + "/x", Secret: "testsecret", Partition: "a"}
		for name, err := range calls(t, newStore(t, o)) {
			if err == nil || errors.Is(err, providers.ErrNotFound) {
				t.Errorf("%q: %s: %v", says, name, err)
			}
			silent(t, name, fmt.Sprint(err))
		}
		listener.Close()
	}
}
