package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/webdav"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
)

// TestMain makes the scripts' commands out of this test binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dm3sync": main, "envelope": envelopeMain, "sample": sampleMain, "app": appMain, "visit": visitMain, "lock": lockMain})
}

// TestScripts runs the scripts: every verb, as users call it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			backend := s3mem.New()
			if err := backend.CreateBucket("dm3"); err != nil {
				return err
			}
			server := httptest.NewServer(gofakes3.New(backend).Server())
			env.Defer(server.Close)
			env.Setenv("S3", server.URL)
			for _, name := range []string{"LISTEN", "LISTEN2"} { // addresses that nobody listens on now
				env.Setenv(name, servertest.FreeAddress(t))
			}
			collections := httptest.NewServer(collectionsIn(env.WorkDir + "/served"))
			env.Defer(collections.Close)
			env.Setenv("DAV", collections.URL+"/files/alice")
			if err := nodeFor(t, env); err != nil {
				return err
			}
			network := kubotest.New()
			for _, name := range []string{"KUBO1", "KUBO2"} {
				node := network.Add()
				env.Defer(node.Close)
				env.Setenv(name, node.URL)
			}
			answers := strings.Join([]string{"", env.WorkDir + "/wallet.key", "2", server.URL, "", "dm3", "key", "hunter2", ""}, "\n")
			if err := os.WriteFile(env.WorkDir+"/answers", []byte(answers), 0o600); err != nil { // to init's questions
				return err
			}
			answers = strings.Join([]string{"bob.eth", "3", env.WorkDir + "/wallet.key", "5", env.Getenv("KUBO1"), "3", "mine", ""}, "\n")
			if err := os.WriteFile(env.WorkDir+"/answers.ipfs", []byte(answers), 0o600); err != nil {
				return err
			}
			for name, value := range map[string]string{"HOME": env.WorkDir, "TZ": "UTC", "DM3SYNC_CONFIG": env.WorkDir + "/config.toml", "DM3SYNC_DATA": env.WorkDir + "/data",
				"GORACE": "atexit_sleep_ms=20"} { // under -race every process would end a second later
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": codeCommand, "waitfor": waitForCommand, "waitopen": waitOpenCommand, "await": awaitCommand,
			"hash": hashCommand, "link": linkCommand, "bearer": bearerCommand,
		},
	})
}

