package postgres_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
	"github.com/jackc/pgx/v5"
)

// variableBinaries names the folder of initdb and postgres, for servers that a test may kill; see package servertest.
const variableBinaries = "DM3SYNC_TEST_POSTGRES_BINARIES"

// startWait is how long a cluster may take to come up: after its death it reads and syncs all that it has.
const startWait = 2 * time.Minute

// execute runs statements at a DSN that holds the password.
func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := postgrestest.Execute(context.WithoutCancel(t.Context()), dsn, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// query returns one value at a DSN that holds the password.
func query[T any](t *testing.T, dsn, sql string, arguments ...any) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql, arguments...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// ready makes a database with dm3sync's tables.
func ready(t *testing.T, server string) (dsn string, o *postgres.Options) {
	t.Helper()
	dsn = postgrestest.Database(t, server)
	o = postgrestest.Options(t, dsn)
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return dsn, o
}

func parse(t *testing.T, dsn string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func newStore(t *testing.T, o *postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// cluster is a server of one test.
type cluster struct {
	t        *testing.T
	folder   string
	binaries string
	address  string // host:port
	settings []string
	process  *exec.Cmd
}

// newCluster makes a cluster and starts it. Settings are as on the command line: "ssl=on".
func newCluster(t *testing.T, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, binaries: servertest.Named(t, variableBinaries), folder: filepath.Join(t.TempDir(), "cluster"), settings: settings}
	if err := os.Mkdir(c.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(c.folder, "..", "password")
	if err := os.WriteFile(password, []byte("testsecret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.own()
	data := filepath.Join(c.folder, "data")
	initialise := c.command("initdb", "-D", data, "-U", "testkey", "--pwfile="+password, "-A", "scram-sha-256", "--no-sync")
	if text, err := initialise.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	c.address = servertest.FreeAddress(t)
	t.Cleanup(c.kill)
	c.start()
	return c
}

// own gives the folder to the user postgres where the test runs as root, which the server refuses to do.
func (c *cluster) own() {
	c.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for folder := c.folder; folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	if text, err := exec.Command("chown", "-R", "postgres", c.folder).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
}

func (c *cluster) command(program string, arguments ...string) *exec.Cmd {
	command := append([]string{filepath.Join(c.binaries, program)}, arguments...)
	if os.Geteuid() == 0 {
		command = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"}, command...)
	}
	made := exec.Command(command[0], command[1:]...)
	made.Dir = c.folder
	return made
}

func (c *cluster) port() string {
	_, port, _ := strings.Cut(c.address, ":")
	return port
}

// dsn is the cluster's address, with the password.
func (c *cluster) dsn() string {
	return "postgres://testkey:testsecret@" + c.address + "/postgres"
}

func (c *cluster) start() {
	c.t.Helper()
	arguments := []string{"-D", filepath.Join(c.folder, "data"), "-p", c.port(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + c.folder}
	for _, setting := range c.settings {
		arguments = append(arguments, "-c", setting)
	}
	c.process = c.command("postgres", arguments...)
	log, err := os.OpenFile(filepath.Join(c.folder, "..", "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.process.Stdout, c.process.Stderr = log, log
	if err := c.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); {
		conn, err := pgx.Connect(c.t.Context(), c.dsn())
		if err == nil {
			conn.Close(c.t.Context())
			return
		}
		if err := providers.Sleep(c.t.Context(), 50*time.Millisecond); err != nil {
			c.t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(log.Name())
	c.t.Fatalf("the cluster did not come up: %s", text)
}

// kill ends the server as a power failure would, as far as its own memory goes: SIGQUIT to the first process ends all at once,
// without a checkpoint.
func (c *cluster) kill() {
	if c.process == nil {
		return
	}
	if err := c.process.Process.Signal(syscall.SIGQUIT); err != nil {
		c.t.Error(err)
	}
	_ = c.process.Wait() // it was killed
	c.process = nil
}
