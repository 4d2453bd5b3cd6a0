//go:build unix

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
)

// serverWait is how long a server may take to come up.
const serverWait = time.Minute

// server is a real server of the test's own, which it can kill, freeze and start again on the same data and port.
type server struct {
	t       *testing.T
	name    string
	address string   // host:port
	ready   string   // a path that answers when it is up
	line    []string // the command
	environ []string
	log     *os.File
	command *exec.Cmd
	wait    func() error
}

func newServer(t *testing.T, base, name, ready string, line ...string) *server {
	t.Helper()
	s := &server{t: t, name: name, ready: ready, line: line, environ: os.Environ()}
	var err error
	if s.log, err = os.Create(filepath.Join(base, name+".log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(s.log.Name()) // the test has failed already
			t.Logf("log of %s:\n%s", name, text[max(0, len(text)-4000):])
		}
		s.log.Close()
	})
	t.Cleanup(func() { s.kill() })
	return s
}

// newMinio is a MinIO of the test's own, with one bucket.
func newMinio(t *testing.T, base, bucket string) *server {
	t.Helper()
	path := servertest.Named(t, "DM3SYNC_TEST_MINIO_BINARY")
	address := servertest.FreeAddress(t)
	s := newServer(t, base, "minio", "/minio/health/ready", path, "server", "--quiet", "--address", address, filepath.Join(base, "minio"))
	s.address = address
	s.environ = append(s.environ, "MINIO_ROOT_USER="+testKey, "MINIO_ROOT_PASSWORD="+testSecret, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	s.start()
	makeBucket(t, "http://"+address, bucket)
	return s
}

// start returns when the server answers.
func (s *server) start() {
	s.t.Helper()
	s.command = exec.Command(s.line[0], s.line[1:]...)
	s.command.Env, s.command.Stdout, s.command.Stderr = s.environ, s.log, s.log
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.wait = sync.OnceValue(s.command.Wait)
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(serverWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		response, err := client.Get("http://" + s.address + s.ready)
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	s.t.Fatalf("%s does not come up", s.name)
}

// kill ends the server as kill -9 does.
func (s *server) kill() {
	if s.command != nil && s.command.Process != nil {
		_ = s.command.Process.Kill() // it may have ended
		_ = s.wait()                 // it was killed
	}
}

// freeze stops a process in its tracks, as sleep does; thaw lets it go on.
func freeze(t *testing.T, command *exec.Cmd) { send(t, command, syscall.SIGSTOP) }
func thaw(t *testing.T, command *exec.Cmd)   { send(t, command, syscall.SIGCONT) }

func send(t *testing.T, command *exec.Cmd, signal os.Signal) {
	t.Helper()
	if err := command.Process.Signal(signal); err != nil {
		t.Errorf("%v to process %d: %v", signal, command.Process.Pid, err)
	}
}

// toxiproxy stands between the agent and a server. It is driven over HTTP, see github.com/Shopify/toxiproxy.
type toxiproxy struct {
	*server
	listen string // where the agent connects to
}

// toxic is one fault of the network, as toxiproxy's API wants it.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // upstream or downstream
	Attributes map[string]int `json:"attributes"`
}

func newToxiproxy(t *testing.T, base, upstream string) *toxiproxy {
	t.Helper()
	path := servertest.Named(t, "DM3SYNC_TEST_TOXIPROXY_BINARY")
	address := servertest.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	p := &toxiproxy{server: newServer(t, base, "toxiproxy", "/version", path, "-host", host, "-port", port), listen: servertest.FreeAddress(t)}
	p.address = address
	p.start()
	p.call(http.MethodPost, "/proxies", map[string]any{"name": "place", "listen": p.listen, "upstream": upstream, "enabled": true})
	return p
}

// add makes the network worse.
func (p *toxiproxy) add(toxics ...toxic) {
	p.t.Helper()
	for _, one := range toxics {
		p.call(http.MethodPost, "/proxies/place/toxics", one)
	}
}

// down cuts all connections and refuses new ones.
func (p *toxiproxy) down() {
	p.t.Helper()
	p.call(http.MethodPost, "/proxies/place", map[string]any{"enabled": false})
}

// reset takes all faults away.
func (p *toxiproxy) reset() {
	p.t.Helper()
	p.call(http.MethodPost, "/reset", nil)
}

func (p *toxiproxy) call(method, path string, body any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), serverWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatalf("toxiproxy: %v", err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		p.t.Fatalf("toxiproxy: %s %s: %s %s", method, path, response.Status, answer)
	}
}