// collectionsIn is a WebDAV server for alice with the password hunter2, as Nextcloud has one. A file named full beside
// the folder makes it refuse what is put, and one named locked says that somebody else works there.
func collectionsIn(folder string) http.Handler {
	handler := &webdav.Handler{FileSystem: webdav.Dir(folder), LockSystem: webdav.NewMemLS()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there := func(name string) bool {
			_, err := os.Stat(filepath.Join(filepath.Dir(folder), name))
			return err == nil
		}
		user, password, _ := r.BasicAuth()
		switch {
		case user != "alice" || password != "hunter2":
			w.Header().Set("WWW-Authenticate", `Basic realm="files"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodPut && there("full"):
			w.WriteHeader(http.StatusInsufficientStorage)
		case r.Method == http.MethodPut && there("locked"):
			w.WriteHeader(http.StatusLocked)
		default:
			handler.ServeHTTP(w, r)
		}
	})
}

// codeCommand is "code N command…": the command must end with this exit code.
func codeCommand(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) < 2 {
		ts.Fatalf("usage: code N command [argument]...")
	}
	err := ts.Exec(arguments[1], arguments[2:]...)
	code := 0
	if exit := (interface{ ExitCode() int })(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != arguments[0] {
		ts.Fatalf("exit code %d, want %s", code, arguments[0])
	}
}

// patience bounds what is waited for in another process. It costs nothing when all is well.
const patience = 2 * time.Minute

// fails is a test, or a script.
type fails interface {
	Fatalf(format string, arguments ...any)
}

// eventually waits for something of another process.
func eventually(t fails, what string, is func() bool) {
	if test, ok := t.(*testing.T); ok {
		test.Helper()
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// waitForCommand is "waitfor PATH", or "! waitfor PATH" for its absence. A socket is there when somebody answers on it: one
// that was only made, or that was left by somebody who has ended, would send the next verb to open the account itself.
func waitForCommand(ts *testscript.TestScript, negated bool, arguments []string) {
	if len(arguments) != 1 {
		ts.Fatalf("usage: waitfor path")
	}
	path := ts.MkAbs(arguments[0])
	eventually(ts, arguments[0], func() bool {
		info, err := os.Stat(path)
		return (err == nil) != negated && (negated || info.Mode().Type() != os.ModeSocket || answers(path))
	})
}

func answers(socket string) bool {
	connection, err := net.Dial("unix", socket)
	if err == nil {
		_ = connection.Close() // it only had to open
	}
	return err == nil
}

// awaitCommand is "await PATTERN command…": it runs the command until its output has the pattern.
func awaitCommand(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) < 2 {
		ts.Fatalf("usage: await pattern command [argument]...")
	}
	pattern, err := regexp.Compile("(?m)" + arguments[0])
	ts.Check(err)
	eventually(ts, arguments[0], func() bool {
		_ = ts.Exec(arguments[1], arguments[2:]...) // only what it says counts
		return pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// waitOpenCommand is "waitopen": it returns when the agent's accounts are open.
func waitOpenCommand(ts *testscript.TestScript, _ bool, _ []string) {
	eventually(ts, "the accounts to open", func() bool { return ts.Exec("dm3sync", "status", "--check") == nil })
}

// hashCommand is "hash FILE": it sets HASH to the first word of the file.
func hashCommand(ts *testscript.TestScript, _ bool, arguments []string) {
	hash, _, _ := strings.Cut(ts.ReadFile(arguments[0]), " ")
	ts.Setenv("HASH", hash)
}

func TestExitCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		exitDone:     {nil},
		exitFailed:   {errors.New("disk"), context.Canceled},
		exitUsage:    {usagef("wrong"), fmt.Errorf("x: %w", config.ErrConfig), keyring.ErrSource, keyring.ErrSecret},
		exitRejected: {errRejected},
		exitProvider: {providers.ErrTransient, fmt.Errorf("s3: %w", providers.ErrUnauthorised), login.ErrNeeded, login.ErrClient, &providers.RateLimitError{}, errors.Join(errRejected, providers.ErrQuota)},
		exitProblems: {errProblems},
		exitInUse:    {cache.ErrInUse},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != want {
				t.Errorf("%v: code %d, want %d", err, got, want)
			}
		}
	}
}

func TestErrorsAsJSON(t *testing.T) {
	p, out, _ := testProgram(nil)
	if code := p.main(t.Context(), []string{"status", "--json", "--config", "/does/not/exist"}); code != exitUsage {
		t.Errorf("code %d", code)
	}
	if text := out.String(); !strings.Contains(text, `"exit_code":2`) || !strings.Contains(text, "dm3sync init") || strings.Count(text, "\n") != 1 {
		t.Errorf("output %s", text)
	}
}

// TestUnitFileVerb: the service file starts a verb that there is.
func TestUnitFileVerb(t *testing.T) {
	unit, err := os.ReadFile("../../configs/dm3sync.service")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(unit), "ExecStart=")
	line, _, _ := strings.Cut(rest, "\n")
	arguments := strings.Fields(line)
	p, _, _ := testProgram(nil)
	command, unread, err := p.command().Find(arguments[1:])
	if err != nil || command.Name() != "run" || command.ParseFlags(unread) != nil {
		t.Errorf("%q: verb %s, error %v", line, command.Name(), err)
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"héllo 🙂":               "héllo 🙂",
		"\x1b]0;title\x07":      "·]0;title·",
		"a\u202eb":              "a·b",
		"tab\there\nnext\u0085": "tab here·next·",
		"\xff":                  "\ufffd",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func testProgram(in io.Reader) (p *program, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return &program{in: in, out: out, err: err, now: func() time.Time { return testNow }}, out, err
}
