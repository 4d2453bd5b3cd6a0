package acceptance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/dm3sync/dm3sync/internal/api"
)

// Bounds of what is waited for in other processes, on a machine where much else runs: they end a test that would hang.
const (
	openWait = 2 * time.Minute
	stopWait = time.Minute
)

// within looks until something is so, as often as fits into that time on a machine that has nothing else to do. Where it has,
// looks take longer, as does what they wait for; the most that is waited then is openWait more.
func within(most time.Duration, is func() bool) bool {
	const pause = 20 * time.Millisecond
	end := time.Now().Add(most + openWait)
	for range most / pause {
		if is() {
			return true
		}
		if time.Now().After(end) {
			break
		}
		time.Sleep(pause)
	}
	return is()
}

// programFolder is the environment variable that names where the command is built.
const programFolder = "DM3SYNC_TEST_PROGRAM"

// TestMain gives the tests one folder for the command, so that it is built once for all of them.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "dm3sync-program")
	if err == nil {
		err = os.Setenv(programFolder, folder)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// program builds the command as it is in this checkout, where no test has done so yet.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.Getenv(programFolder), "dm3sync")
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/dm3sync").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return path
}

// machine is one computer of the account's owner: a configuration and a data folder.
type machine struct {
	t       *testing.T
	program string
	data    string
	environ []string
	log     *os.File
}

// newMachine is newMachineAt on a folder in base, as machines share a drive.
func newMachine(t *testing.T, program, base, name string) *machine {
	t.Helper()
	return newMachineAt(t, program, base, name, []string{"--folder", placeFolder(base)})
}

// newMachineAt writes the configuration with init, whose flags say where the place is, when it is the first machine in base;
// all machines there share it. The environment changes single settings. When the test fails, the machine's log is shown.
func newMachineAt(t *testing.T, program, base, name string, place []string, environ ...string) *machine {
	t.Helper()
	m := &machine{t: t, program: program, data: filepath.Join(base, name)}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "DM3SYNC_") {
			m.environ = append(m.environ, entry)
		}
	}
	m.environ = append(m.environ, "HOME="+base, "DM3SYNC_CONFIG="+filepath.Join(base, "config.toml"), "DM3SYNC_DATA="+m.data,
		"DM3SYNC_ACCOUNT_1_SCHEDULE_IDLE=20ms", "DM3SYNC_ACCOUNT_1_SCHEDULE_LONGEST=100ms", "DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL=300ms")
	m.environ = append(m.environ, environ...) // of two values the later one counts
	var err error
	if m.log, err = os.Create(filepath.Join(base, name+".log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, m.logged(64<<10))
		}
		m.log.Close()
	})
	if _, err := os.Stat(filepath.Join(base, "config.toml")); err != nil {
		m.run(append([]string{"init", "--new-wallet", "--name", account, "--secret-file", filepath.Join(base, "wallet.key")}, place...)...)
	}
	return m
}

func placeFolder(base string) string { return filepath.Join(base, "place") }

func (m *machine) command(arguments ...string) *exec.Cmd {
	command := exec.Command(m.program, arguments...)
	command.Env, command.Dir = m.environ, filepath.Dir(m.data)
	return command
}

// run runs one verb, which must succeed.
func (m *machine) run(arguments ...string) string {
	m.t.Helper()
	var out bytes.Buffer
	command := m.command(arguments...)
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		m.t.Fatalf("dm3sync %s: %v\n%s", arguments[0], err, out.Bytes())
	}
	return out.String()
}

// process is a running agent.
type process struct {
	*machine
	command *exec.Cmd
	wait    func() error
}

// start starts an agent and waits for nothing.
func (m *machine) start() *process {
	m.t.Helper()
	p := &process{machine: m, command: m.command("run")}
	p.command.Stderr = m.log
	if err := p.command.Start(); err != nil {
		m.t.Fatal(err)
	}
	p.wait = sync.OnceValue(p.command.Wait)
	m.t.Cleanup(p.kill)
	return p
}

// kill ends the agent as kill -9 does.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended
	_ = p.wait()                 // it was killed
}

// client waits until the agent has opened the account.
func (p *process) client() *api.Client {
	p.t.Helper()
	var client *api.Client
	var err error
	for end := time.Now().Add(openWait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if client == nil {
			if client, err = api.Dial(p.data); err != nil {
				client = nil
				continue
			}
		}
		var status api.AccountStatus
		if status, err = client.Account("").Status(p.t.Context()); err == nil && status.Open {
			p.t.Cleanup(func() { client.Close() })
			return client
		}
	}
	p.t.Fatalf("the agent does not open the account: %v", err)
	return nil
}

// stop ends the agent in order.
func (p *process) stop() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	late := time.AfterFunc(stopWait, p.kill)
	defer late.Stop()
	if err := p.wait(); err != nil {
		p.t.Errorf("the agent ended with: %v", err)
	}
}

// logged is the end of the log, of at most that many bytes.
func (m *machine) logged(most int) string {
	text, err := os.ReadFile(m.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
